"""Files of e-mails and pages as rows: what a file is, its bytes say, and one bad document costs itself."""

import codecs
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from services.feedback_tagger.documents.email_files import read_emails
from services.feedback_tagger.documents.page_files import facts_of, read_pages
from services.feedback_tagger.domain.feedback import Row
from services.feedback_tagger.domain.reading import Reader, Source
from services.feedback_tagger.domain.text_file import UnusableFile
from services.feedback_tagger.domain.upload import Rejected
from services.feedback_tagger.files.occurrences import counted_occurrences
from services.feedback_tagger.messages.chunk import chunk_as_json, read_chunk, row_as_json
from tests.support.documents import a_mailbox, a_page, an_email, json_lines
from tests.support.hostile_rows import BURDENING


def rows(reader: Reader, body: bytes, *, breaks_off: bool = False) -> list[Row | Rejected]:
    """Read twice, as ingest may have to: both times give the same."""
    seen: list[Mapping[str, str]] = []
    contents = reader(Source(file=io.BytesIO(body), key="uploads/x", breaks_off=breaks_off, each=seen.append))
    with counted_occurrences() as first, counted_occurrences() as second:
        found, again = list(contents.rows(first)), list(contents.rows(second))
    assert found == again
    assert len(seen) == sum(isinstance(row, Row) for row in found)
    return found


def texts(found: list[Row | Rejected]) -> list[str]:
    return [row.feedback.feedback if isinstance(row, Row) else f"REJECTED {row.fault.reason}" for row in found]


def only(found: list[Row | Rejected]) -> Row:
    (row,) = found
    assert isinstance(row, Row)
    return row


def test_messages_of_a_mailbox_begin_at_postmarks_and_lines_that_look_like_one_stay_text() -> None:
    plain = an_email("From here on it failed.\n\nFrom Monday to Friday.", message_id="<1@x>")
    found = rows(read_emails, a_mailbox(plain, an_email("second", message_id="<2@x>")))
    assert texts(found) == ["From here on it failed.\n\nFrom Monday to Friday.", "second"]
    assert [row.line for row in found] == [1, 15]


def test_a_line_of_a_text_that_begins_like_a_postmark_but_has_no_weekday_begins_no_message() -> None:
    mailbox = b"From a@b Mon Mar 25 14:30:00 2024\nSubject: s\n\none\n\nFrom the shop I hear nothing\n"
    assert texts(rows(read_emails, mailbox)) == ["one\n\nFrom the shop I hear nothing"]


def test_of_a_mailbox_that_breaks_off_the_last_message_is_a_reject() -> None:
    found = rows(read_emails, a_mailbox(an_email("one"), an_email("two")), breaks_off=True)
    assert texts(found) == ["one", "REJECTED is where the file breaks off"]


def test_lines_of_json_hold_raw_messages_or_parts_and_each_bad_one_is_rejected_alone() -> None:
    found = rows(
        read_emails,
        json_lines(
            {"raw": an_email("raw one").decode()},
            {"Subject": "Parts", "html": "<p>two<p hidden>three", "from": "A <a@b.example>", "date": "2024-03-25"},
            {"raw_base64": "U3ViamVjdDogeAoKZm91cuQ="},
            {"raw": ""},
            {"raw": "Subject: x\n\ny", "raw_base64": "eA=="},
            {"raw_base64": "%%%"},
            {"text": ["a", "list"]},
            {"text": "x", "date": "25/3/2024"},
            {"text": "x", "attachments": "a.pdf"},
            {"other": "x"},
            '{"text": "a", "text": "b"}',
            "[1]",
            "no json",
        ),
    )
    assert texts(found)[:3] == ["raw one", "two", "fourä"]
    assert [text.split(";")[0] for text in texts(found)[3:]] == [
        "REJECTED has a raw that is no text",
        "REJECTED has both raw and raw_base64",
        "REJECTED has a raw_base64 that is no base64",
        "REJECTED has a text that is no text",
        "REJECTED has a date that is none",
        "REJECTED has attachments that are no list of objects with name, type and size",
        "REJECTED has neither a subject nor any text",
        "REJECTED names 'text' twice",
        "REJECTED is no JSON object",
        "REJECTED is not JSON (Expecting value, character 1)",
    ]
    second = found[1]
    assert isinstance(second, Row)
    assert second.feedback.create_date == datetime(2024, 3, 25, tzinfo=UTC)
    assert second.feedback.extra["sender_domain"] == "b.example"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"  \r\n ", "is empty"),
        (b"\xd0\xcf\x11\xe0" + b"\x00" * 600, "is an old Excel workbook or another Office document; upload .eml"),
        (b"<html><body>hello", "is an HTML page; upload .eml"),
        (b"id,date,text\n1,2,3\n", "is no e-mail: it begins with no header"),
        (b'[{"text": "x"}]', "is JSON and not JSON Lines"),
        (b"Subject:\r\n\r\n", "is an e-mail that has neither a subject nor any text"),
    ],
)
def test_what_is_no_file_of_e_mails_says_what_to_upload(body: bytes, problem: str) -> None:
    with pytest.raises(UnusableFile) as raised:
        rows(read_emails, body)
    assert str(raised.value).startswith(problem)


def test_an_e_mail_that_breaks_off_is_no_e_mail() -> None:
    with pytest.raises(UnusableFile, match="breaks off"):
        rows(read_emails, an_email(), breaks_off=True)


def test_a_message_id_too_long_for_its_column_is_no_reference_and_still_tells_e_mails_apart() -> None:
    one, other = (only(rows(read_emails, an_email(message_id=f"<{'m' * 150}{n}@x>"))) for n in (1, 2))
    assert (one.feedback.ref_id, one.feedback.extra["message_id"][-4:]) == (None, "1@x>")
    assert one.identity != other.identity


def test_the_same_text_from_another_sender_is_another_e_mail() -> None:
    one, other = (
        only(rows(read_emails, an_email(sender=f"a@{name}.example", message_id=""))) for name in ("one", "two")
    )
    assert one.identity != other.identity


def test_a_date_that_no_database_keeps_is_no_date() -> None:
    found = only(rows(read_emails, b"Date: Fri, 31 Dec 9999 00:00:00 +0000\nSubject: s\n\nt"))
    assert found.feedback.create_date is None


def test_documents_travel_as_chunks_and_come_out_the_same() -> None:
    hostile = [text for family in BURDENING.values() for text in family]
    emails = rows(read_emails, json_lines(*({"subject": text, "text": f"x {text}"} for text in hostile)))
    pages = rows(read_pages, json_lines(*({"html": a_page(heading="x", body=text)} for text in hostile)))
    found = [row for row in (*emails, *pages) if isinstance(row, Row)]
    assert len(found) == 2 * len(hostile)
    body = chunk_as_json(run_id="r", task="t", number=0, rows=[row_as_json(row) for row in found])
    assert list(read_chunk(body).rows) == found
    assert json.loads(body.encode("utf-8"))


@pytest.mark.parametrize(
    ("charset", "declared", "read_as"),
    [
        ("utf-8", "", "utf-8"),
        ("utf-8-sig", "", "utf-8-sig"),
        ("utf-16", "", "utf-16"),
        ("cp1252", "", "cp1252"),
        ("cp1252", "iso-8859-1", "cp1252"),
        ("koi8-r", "koi8-r", "koi8-r"),
        ("shift_jis", "Shift_JIS", "shift_jis"),
        ("utf-8", "utf-16", "utf-8"),
        ("cp1252", "utf-8", "cp1252"),
        ("utf-8", "punycode", "utf-8"),
    ],
)
def test_a_page_is_read_in_the_charset_it_has(charset: str, declared: str, read_as: str) -> None:
    heading = {"koi8-r": "Лампа", "shift_jis": "ランプ"}.get(charset, "Größe")
    head = f'<meta charset="{declared}">' if declared else ""
    page = a_page(heading=heading, price=None, head=head).encode(charset)
    contents = read_pages(Source(file=io.BytesIO(page), key="k"))
    assert contents.encoding == read_as
    assert only(rows(read_pages, page)).feedback.title == heading


def test_what_the_marks_say_goes_along_with_the_row() -> None:
    row = only(rows(read_pages, a_page().encode()))
    facts = facts_of(row.feedback)
    assert {name: (fact.value, fact.source) for name, fact in facts.items()} == {
        "title": ("Wren Speaker Mini", "json-ld"),
        "price": ("49.90", "json-ld"),
        "currency": ("EUR", "json-ld"),
        "availability": ("in_stock", "json-ld"),
    }
    assert (row.feedback.ref_id, row.feedback.title) == ("https://shop.example/wren-speaker-mini", "Wren Speaker Mini")


def test_half_characters_in_marks_are_stored_as_text() -> None:
    product = '{"@type": "Product", "name": "La\\ud800mp\\u0000", "offers": {"price": "1"}}'
    page = f'<script type="application/ld+json">{product}</script><h1>x</h1>'
    value = facts_of(only(rows(read_pages, page.encode())).feedback)["title"].value
    assert value.encode("utf-8") == b"La?mp"


def test_the_address_that_comes_with_a_page_wins_over_its_own_and_must_be_one_of_the_web() -> None:
    found = rows(
        read_pages,
        json_lines(
            {"url": "https://other.example/1", "html": a_page()},
            {"html": a_page(url="javascript:alert(1)")},
            {"url": "javascript:alert(1)", "html": a_page()},
            {"url": 5, "html": " "},
        ),
    )
    first, second = found[:2]
    assert isinstance(first, Row)
    assert isinstance(second, Row)
    assert (first.feedback.ref_id, second.feedback.ref_id) == ("https://other.example/1", None)
    assert [text.split(";")[0] for text in texts(found)[2:]] == [
        "REJECTED has a url that is no address of the web",
        "REJECTED has no html",
    ]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "is empty"),
        (b"%PDF-1.7 " + b"x" * 100, "is a PDF document; upload .html"),
        (b"just words", "is no HTML page"),
        (b"<html><body></body></html>", "is a page that holds neither marks for machines nor any text"),
        (codecs.BOM_UTF16_LE + "<p> </p>".encode("utf-16-le"), "is a page that holds neither"),
    ],
)
def test_what_is_no_file_of_pages_says_what_to_upload(body: bytes, problem: str) -> None:
    with pytest.raises(UnusableFile) as raised:
        rows(read_pages, body)
    assert str(raised.value).startswith(problem)
