"""Hostile e-mails and pages through the real ingest, in a process of their own whose memory is measured."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MOST_MB = 400
"""What docs/feedback_tagger.md says that reading a document takes; the interpreter and its libraries included."""
HEADER = b"From: a@shop.example\r\nSubject: big\r\n"
MANY = 24_000_000
SECONDS = 120


def _nested(levels: int) -> bytes:
    opening = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level) for level in range(levels)
    )
    return HEADER + opening + b"Content-Type: text/plain\r\n\r\nhello\r\n"


def _attachment() -> bytes:
    head = HEADER + b"Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n\r\nMy bill\r\n--B\r\n"
    part = b"Content-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head + part + base64.encodebytes(bytes(17_000_000)) + b"\r\n--B--\r\n"


def _mailbox() -> bytes:
    postmark = b"From a@b Mon Mar 25 14:30:00 2024\n"
    return b"".join(postmark + b"Subject: s\n\n" + (b"word " * 15 + b"\n") * lines + b"\n" for lines in (1, 500_000, 2))


def _offers() -> bytes:
    offer = b'<script type="application/ld+json">{"@type":"Product","name":"a","offers":{"price":1}}</script>'
    return b"<html><body><h1>x</h1>" + offer * 40_000


EMAILS: dict[str, tuple[Callable[[], bytes], str]] = {
    "fifty megabytes": (lambda: HEADER + b"\r\n" + b"x" * 50_000_000, "is an e-mail of 50,0"),
    "an attachment of the largest size": (_attachment, ""),
    "a line each": (lambda: HEADER + b"\r\n" + b"\n" * MANY, "is an e-mail that has 24000003 lines"),
    "a part each": (
        lambda: HEADER + b"Content-Type: multipart/mixed; boundary=B\r\n\r\n" + b"--B\r\n\r\nx\r\n" * 100_000,
        "is an e-mail that has more than 20000 lines that begin like a part",
    ),
    "nested": (lambda: _nested(1_000), "is an e-mail that has 1000 parts that hold parts"),
    "nested a little too deep": (lambda: _nested(30), "is an e-mail that has parts inside parts"),
    "tags of HTML": (lambda: HEADER + b"Content-Type: text/html\r\n\r\n" + b"<b><i>a" * 3_400_000, ""),
    "one character of four bytes": (lambda: HEADER + b"\r\n" + "\U0001f4a5".encode() * 6_000_000, ""),
    "a charset that is none": (
        lambda: HEADER + b"Content-Type: text/plain; charset=punycode\r\n\r\n" + b"a-b9c" * 400_000, "",
    ),
    "a header without end": (lambda: b"Subject: " + b"a" * MANY, "is an e-mail that has a header of more than"),
}  # fmt: skip
PAGES: dict[str, tuple[Callable[[], bytes], str]] = {
    "twenty megabytes": (lambda: b"<html><body>" + b"<p>x</p>" * 2_500_000, "is a page of 20,000,012 bytes"),
    "tags without end": (lambda: b"<html><body>" + b"<b>" * 1_390_000, "is a page that holds neither"),
    "flat tags": (lambda: b"<html><body>" + b"<i>a</i>" * 520_000, ""),
    "attributes": (lambda: b"<html><body><h1>x</h1>" + b"<p a b c d e f>" * 270_000, ""),
    "a script": (lambda: b"<html><body><h1>x</h1><script>" + b"var a=1;" * 520_000, ""),
    "marks": (_offers, ""),
    "lists in lists": (
        lambda: b'<h1>x</h1><script type="application/ld+json">' + b"[" * 250_000 + b"</script>", "",
    ),
    "broken markup": (lambda: b"<html><h1>x</h1><td></b><<<p a='<table><!-- <![CDATA[ <h1>y" + b"\x00\xff" * 9_000, ""),
}  # fmt: skip


def ingested(task: str, file: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.hungry_ingest", task, str(file)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("kind", EMAILS)
def test_a_hostile_e_mail_is_read_or_refused_within_the_memory_limit(kind: str, tmp_path: Path) -> None:
    make, problem = EMAILS[kind]
    file = tmp_path / "hostile.eml"
    file.write_bytes(make())
    said = ingested("email_routing", file)
    assert said["problem"].startswith(problem)
    assert (said["rows"], bool(said["problem"])) == ((0, True) if problem else (1, False))
    assert said["peak_mb"] < MOST_MB, said


@pytest.mark.parametrize("kind", PAGES)
def test_a_hostile_page_is_read_or_refused_within_the_memory_limit(kind: str, tmp_path: Path) -> None:
    make, problem = PAGES[kind]
    file = tmp_path / "hostile.html"
    file.write_bytes(make())
    said = ingested("product_facts", file)
    assert said["problem"].startswith(problem)
    assert (said["rows"], bool(said["problem"])) == ((0, True) if problem else (1, False))
    assert said["peak_mb"] < MOST_MB, said


def test_in_a_mailbox_a_message_that_is_too_large_costs_itself(tmp_path: Path) -> None:
    file = tmp_path / "hostile.mbox"
    file.write_bytes(_mailbox())
    said = ingested("email_routing", file)
    assert (said["rows"], said["rejected"], said["problem"]) == (3, 1, "")
    assert said["reasons"] == ["has 38000013 bytes; the most is 26214400: send it without its attachments"]
    assert said["peak_mb"] < MOST_MB, said


def test_lines_that_are_too_long_cost_themselves(tmp_path: Path) -> None:
    file = tmp_path / "hostile.jsonl"
    long = b'{"url": "https://shop.example/1", "html": "' + b"<p>" * 7_000_000 + b'"}\n'
    deep = b'{"html": ' + b"[" * 200_000 + b"}\n"
    file.write_bytes(long + deep + b'{"html": "<h1>Lamp</h1>"}\n')
    said = ingested("product_facts", file)
    assert (said["rows"], said["rejected"], said["problem"]) == (3, 2, "")
    assert said["reasons"][0] == "is longer than 6291456 characters"
    assert said["peak_mb"] < MOST_MB, said
