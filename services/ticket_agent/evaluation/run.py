"""Runs cases one after the other: sets the tables up, lets the real worker work on the ticket, judges what changed.

The worker runs in this process, with its real loop, tools, guard and stores; what is left out is the way there (intake,
stream, queues) and the notification after, which the system tests drive. That, one set of tables for all cases, and
writing only the rows that differ keep fifty cases at a few seconds.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.ticket_agent.agent.port import Agent
from services.ticket_agent.domain.ticket import TicketKey
from services.ticket_agent.evaluation.cases import EvaluationCase, GroundTruth, rows_before
from services.ticket_agent.evaluation.scoring import Figures, Verdict, judge
from services.ticket_agent.evaluation.tables import Row, Snapshot
from services.ticket_agent.evaluation.transcripts import Diverged, ReplayingAgent
from services.ticket_agent.evaluation.watching import Watch, watched
from services.ticket_agent.store.port import NewTicket, Submission
from services.ticket_agent.worker import Worker
from shared.errors import DeskhandError
from shared.queue.message import Ack, Message

EVALUATED_AT = 4_102_488_000
"""Noon of 2 January 2100. Fixed, so that a grant's end is the same in every run and a recording can be replayed; far
ahead, so that no table's time to live takes a row that a case has expire."""

Tell = Callable[[Verdict], None]


class Stage(Protocol):
    """The tables under evaluation, which belong to nobody else."""

    async def read(self) -> Snapshot:
        """All rows of the four tables."""
        ...

    async def write(self, rows: Mapping[str, tuple[Row, ...]]) -> None:
        """Make each table named hold exactly these rows."""
        ...

    async def forget(self) -> None:
        """Empty what else a ticket leaves behind: its ledger."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """``agent`` is what the worker asks: its own, or one that records or replays."""

    truth: GroundTruth
    worker: Worker
    stage: Stage
    agent: Agent[Any]

    async def run(self, cases: Sequence[EvaluationCase], tell: Tell) -> list[Verdict]:
        """A verdict a case, in order; ``tell`` hears each as it falls."""
        verdicts: list[Verdict] = []
        for case in cases:
            # What a case builds on runs again before it: its own verdict counts once, in its own place.
            if case.before.after is not None:
                await self.one(self.truth.case(case.before.after))
            verdict = await self.one(case)
            verdicts.append(verdict)
            tell(verdict)
        return verdicts

    async def one(self, case: EvaluationCase) -> Verdict:
        """Set up, run, judge. A case with ``before.after`` takes the tables as they are."""
        await self._set_up(case)
        before = await self.stage.read()
        watch = Watch()
        worker = watched(self.worker, watch, agent=self.agent, now=lambda: float(EVALUATED_AT))
        began = time.monotonic()
        stopped = await self._work(worker, case)
        figures = Figures(
            turns=watch.turns,
            input_tokens=watch.input_tokens,
            output_tokens=watch.output_tokens,
            model_ms=round(watch.model_seconds * 1000),
            total_ms=round((time.monotonic() - began) * 1000),
        )
        after = await self.stage.read()
        return judge(
            case,
            before,
            after,
            at=EVALUATED_AT,
            tools=watch.tools,
            refused=watch.refused,
            figures=figures,
            stopped=stopped,
        )

    async def _set_up(self, case: EvaluationCase) -> None:
        if case.before.after is None:
            await self.stage.forget()
            await self.stage.write(rows_before(case, self.truth.seed, at=EVALUATED_AT))
        key = TicketKey(ticket_id=case.case_id, employee_id=case.employee_id)
        new = NewTicket(key=key, content=case.ticket_text, sender_id="evaluation", message_id=case.case_id)
        taken = await self.worker.tickets.submit(new, at=float(EVALUATED_AT))
        if taken is not Submission.ACCEPTED:
            raise ValueError(f"{case.case_id}: the ticket was not taken in: {taken}; does the employee exist?")
        if case.before.leaves:
            employees = rows_before(case, self.truth.seed, at=EVALUATED_AT)["User"]
            await self.stage.write({"User": _without(employees, case.employee_id)})

    async def _work(self, worker: Worker, case: EvaluationCase) -> str | None:
        """Why the run broke off, if it did."""
        try:
            settled = await worker.handle(_work_message(case))
            if isinstance(self.agent, ReplayingAgent):
                self.agent.finish()
        except Diverged as diverged:
            return f"the replay diverged: {diverged}"
        except DeskhandError as error:
            return f"{type(error).__name__}: {error}"
        return None if isinstance(settled, Ack) else f"the work was given back: {settled}"


def _without(rows: Sequence[Row], employee_id: str) -> tuple[Row, ...]:
    return tuple(row for row in rows if row["employeeId"] != employee_id)


def _work_message(case: EvaluationCase) -> Message:
    return Message(
        message_id=case.case_id,
        receipt_handle=case.case_id,
        body=json.dumps({"ticketId": case.case_id, "employeeId": case.employee_id, "version": 0}),
        receive_count=1,
        sent_at=float(EVALUATED_AT),
        first_received_at=float(EVALUATED_AT),
        sender_id="evaluation",
    )
