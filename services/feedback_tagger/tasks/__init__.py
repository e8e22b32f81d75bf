"""What can be asked about a row. A task is one file and one line here."""

from dataclasses import dataclass

from services.feedback_tagger.documents.page_facts import Name
from services.feedback_tagger.domain.taxonomy import UNKNOWN
from services.feedback_tagger.tasks.categorise import CATEGORISE
from services.feedback_tagger.tasks.email_routing import DEPARTMENTS, Department, email_routing
from services.feedback_tagger.tasks.product_facts import REQUIRED, product_facts
from services.feedback_tagger.tasks.sentiment import ASPECTS, sentiment
from services.feedback_tagger.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Tasks:
    """The tasks of an installation."""

    all: tuple[Task, ...]

    def named(self, name: str) -> Task:
        """Raises KeyError for a task that this build does not have."""
        for task in self.all:
            if task.name == name:
                return task
        raise KeyError(name)

    def of_upload(self, key: str) -> Task:
        """The task whose prefix the object's key has; the longest prefix wins. Raises KeyError if there is none."""
        fitting = [task for task in self.all if key.startswith(task.upload_prefix)]
        if not fitting:
            raise KeyError(key)
        return max(fitting, key=lambda task: len(task.upload_prefix))

    def fallback_of(self, name: str) -> str:
        """What the task counts rows without an answer as; during a deployment the task may be a newer build's."""
        return next((task.counted(task.fallback) for task in self.all if task.name == name), UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """What an installation may set about its tasks."""

    sentiment_aspects: tuple[str, ...] = ASPECTS
    sentiment_votes: int = 1
    departments: tuple[Department, ...] = DEPARTMENTS
    required_facts: tuple[Name, ...] = REQUIRED


def tasks_of(options: TaskOptions) -> Tasks:
    return Tasks(
        (
            CATEGORISE,
            sentiment(options.sentiment_aspects, votes=options.sentiment_votes),
            email_routing(options.departments),
            product_facts(options.required_facts),
        )
    )


TASKS = tasks_of(TaskOptions())


def task_named(name: str) -> Task:
    """Of those with the options' defaults. Raises KeyError."""
    return TASKS.named(name)
