"""Getting a label for every row: few prompts, strict answers, and a row without an answer asked again alone, once."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.feedback_tagger.domain.feedback import Row
from services.feedback_tagger.domain.taxonomy import Taxonomy
from services.feedback_tagger.planner.batch import questions
from services.feedback_tagger.planner.prompt import Hex, as_one_line, packed
from services.feedback_tagger.tasks.task import Task
from shared.backoff import Backoff, Uniform
from shared.errors import TransientError
from shared.model.port import NO_USAGE, Model, Request, Text, Turn, Usage

# A hiccup is waited out here; a longer outage is the queue's to wait out, so that a drain is never held up by it.
ATTEMPTS = 3
PATIENCE = Backoff(base=0.2, cap=2.0)


@dataclass(slots=True)
class Answers:
    """``labels`` are in the order of the rows that were asked about."""

    labels: list[str]
    calls: int = 0
    usage: Usage = NO_USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Asks ``model`` for labels; raises TransientError while it is away, PermanentError if it refuses the request."""

    model: Model = field(repr=False)
    model_id: str
    rows_per_prompt: int
    token_hex: Hex = field(repr=False)
    uniform: Uniform = field(repr=False)

    async def labels(self, task: Task, rows: Sequence[Row], taxonomy: Taxonomy) -> Answers:
        """A label of the task for each row: what a row says decides which, and nothing else can come out."""
        texts = [as_one_line(task.question(row.feedback)) for row in rows]
        answers = Answers(labels=[])
        by_text: dict[str, str] = {}
        if not taxonomy.categories:
            answers.labels = [task.fallback] * len(rows)
            return answers
        system = task.system(taxonomy)
        for group in questions([task.question(row.feedback) for row in rows], at_most=self.rows_per_prompt):
            asked = [texts[index] for index in group]
            by_text |= await self._ask(task, system, asked, taxonomy, answers)
            # Asked alone, no other row's text can be the reason that this one has no answer.
            for text in [text for text in asked if text not in by_text]:
                by_text |= await self._ask(task, system, [text], taxonomy, answers)
        answers.labels = [by_text.get(text, task.fallback) for text in texts]
        return answers

    async def _ask(
        self, task: Task, system: str, texts: Sequence[str], taxonomy: Taxonomy, answers: Answers
    ) -> dict[str, str]:
        prompt = packed(system, texts, token_hex=self.token_hex)
        request = Request(
            model_id=self.model_id,
            system=prompt.system,
            turns=(Turn("user", (Text(prompt.user),)),),
            max_tokens=prompt.max_tokens,
            metadata={"task": task.name},
        )
        for attempt in range(ATTEMPTS):
            try:
                reply = await self.model.converse(request)
                break
            except TransientError as error:
                if attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(PATIENCE.delay(attempt, self.uniform, at_least=error.retry_after))
        answers.calls += 1
        answers.usage += reply.usage
        labels = task.read(reply.text, prompt.rows, taxonomy)
        return {text: labels[number] for number, text in enumerate(texts, start=1) if number in labels}
