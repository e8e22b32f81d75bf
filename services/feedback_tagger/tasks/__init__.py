"""What can be asked about a row. A task is one file and one line here."""

from services.feedback_tagger.tasks.categorise import CATEGORISE
from services.feedback_tagger.tasks.task import Task

TASKS: tuple[Task, ...] = (CATEGORISE,)


def task_named(name: str) -> Task:
    """Raises KeyError for a task that this build does not have."""
    for task in TASKS:
        if task.name == name:
            return task
    raise KeyError(name)


def task_of_upload(key: str) -> Task:
    """The task whose prefix the object's key has; the longest prefix wins. Raises KeyError if there is none."""
    fitting = [task for task in TASKS if key.startswith(task.upload_prefix)]
    if not fitting:
        raise KeyError(key)
    return max(fitting, key=lambda task: len(task.upload_prefix))
