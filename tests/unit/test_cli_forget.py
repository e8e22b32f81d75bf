"""Who is meant, which attributes go, and finding a word in a file however it is packed."""

import gzip
import io

import pytest
from typer.testing import CliRunner

from cli.app import app
from cli.traces import BLOCK, contains, texts_of
from cli.trajectory import contradiction

ENTRY = {
    "entry": "intake",
    "texts": ["senderId", "text"],
    "textSalt": "s",
    "textDigest": "d",
    "senderId": "x",
    "at": "1",
}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "nothing says who is meant"),
        (("--employee", "111", "--files"), "files are found by what they contain"),
        (("--ref-id", " "), "an empty id"),
        (("--employee", " "), "an empty id"),
    ],
)
def test_who_is_meant_is_said_first(arguments: tuple[str, ...], problem: str) -> None:
    result = CliRunner().invoke(app, ["forget", *arguments])

    assert result.exit_code == 1
    assert problem in result.stderr


def test_of_an_entry_go_its_texts_that_are_there_and_the_salt() -> None:
    assert texts_of(ENTRY) == ["senderId", "textSalt"]
    assert texts_of({"entry": "attempt#0001", "at": "1"}) == []


def test_a_ticket_without_its_row_is_in_order_only_if_all_its_texts_are_gone() -> None:
    erased = {name: value for name, value in ENTRY.items() if name not in ("senderId", "textSalt")}

    assert contradiction(None, [erased, {"entry": "attempt#0001"}]) is None
    assert contradiction(None, [erased, ENTRY]) is not None
    assert contradiction(None, [{"entry": "attempt#0001"}]) is not None
    assert contradiction(None, []) is None


WORD = b"F-2001"


@pytest.mark.parametrize("lead", [0, BLOCK - 3, BLOCK - len(WORD), BLOCK, 2 * BLOCK - 1])
@pytest.mark.parametrize("packed", [False, True])
def test_a_word_is_found_wherever_it_stands(lead: int, *, packed: bool) -> None:
    text = b"x" * lead + WORD + b"y" * 10
    body = gzip.compress(text, 1) if packed else text

    assert contains(io.BytesIO(body), [WORD])
    assert not contains(io.BytesIO(body), [b"F-2002"])


def test_a_word_in_the_second_part_of_a_packed_file_and_before_damage_is_found() -> None:
    parts = gzip.compress(b"first") + gzip.compress(b"then " + WORD)

    assert contains(io.BytesIO(parts), [WORD])
    assert not contains(io.BytesIO(gzip.compress(WORD * 9)[:12]), [b"nothing"])
