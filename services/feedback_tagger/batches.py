"""Batch jobs from their creation to their answers: created once, looked at ever more rarely, merged chunk by chunk.

Any task may take a part that is due and holds it for a while; all that is done with it may be done twice. A job is
created under a token of its part's own, a chunk is finished once, and a chunk that is sent to the pool twice is done
once there. So a task may be killed anywhere.

What a job leaves open (an error of a record, a record that is missing, a row without a valid answer, a job that failed
or could not be created) goes to the pool as ordinary chunk messages, with the answers that are there already.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from tempfile import TemporaryFile
from typing import BinaryIO, Final, cast

from services.feedback_tagger.aside import aside
from services.feedback_tagger.asking.prompting import PriceOf
from services.feedback_tagger.batch.merging import Merged, Merger, indexed
from services.feedback_tagger.batch.records import INPUT, OUTPUT, ROWS, read_chunk_line, read_header
from services.feedback_tagger.bucket.port import Bucket, ObjectGone
from services.feedback_tagger.domain.spent import NANO
from services.feedback_tagger.messages.chunk import with_answers
from services.feedback_tagger.store.batches import BatchStore, Part, Progress
from services.feedback_tagger.store.port import RowStore
from services.feedback_tagger.tasks import TASKS, Tasks
from shared.backoff import Uniform
from shared.errors import PermanentError, TransientError
from shared.health import Beat
from shared.lifecycle import StopEvent
from shared.logs import logger
from shared.model.batch_jobs import BatchJobs, JobState, NewJob, job_id
from shared.model.job_budget import JobBudget
from shared.queue.message import Outgoing
from shared.queue.port import Queue
from shared.queue.sending import send_all
from shared.waiting import is_set_within

log = logger("batches")

HOLD_SECONDS: Final = 120.0
"""A killed task's part waits so long for another. Merging holds it anew with every ``CHUNKS_AT_ONCE``."""
CHUNKS_AT_ONCE: Final = 50
AGE_SHARE, LONGEST_LOOK_SECONDS = 0.1, 600.0
"""The next look comes after a tenth of the job's age: what a job took becomes known at most a tenth later."""
CREATION_SECONDS: Final = 4 * 3600.0
"""So long a job's creation is tried again: a right that is missing, a quota of jobs that is full. Then it is asked at
once instead. One that waited for the budget before is tried twice at least."""
ROOM_SECONDS: Final = 60 * 3600.0
"""So long a job waits for room in the day's budget: a file of several days' dollars gets two midnights at least, and
with the week that a job may take it ends within the ten days after which the sweeper thinks a run forgotten."""
OVERDUE_SECONDS, STOPPING_SECONDS = 3600.0, 2 * 3600.0
"""The service ends a job at its timeout by itself. One that lives so much longer is stopped; and one that does not stop
for so long after that is taken for ended, or its run would never be."""


def look_in(age_seconds: float, least: float) -> float:
    return min(LONGEST_LOOK_SECONDS, max(least, AGE_SHARE * age_seconds))


@dataclass(slots=True, kw_only=True)
class Batches:
    """The loop; any number of tasks run it. ``role_arn`` is what the service reads and writes the bucket as, None: no
    further job is created. ``budget`` is the day's; ``deadline_minutes`` is a file's, None: it has all the time."""

    store: BatchStore = field(repr=False)
    rows: RowStore = field(repr=False)
    bucket: Bucket = field(repr=False)
    chunks: Queue = field(repr=False)
    jobs: BatchJobs = field(repr=False)
    price_of: PriceOf = field(repr=False)
    budget: JobBudget
    role_arn: str | None
    timeout_hours: int
    look_seconds: float
    deadline_minutes: float | None = None
    second_model: bool = False
    uniform: Uniform = field(repr=False)
    beat: Beat = field(repr=False)
    tasks: Tasks = field(default=TASKS, repr=False)

    async def run(self, stop: StopEvent) -> None:
        while not stop.is_set():
            self.beat()
            try:
                while not stop.is_set() and await self.turn():
                    self.beat()
            except TransientError as error:
                log.warning("turn_failed", reason=str(error))
            await is_set_within(stop, self.look_seconds)

    async def turn(self) -> bool:
        """See to one part that is due; False if there is none. An error leaves the part to whoever takes it next."""
        part = await self.store.take_due(hold_seconds=HOLD_SECONDS)
        if part is None:
            return False
        try:
            if part.progress.job_arn:
                await self._look(part)
            else:
                await self._create(part)
        except TransientError as error:
            log.warning("part_waits", run_id=part.run_id, part=part.part, reason=str(error))
        except PermanentError as error:
            # An object that cannot be read, written by another build or by nobody: a person has to look.
            log.error("part_stuck", run_id=part.run_id, part=part.part, reason=error.reason)
        return True

    async def _create(self, part: Part) -> None:
        if part.progress.merged:
            # Chunks have gone to the pool without a job: no job after that, which would be asked about them again.
            await self._merge(part, part.progress)
            return
        if (reason := self._reason_not_to(part)) is not None:
            await self._merge(part, Progress(reason=reason))
            return
        day = await self.budget.take(_name(part), part.nano_usd) if part.nano_usd else ""
        if day is None:
            await self._find_no_room(part)
            return
        try:
            arn = await self.jobs.create(self._job(part))
        except TransientError as error:
            # A part that waited for room is older than that at its first try: one hiccup is not to cost it the job.
            if part.age_seconds < CREATION_SECONDS or day != part.progress.spent_day:
                log.warning("job_not_created", run_id=part.run_id, part=part.part, reason=str(error))
                again = look_in(part.age_seconds, self.look_seconds)
                progress = Progress(reason=str(error), spent_day=day)
                await self.store.note(part.run_id, part.part, progress, look_in=again)
                return
            await self._do_without(part, day, str(error))
        except PermanentError as error:
            await self._do_without(part, day, error.reason)
        else:
            submitted = Progress(state="submitted", job_arn=arn, status="Submitted", spent_day=day)
            await self.store.note(part.run_id, part.part, submitted, look_in=self.look_seconds)
            log.info("job_created", run_id=part.run_id, part=part.part, job_arn=arn, records=part.records)

    async def _find_no_room(self, part: Part) -> None:
        """Wait for room: asked at once the rows would cost twice as much, of the same budget. But not for what never
        comes, nor past the moment from which a job would miss the deadline."""
        usd = part.nano_usd / NANO
        if part.nano_usd > self.budget.limit:
            reason = f"a job may cost ${usd:.2f}, more than the budget of a whole day"
        elif part.age_seconds >= self._patience():
            reason = f"no room for ${usd:.2f} in the day's budget after {part.age_seconds / 3600:.0f} hours"
        else:
            waits = Progress(reason=f"waits for ${usd:.2f} of the day's budget")
            log.warning("job_waits_for_the_budget", run_id=part.run_id, part=part.part, usd=usd)
            again = min(LONGEST_LOOK_SECONDS, self.budget.until_next_day())
            await self.store.note(part.run_id, part.part, waits, look_in=again)
            return
        await self._merge(part, Progress(reason=reason))

    def _patience(self) -> float:
        spare = None if self.deadline_minutes is None else 60 * self.deadline_minutes - 3600 * self.timeout_hours
        # Below zero somebody asked for a job though the deadline leaves it no time: then it is not what counts.
        return ROOM_SECONDS if spare is None or spare < 0 else min(ROOM_SECONDS, spare)

    async def _do_without(self, part: Part, day: str, reason: str) -> None:
        if day:
            await self.budget.settle(_name(part), day, part.nano_usd, 0)
        await self._merge(part, Progress(reason=f"no job could be created: {reason}"))

    def _reason_not_to(self, part: Part) -> str | None:
        if self.role_arn is None:
            return "BATCH_ROLE_ARN is not set any more"
        if not part.records:
            return "no row of it needs a model"
        price = self.price_of(part.model_id)
        least = price.batch_limits.least_records if price is not None and price.batch_limits is not None else 1
        if part.records < least:
            return f"{part.records} prompts, and a batch job takes at least {least}"
        return None

    def _job(self, part: Part) -> NewJob:
        place = f"s3://{self.bucket.name}/{part.prefix}"
        return NewJob(
            name=_name(part),
            token=_name(part),
            model_id=part.model_id,
            role_arn=self.role_arn or "",
            input_uri=place + INPUT,
            output_uri=place + OUTPUT,
            timeout_hours=self.timeout_hours,
        )

    async def _look(self, part: Part) -> None:
        state = await self.jobs.state(part.progress.job_arn)
        if state is None:
            gone = replace(part.progress, status="Gone", reason="the service knows the job no more")
            await self._merge(part, gone)
            return
        progress = replace(
            part.progress,
            status=state.status,
            reason=_reason(state),
            processed=state.processed,
            succeeded=state.succeeded,
            failed=state.failed,
        )
        if state.ended:
            await self._merge(part, progress)
            return
        overdue = part.age_seconds - 3600 * self.timeout_hours - OVERDUE_SECONDS
        if overdue >= STOPPING_SECONDS:
            await self._merge(part, replace(progress, reason="the job did not end, hours after its time was up"))
            return
        if overdue >= 0:
            log.warning("job_stopped", run_id=part.run_id, part=part.part, job_arn=part.progress.job_arn)
            await self.jobs.stop(part.progress.job_arn)
        again = self.look_seconds if overdue >= 0 else look_in(part.age_seconds, self.look_seconds)
        await self.store.note(part.run_id, part.part, progress, look_in=again)

    async def _merge(self, part: Part, progress: Progress) -> None:
        """Finish the part's chunks with what the job has answered, and send the others to the pool.

        The chunks up to ``merged`` have been seen to. A task that was killed here repeats at most one step of them.
        """
        job = part.progress.job_arn
        with _file() as rows, _file() as answers:
            await self._fetch(f"{part.prefix}{ROWS}", rows)
            # Of a job that the service has forgotten, or that goes on, nobody knows what it cost.
            cost_is_known = bool(job) and JobState(status=progress.status).ended
            if job and _has_output(progress):
                try:
                    await self._fetch(f"{part.prefix}{OUTPUT}{job_id(job)}/{INPUT}.out", answers)
                except ObjectGone:
                    cost_is_known = False
                    log.warning("job_without_output", run_id=part.run_id, part=part.part, status=progress.status)
            header = read_header(await aside(rows.readline))
            try:
                task = self.tasks.named(header.task)
            except KeyError:
                raise PermanentError(f"this build knows no task {header.task!r}") from None
            price = self.price_of(part.model_id)
            index = await aside(indexed, answers, self.jobs.as_reply, price)
            if cost_is_known and progress.spent_day:
                # Before the chunks: all of the cost is in the output, wherever a kill leaves the merging.
                await self.budget.settle(_name(part), progress.spent_day, part.nano_usd, index.nano_usd)
            merger = Merger(
                run_id=part.run_id,
                header=header,
                task=task,
                price=price,
                as_reply=self.jobs.as_reply,
                answers=answers,
                places=index.places,
                second_model=self.second_model,
            )
            seen = 0
            while lines := await aside(_next_lines, rows, CHUNKS_AT_ONCE):
                self.beat()
                if seen + len(lines) > progress.merged:
                    merged = await aside(_merged, merger, lines)
                    again = await self._settle(part.run_id, merged)
                    progress = replace(progress, merged=seen + len(lines), asked_again=progress.asked_again + again)
                    if not await self.store.note(part.run_id, part.part, progress, look_in=HOLD_SECONDS):
                        return
                seen += len(lines)
        await self.store.note(part.run_id, part.part, replace(progress, state="ended"), look_in=0)
        log.info(
            "part",
            run_id=part.run_id,
            part=part.part,
            job_arn=job,
            status=progress.status,
            reason=progress.reason,
            records=part.records,
            failed=progress.failed,
            chunks=seen,
            asked_again=progress.asked_again,
            usd=index.nano_usd / NANO,
        )

    async def _settle(self, run_id: str, merged: Sequence[Merged]) -> int:
        """How many chunks went to the pool."""
        finished = [each for each in merged if not each.open_rows]
        left = [each for each in merged if each.open_rows]
        # Several at once: a chunk is a transaction, and one after the other a file would take an hour.
        for start in range(0, len(finished), 5):
            await asyncio.gather(*(self.rows.finish_chunk(each.result) for each in finished[start : start + 5]))
        if left:
            messages = [
                Outgoing(
                    body=with_answers(each.body, each.answered, each.result.spent, each.result.agreement),
                    group_id=run_id,
                )
                for each in left
            ]
            await send_all(self.chunks, messages, uniform=self.uniform)
        return len(left)

    async def _fetch(self, key: str, file: BinaryIO) -> None:
        """Raises ObjectGone."""
        async with self.bucket.open(key, version_id=None) as found:
            async for block in found.blocks:
                await aside(file.write, block)
        file.seek(0)


def _name(part: Part) -> str:
    """The job's. The prefix ends with what only this writing of the part has: that of another is another job."""
    return f"deskhand-{part.run_id.removeprefix('run-')}-{part.prefix.rstrip('/').rpartition('/')[2]}"


_file: Callable[[], BinaryIO] = lambda: cast(BinaryIO, TemporaryFile(prefix="deskhand-batch-"))  # noqa: E731, SIM115


def _has_output(progress: Progress) -> bool:
    """Whether to look for one: of an object that is not there, S3 may say that it is forbidden, which is no answer."""
    return progress.status in ("Completed", "PartiallyCompleted") or progress.succeeded > 0


def _next_lines(rows: BinaryIO, at_most: int) -> list[bytes]:
    return [line for line in (rows.readline() for _ in range(at_most)) if line]


def _merged(merger: Merger, lines: Sequence[bytes]) -> list[Merged]:
    return [merger.merged(read_chunk_line(line)) for line in lines]


def _reason(state: JobState) -> str:
    """What to say of a job beside its status: nothing of one that goes on or went well."""
    return state.message if state.ended and state.status != "Completed" else ""
