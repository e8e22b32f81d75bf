"""Which uploads are feedback and which are for somebody else, and who hears when a message cannot be handled."""

import json
from dataclasses import dataclass, field, replace

from services.feedback_tagger.entrances import Entrances, entrance_for
from services.feedback_tagger.messages.uploaded import Uploaded, uploads_in
from shared.queue.message import DeadLetter, Message, Settlement


@dataclass
class Desk:
    prefix: str
    taken: list[str] = field(default_factory=list)
    buried: list[tuple[str, str]] = field(default_factory=list)

    async def take(self, uploaded: Uploaded) -> None:
        self.taken.append(uploaded.key)

    async def bury(self, uploaded: Uploaded, reason: str) -> None:
        self.buried.append((uploaded.key, reason))


@dataclass
class Feedback:
    messages: list[Message] = field(default_factory=list)
    letters: list[Message] = field(default_factory=list)

    async def handle(self, message: Message) -> Settlement | None:
        self.messages.append(message)
        return None

    async def bury(self, message: Message, letter: DeadLetter) -> None:
        self.letters.append(message)


def a_notification(*keys: str, bucket: str = "bucket") -> Message:
    records = [
        {
            "eventName": "ObjectCreated:Put",
            "userIdentity": {"principalId": "AWS:someone"},
            "s3": {"bucket": {"name": bucket}, "object": {"key": key, "eTag": "e", "sequencer": "1"}},
        }
        for key in keys
    ]
    return Message(
        message_id="m",
        receipt_handle="h",
        body=json.dumps({"Records": records}),
        receive_count=1,
        sent_at=0,
        first_received_at=0,
        sender_id="s",
    )


def desks() -> tuple[Desk, Desk, Feedback, Entrances]:
    short, long, feedback = Desk("uploads/commands/"), Desk("uploads/commands/urgent/"), Feedback()
    entrances = Entrances(
        bucket="bucket", entrances=(short, long), feedback=feedback.handle, bury_feedback=feedback.bury
    )
    return short, long, feedback, entrances


async def test_an_upload_goes_to_the_entrance_with_the_longest_prefix_and_a_file_of_feedback_to_none() -> None:
    short, long, feedback, entrances = desks()
    for key in ("uploads/commands/a.json", "uploads/commands/urgent/b.json", "uploads/c.csv"):
        await entrances.handle(a_notification(key))

    assert short.taken == ["uploads/commands/a.json"]
    assert long.taken == ["uploads/commands/urgent/b.json"]
    assert [uploads_in(message.body)[0].key for message in feedback.messages] == ["uploads/c.csv"]


async def test_a_notification_about_both_kinds_is_parted_and_nothing_is_taken_twice() -> None:
    short, _, feedback, entrances = desks()
    await entrances.handle(a_notification("uploads/a.csv", "uploads/commands/b.json", "uploads/c.csv"))

    assert short.taken == ["uploads/commands/b.json"]
    (message,) = feedback.messages
    assert [uploaded.key for uploaded in uploads_in(message.body)] == ["uploads/a.csv", "uploads/c.csv"]


async def test_another_bucket_and_what_is_no_notification_are_for_ingest_to_refuse() -> None:
    short, _, feedback, entrances = desks()
    await entrances.handle(a_notification("uploads/commands/a.json", bucket="another"))

    assert short.taken == []
    assert len(feedback.messages) == 1


async def test_whoever_waits_for_an_answer_hears_that_the_message_is_a_dead_letter() -> None:
    short, _, feedback, entrances = desks()
    await entrances.bury(
        a_notification("uploads/commands/a.json", "uploads/b.csv"), DeadLetter("the store is gone", "PermanentError")
    )

    assert short.buried == [("uploads/commands/a.json", "the store is gone")]
    assert len(feedback.letters) == 1


async def test_a_body_that_is_no_notification_is_buried_without_a_word() -> None:
    short, _, feedback, entrances = desks()
    message = a_notification("uploads/commands/a.json")
    await entrances.bury(replace(message, body="nonsense"), DeadLetter("not JSON", "BadInput"))

    assert (short.buried, feedback.letters) == ([], [])


def test_who_put_an_object_there_is_read_from_the_event() -> None:
    (uploaded,) = uploads_in(a_notification("uploads/commands/a.json").body)

    assert uploaded.principal == "AWS:someone"
    assert entrance_for((), uploaded.key) is None
