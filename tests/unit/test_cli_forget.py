"""Who is meant, which attributes go, and finding a word in a file however it is packed."""

import gzip
import io
import json
import tracemalloc

import pytest
from typer.testing import CliRunner

from cli.app import app
from cli.objects import BLOCK, contains
from cli.traces import texts_of
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


WORD = "F-2001"


@pytest.mark.parametrize("lead", [0, 1, BLOCK - 3, BLOCK - len(WORD), BLOCK, 2 * BLOCK - 1])
@pytest.mark.parametrize("packed", [False, True])
def test_a_word_is_found_wherever_it_stands(lead: int, *, packed: bool) -> None:
    def body(text: str) -> io.BytesIO:
        content = b" " * lead + text.encode() + b";" * 10
        return io.BytesIO(gzip.compress(content, 1) if packed else content)

    assert contains(body(WORD), [WORD])
    assert contains(body(WORD), ["F-7", WORD])
    assert not contains(body(WORD), ["F-2002"])
    assert not contains(body(f"{WORD}9 {WORD}-9 x{WORD} {WORD}9"), [WORD])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-16"])
def test_an_id_that_is_part_of_another_s_is_not_found(encoding: str) -> None:
    """The whole object would go, and it is somebody else's."""
    assert contains(io.BytesIO(f"id,text\n{WORD},x\n".encode(encoding)), [WORD])
    assert contains(io.BytesIO(WORD.encode(encoding)), [WORD])
    for other in (f"{WORD}1", f"1{WORD}", f"X-{WORD}", f"{WORD}_b"):
        assert not contains(io.BytesIO(f"id,text\n{other},x\n".encode(encoding)), [WORD])


def test_a_word_after_a_line_break_in_a_json_string_is_found() -> None:
    assert contains(io.BytesIO(json.dumps(f"x\n{WORD}\ny").encode()), [WORD])


def test_a_word_in_the_second_part_of_a_packed_file_and_before_damage_is_found() -> None:
    parts = gzip.compress(b"first ") + gzip.compress(b"then " + WORD.encode())

    assert contains(io.BytesIO(parts), [WORD])
    assert contains(io.BytesIO(parts[:-6]), [WORD])
    assert not contains(io.BytesIO(gzip.compress(WORD.encode() * 9)[:12]), ["nothing"])


def test_a_small_file_that_unpacks_to_much_is_read_in_pieces() -> None:
    bomb = gzip.compress(b" " * 64 * BLOCK + WORD.encode())
    tracemalloc.start()
    try:
        assert contains(io.BytesIO(bomb), [WORD])
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < 16 * BLOCK
