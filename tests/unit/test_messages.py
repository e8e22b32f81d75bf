"""Reading what users send: errors that name the field and the remedy and never repeat the text."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadInput
from shared.messages import MessageSchema

SCHEMA = MessageSchema(
    {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "required": ["version", "text"],
        "properties": {
            "version": {"const": 1, "description": "The number 1."},
            "text": {"type": "string", "minLength": 1, "maxLength": 20, "description": "What happened, in your words."},
            "kind": {"enum": ["a", "b"], "description": "Either a or b."},
            "at": {"type": "string", "format": "date", "description": "A day, as 2026-01-31."},
            "who": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": False,
                "properties": {"name": {"type": "string"}},
            },
        },
    }
)


def refused(body: str) -> BadInput:
    with pytest.raises(BadInput) as raised:
        SCHEMA.read(body)
    return raised.value


def test_a_good_message_is_read() -> None:
    assert SCHEMA.read('{"version": 1, "text": "hello", "at": "2026-01-31"}')["text"] == "hello"


@pytest.mark.parametrize(
    ("body", "field", "problem"),
    [
        ("", "body", "is not JSON"),
        ("{", "body", "is not JSON"),
        ("[]", "body", "is not a JSON object"),
        ('"text"', "body", "is not a JSON object"),
        ('{"version": 1}', "text", "is missing"),
        ('{"version": 1, "text": "x", "colour": "red"}', "colour", "is not a field of this message"),
        ('{"version": 1, "text": 5}', "text", "is not of type string"),
        ('{"version": 1, "text": ""}', "text", "is shorter than 1"),
        ('{"version": 1, "text": "' + "x" * 21 + '"}', "text", "is longer than 20"),
        ('{"version": 2, "text": "x"}', "version", "is not 1"),
        ('{"version": 1, "text": "x", "kind": "c"}', "kind", "is none of a, b"),
        ('{"version": 1, "text": "x", "at": "31.01.2026"}', "at", "breaks the rule format"),
        ('{"version": 1, "text": "x", "who": {}}', "who.name", "is missing"),
        ('{"version": 1, "text": "x", "who": {"name": "n", "age": 3}}', "who.age", "is not a field of this message"),
    ],
)
def test_a_bad_message_is_refused_by_field(body: str, field: str, problem: str) -> None:
    error = refused(body)

    assert error.field == field
    assert problem in error.problem
    assert error.remedy


def test_the_remedy_is_the_description_of_the_field() -> None:
    assert refused('{"version": 1, "text": 5}').remedy == "send what happened, in your words"


def test_an_unknown_field_is_answered_with_the_known_ones() -> None:
    assert "version, text, kind" in refused('{"version": 1, "text": "x", "colour": 1}').remedy


@pytest.mark.parametrize(
    "body",
    ['{"version": 1, "version": 1, "text": "x"}', '{"version": NaN, "text": "x"}'],
)
def test_json_that_readers_understand_differently_is_refused(body: str) -> None:
    assert refused(body).field == "body"


def test_half_a_character_is_refused_at_its_field() -> None:
    assert refused('{"version": 1, "text": "\\ud800"}').field == "text"
    assert refused('{"\\ud800": 1}').field == "body"
    assert refused('["\\ud800"]').field == "body"


def test_json_too_deep_to_read_is_refused() -> None:
    assert refused("[" * 100_000).field == "body"


@given(body=st.one_of(st.text(), st.binary().map(lambda raw: raw.decode("latin-1"))))
def test_whatever_is_sent_is_read_or_refused(body: str) -> None:
    with suppress(BadInput):
        assert set(SCHEMA.read(body)) >= {"version", "text"}


@given(secret=st.from_regex(r"[A-Z]{12}", fullmatch=True))
def test_the_text_of_a_message_is_not_repeated(secret: str) -> None:
    for body in (f'{{"version": 1, "text": "{secret * 3}"}}', f'{{"version": "{secret}", "text": "x"}}', f"{{{secret}"):
        assert secret not in str(refused(body))
