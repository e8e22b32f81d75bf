"""`deskhand redrive`: what lies among a queue's dead letters and why, and moving letters back at a rate."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError

from cli.cloud import NOT_INSTALLED, Cloud, CloudChoice, CloudOption, JsonOption, NameOption, open_cloud
from cli.errors import UserError, absent
from cli.letters import Letter, Pace, moved_back, queue_named, read_letter, refusal
from cli.names import DEFAULT_NAME
from cli.output import print_json, print_table, say
from local.provisioning import QUEUES, Queue

SHOWN_ONE_BY_ONE = 20
BATCH = 10
LOOKING_SECONDS = 60
"""How long letters that are looked at are hidden from others, if this command is killed before it gives them back."""
LONGEST_HIDDEN = 43_200
NEVER_TAKEN = frozenset(
    {"InvalidMessageContents", "InvalidParameterValue", "InvalidAttributeValue", "InvalidParameterValueException"}
)


@dataclass(slots=True)
class Redriven:
    """What became of the letters that were looked at."""

    moved: list[Letter] = field(default_factory=list)
    kept: list[tuple[Letter, str]] = field(default_factory=list)
    """Those that should have been moved and were not, and why."""


def redrive(
    queue: Annotated[str, typer.Argument(help="The queue: feedback-chunks, for example. Its dead letters are meant.")],
    reason: Annotated[str, typer.Option("--reason", help="Only letters whose reason contains this.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many letters.")] = 1000,
    rate: Annotated[float, typer.Option("--rate", min=0.1, max=300, help="Letters moved a second.")] = 10.0,
    yes: Annotated[bool, typer.Option("--yes", help="Move them back; without it they are shown.")] = False,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Show a queue's dead letters with their reasons; with --yes move them back. Status 1 if one could not be moved.

    Each is sent before it is deleted: killed in between, the same command moves the rest, and one letter may be handled
    twice, which every queue bears.
    """
    there = open_cloud(cloud, name)
    found = queue_named(queue, there.names.name)
    if found is None:
        raise UserError(f"there is no queue {queue!r}", f"name one of {', '.join(each.name for each in QUEUES)}")
    if not yes:
        with dead_letters(there, found) as letters:
            shown = [letter for letter in _at_most(letters, reason, limit) if reason in letter.reason]
        _show(found, shown, as_json=as_json)
        return
    done = move_back(there, found, reason=reason, limit=limit, pace=Pace(rate, time.monotonic, time.sleep))
    if as_json:
        kept = [{**letter.as_document(), "kept_because": why} for letter, why in done.kept]
        print_json({"queue": found.name, "moved": [letter.as_document() for letter in done.moved], "kept": kept})
    else:
        typer.echo(f"{len(done.moved)} moved back to {found.full_name(there.names.name)}")
        for letter, why in done.kept:
            typer.echo(f"kept {letter.letter_id}: {why}")
    if done.kept:
        raise typer.Exit(1)


def move_back(cloud: Cloud, queue: Queue, *, reason: str, limit: int, pace: Pace) -> Redriven:
    """Send each letter to the queue it came from, then delete it."""
    sqs, to = cloud.client("sqs"), url_of(cloud, queue)
    done = Redriven()
    blocked: set[str | None] = set()
    with dead_letters(cloud, queue, hidden_seconds=LOOKING_SECONDS + BATCH / pace.rate) as letters:
        for letter in letters:
            if len(done.moved) + len(done.kept) >= limit:
                break
            group = letter.group_id if queue.fifo else None
            if reason not in letter.reason or (group is not None and group in blocked):
                # What follows it in its group must not overtake it.
                blocked.add(group)
                continue
            why = refusal(letter, queue)
            if not why:
                pace.wait()
                why = _send(sqs, to, moved_back(letter, queue))
            if why:
                done.kept.append((letter, why))
                blocked.add(group)
                continue
            sqs.delete_message(QueueUrl=letters.url, ReceiptHandle=letter.receipt_handle)
            letters.forget(letter)
            done.moved.append(letter)
    return done


class Letters(Iterator[Letter]):
    """Every letter of a queue once, hidden from others while it is looked at."""

    def __init__(self, sqs: Any, url: str, hidden_seconds: float) -> None:
        self.url = url
        self._sqs = sqs
        self._hidden = min(LONGEST_HIDDEN, round(hidden_seconds))
        self._seen: set[str] = set()
        self._held: dict[str, str] = {}
        self._batch: list[Letter] = []

    def __next__(self) -> Letter:
        old = 0
        while not self._batch:
            received = self._receive()
            self._batch = [letter for letter in received if letter.letter_id not in self._seen]
            # Those that were looked at and kept come back while the others are moved slowly, and may come first.
            if not received or old > len(self._seen):
                raise StopIteration
            old += len(received)
        letter = self._batch.pop(0)
        self._seen.add(letter.letter_id)
        return letter

    def forget(self, letter: Letter) -> None:
        self._held.pop(letter.letter_id, None)

    def give_back(self) -> None:
        """Let others see them at once. One that can no longer be given back is seen when its time is over."""
        handles = list(self._held.values())
        for start in range(0, len(handles), BATCH):
            entries = [
                {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                for number, handle in enumerate(handles[start : start + BATCH])
            ]
            self._sqs.change_message_visibility_batch(QueueUrl=self.url, Entries=entries)

    def _receive(self) -> list[Letter]:
        answer = self._sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=1,  # asks all servers of the queue, not some
            VisibilityTimeout=self._hidden,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        letters = [read_letter(entry) for entry in answer.get("Messages", ())]
        self._held |= {letter.letter_id: letter.receipt_handle for letter in letters}
        return letters


@contextmanager
def dead_letters(cloud: Cloud, queue: Queue, *, hidden_seconds: float = LOOKING_SECONDS) -> Iterator[Letters]:
    """The queue's dead letters; given back at the end. Raises UserError if there is no such queue."""
    letters = Letters(cloud.client("sqs"), url_of(cloud, queue.dead_letter), hidden_seconds)
    try:
        yield letters
    finally:
        letters.give_back()


def url_of(cloud: Cloud, queue: Queue) -> str:
    """Raises UserError if there is no such queue."""
    sqs = cloud.client("sqs")
    name = queue.full_name(cloud.names.name)
    try:
        return str(sqs.get_queue_url(QueueName=name)["QueueUrl"])
    except ClientError as error:
        if not absent(error):
            raise
        raise UserError(f"there is no queue {name} in this account and region", NOT_INSTALLED) from None


def _at_most(letters: Iterator[Letter], reason: str, limit: int) -> Iterator[Letter]:
    taken = 0
    for letter in letters:
        yield letter
        taken += reason in letter.reason
        if taken >= limit:
            return


def _send(sqs: Any, url: str, message: dict[str, Any]) -> str:
    """Why SQS will never take the message; empty if it did. Any other error ends the command, the letter stays."""
    try:
        sqs.send_message(QueueUrl=url, **message)
    except ClientError as error:
        if error.response["Error"].get("Code", "").rpartition(".")[2] not in NEVER_TAKEN:
            raise
        return f"SQS refused it: {error.response['Error'].get('Message', '')}"
    return ""


def _show(queue: Queue, letters: list[Letter], *, as_json: bool) -> None:
    if as_json:
        print_json({"queue": queue.name, "letters": [letter.as_document() for letter in letters]})
        return
    if len(letters) > SHOWN_ONE_BY_ONE:
        counted = Counter((letter.error_class, letter.reason) for letter in letters)
        rows = [(count, *said) for said, count in counted.most_common()]
        print_table(("letters", "error", "reason"), rows, right=("letters",))
    elif letters:
        print_table(
            ("letter", "failed first", "error", "reason"),
            [(each.letter_id, each.failed_at, each.error_class, each.reason) for each in letters],
        )
    say(f"{len(letters)} dead letters of {queue.name}" + ("; move them back with --yes" if letters else ""))
    if queue.fifo and letters:
        say("SQS shows ten of a group at most; the others come when these are gone")
