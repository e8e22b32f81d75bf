"""What comes through the tagger's doors and what its loops send each other."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.feedback_tagger.domain.feedback import Feedback, Row, content_digest, row_identity
from services.feedback_tagger.domain.run import run_id
from services.feedback_tagger.messages.chunk import chunk_as_json, read_chunk, row_as_json
from services.feedback_tagger.messages.item import read_item
from services.feedback_tagger.messages.uploaded import uploads_in
from shared.errors import BadInput, PermanentError

# What a row may hold: ingest rejects NUL and lone surrogates.
TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), min_size=1, max_size=40)


def a_record(**thing: str) -> dict[str, object]:
    found = {"key": "uploads/a.csv", "eTag": "e", "sequencer": "1"} | thing
    return {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": found}}


def test_every_record_of_an_event_is_an_upload_and_keys_are_decoded() -> None:
    body = json.dumps({"Records": [a_record(key="uploads/sp%C3%A4t+%2B1.csv"), a_record(versionId="v", eTag='"q"')]})
    first, second = uploads_in(body)
    assert first.key == "uploads/spät +1.csv"
    assert (second.version_id, second.etag) == ("v", "q")


def test_the_test_event_deletions_and_folder_marks_are_no_uploads() -> None:
    assert uploads_in('{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}') == []
    removed = {**a_record(), "eventName": "ObjectRemoved:Delete"}
    assert uploads_in(json.dumps({"Records": [removed, a_record(key="uploads/new/")]})) == []


NO_EVENTS = (
    "",
    "hello",
    "[]",
    "{}",
    '{"Records": 1}',
    '{"Records": [1]}',
    '{"Records": [{}]}',
    '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": 1}}}]}',
)


@pytest.mark.parametrize("body", NO_EVENTS)
def test_what_is_no_event_of_s3_is_bad_input(body: str) -> None:
    with pytest.raises(BadInput, match="no event notification of S3; put the file under uploads/"):
        uploads_in(body)


def test_a_run_is_its_object_version_with_or_without_quotes_round_the_etag() -> None:
    plain = run_id("b", "uploads/a.csv", etag="e")
    assert (
        plain == run_id("b", "uploads/a.csv", etag='"e"') == run_id("b", "uploads/a.csv", etag="e", version_id="null")
    )
    others = {
        run_id("b", "uploads/a.csv", etag="f"),
        run_id("b", "uploads/b.csv", etag="e"),
        run_id("c", "uploads/a.csv", etag="e"),
        run_id("b", "uploads/a.csv", etag="e", version_id="1"),
        run_id("b", "uploads/a.csv", etag="e", version_id="2"),
    }
    assert len(others | {plain}) == 6
    assert run_id("b", "k", etag="e", version_id="1") == run_id("b", "k", etag="other", version_id="1")


@given(
    feedback=st.builds(
        Feedback,
        feedback=TEXT,
        title=st.none() | TEXT,
        ref_id=st.none() | TEXT,
        create_date=st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
        extra=st.dictionaries(TEXT, TEXT, max_size=3),
    ),
    line=st.integers(2, 10**7),
)
@example(feedback=Feedback(feedback="\ufffe and \uffff and \x01 and \U0001f600"), line=2)
def test_a_row_arrives_as_it_left_and_in_characters_that_a_queue_takes(feedback: Feedback, line: int) -> None:
    row = Row(line=line, identity=row_identity(content_digest(feedback), 1), feedback=feedback)
    body = chunk_as_json(run_id="r", task="categorise", number=4, rows=[row_as_json(row)] * 2)
    assert not any(character < " " or character in "\ufffe\uffff" for character in body)
    chunk = read_chunk(body)
    assert (chunk.run_id, chunk.task, chunk.number, chunk.rows) == ("r", "categorise", 4, (row, row))


def test_a_chunk_of_a_newer_task_with_more_fields_is_read() -> None:
    body = json.loads(chunk_as_json(run_id="r", task="t", number=0, rows=[]))
    assert read_chunk(json.dumps({**body, "version": 2, "colour": "red"})).run_id == "r"


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"run_id": "r", "task": "t", "chunk": "x", "rows": []}',
                                  '{"run_id": "r", "task": "t", "chunk": 1, "rows": [{}]}'])  # fmt: skip
def test_what_is_no_chunk_is_a_permanent_error(body: str) -> None:
    with pytest.raises(PermanentError, match="is no chunk of rows"):
        read_chunk(body)


def test_a_single_row_with_an_id_is_the_row_of_a_file_and_without_one_its_message() -> None:
    item = json.dumps({"version": 1, "id": "7", "feedback": "late", "date": "2024-03-25"})
    row = read_item(item, "m-1")
    assert row.feedback == Feedback(feedback="late", ref_id="7", create_date=datetime(2024, 3, 25, tzinfo=UTC))
    assert row.identity == read_item(item, "m-2").identity == row_identity(content_digest(row.feedback), 1)
    anonymous = json.dumps({"version": 1, "feedback": "late"})
    assert read_item(anonymous, "m-1").identity == "message:m-1"


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ({"feedback": "late"}, "version: is missing"),
        ({"version": 2, "feedback": "late"}, "version: is not 1"),
        ({"version": 1}, "feedback: is missing"),
        ({"version": 1, "feedback": ""}, "feedback: is shorter"),
        ({"version": 1, "feedback": " "}, "feedback: is blank"),
        ({"version": 1, "feedback": 5}, "feedback: is not of type string"),
        ({"version": 1, "feedback": "late", "ref_id": "7"}, "ref_id: is not a field"),
        ({"version": 1, "feedback": "late", "store": "x" * 21}, "store: is longer than 20"),
        ({"version": 1, "feedback": "late", "date": "25/3/2024"}, "date: does not begin with the year"),
        ({"version": 1, "feedback": "late", "date": "2024-02-31"}, "date: is no day of the calendar"),
        ({"version": 1, "feedback": "la\x00te"}, "feedback: holds a NUL"),
    ],
)
def test_a_single_row_that_cannot_be_taken_names_the_field(message: dict[str, object], says: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_item(json.dumps(message), "m")
    assert str(refused.value).startswith(says)
    assert "; " in str(refused.value)
