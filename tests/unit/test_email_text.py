"""Reading e-mails: what a person wrote comes out, whatever stands around it, and hostile ones cost nothing."""

import base64
from datetime import UTC, datetime
from email.message import EmailMessage
from tracemalloc import get_traced_memory, start, stop

import pytest

from services.feedback_tagger.documents.email_text import DEEPEST, MOST_PARTS, UnreadableEmail, read_email
from services.feedback_tagger.documents.quoted_history import newest_text


def an_email(
    text: str = "The printer is on fire.",
    *,
    subject: str = "Printer",
    html: str | None = None,
    attachments: tuple[tuple[str, bytes], ...] = (),
) -> bytes:
    message = EmailMessage()
    message["From"] = "Customer <customer@example.com>"
    message["Subject"] = subject
    message["Date"] = "Mon, 25 Mar 2024 14:30:00 +0100"
    message["Message-ID"] = "<1@example.com>"
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    for name, content in attachments:
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return bytes(message)


def raw(*lines: str, body: str = "Hello there.") -> bytes:
    return "\r\n".join([*lines, "", body]).encode("utf-8", "surrogateescape")


def test_a_plain_message_gives_its_subject_text_sender_and_date() -> None:
    email = read_email(an_email())
    assert (email.subject, email.text, email.sender_domain) == ("Printer", "The printer is on fire.", "example.com")
    assert email.sent_at == datetime(2024, 3, 25, 13, 30, tzinfo=UTC)
    assert email.message_id == "<1@example.com>"


def test_the_plain_version_is_read_where_there_are_two() -> None:
    assert read_email(an_email("plain words", html="<p>other words</p>")).text == "plain words"


def test_a_message_in_html_alone_gives_what_a_reader_sees() -> None:
    body = '<style>p{}</style><p>My order</p><div style="display:none">answer 1:1</div><script>x()</script>is late'
    message = raw("Subject: Order", "Content-Type: text/html; charset=utf-8", body=body)
    assert read_email(message).text == "My order\nis late"


def test_attachments_are_named_and_never_opened() -> None:
    email = read_email(an_email(attachments=(("../../etc/passwd", b"x" * 3_000), ("a\\b\\report.pdf", b"%PDF"))))
    assert [attachment.name for attachment in email.attachments] == ["passwd", "report.pdf"]
    assert 2_900 <= email.attachments[0].size <= 3_200


def test_a_text_file_that_is_attached_is_no_part_of_what_was_written() -> None:
    message = EmailMessage()
    message["Subject"] = "Log"
    message.set_content("see the log")
    message.add_attachment("ignore all rows", filename="log.txt")
    assert read_email(bytes(message)).text == "see the log"


def test_a_forwarded_message_is_an_attachment() -> None:
    message = EmailMessage()
    message["Subject"] = "Fwd"
    message.set_content("what is this?")
    inner = EmailMessage()
    inner.set_content("inner words")
    message.add_attachment(inner)
    email = read_email(bytes(message))
    assert email.text == "what is this?"
    assert [attachment.kind for attachment in email.attachments] == ["message/rfc822"]


@pytest.mark.parametrize(
    "reply",
    [
        "It still fails.\n\nOn Mon, 25 Mar 2024 at 14:30, Support wrote:\n> did you restart?\n> really?",
        "It still fails.\n\nOn Mon, 25 Mar 2024 at 14:30, The long name\n<support@example.com> wrote:\n\n> hm",
        "It still fails.\n\nAm 25.03.2024 um 14:30 schrieb Support:\n> Neustart?",
        "It still fails.\n\nLe lun. 25 mars 2024, Support a écrit :\n> redémarré ?",
        "It still fails.\n\n-----Original Message-----\nFrom: Support\nSent: Monday\nTo: me\n\ndid you restart?",
        "It still fails.\n\n________________________________\nFrom: Support\nSent: Monday\n\ndid you restart?",
        "It still fails.\n\nFrom: Support <s@example.com>\nSent: Monday, March 25\nTo: me\nSubject: x\n\ndid you?",
        "It still fails.\n\n-- \nA customer\nTel. 1",
        "> did you restart?\nIt still fails.",
        "It still fails.\n\nSent from my telephone",
    ],
)
def test_what_a_reply_quotes_is_cut(reply: str) -> None:
    assert newest_text(reply) == "It still fails."


@pytest.mark.parametrize(
    "text",
    [
        "On Monday I ordered a lamp. The shop wrote: it is late. Where is it?",
        "Prices:\n--\nlamp 3\ntable 4",
        "From: the shop I bought a lamp, it broke",
        "-----------\nbroken lamp",
    ],
)
def test_a_sentence_that_looks_like_a_quotation_stays(text: str) -> None:
    assert newest_text(text) == text


def test_a_message_that_only_quotes_keeps_the_quotation() -> None:
    assert newest_text("> the lamp broke") == "> the lamp broke"


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("=?utf-8?B?" + base64.b64encode("Gerät kaputt".encode()).decode() + "?=", "Gerät kaputt"),
        ("=?iso-8859-1?Q?Ger=E4t?=", "Gerät"),
        ("=?no-such-encoding?Q?x=E4?=", "x\ufffd"),
        ("=?utf-8?B?%%%?= help", "help"),
        ("two\r\n lines", "two lines"),
        ("nul\x00 inside", "nul inside"),
    ],
)
def test_subjects_in_any_encoding_become_one_line(header: str, text: str) -> None:
    assert read_email(raw(f"Subject: {header}")).subject == text


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain; charset=no-such",
        "text/plain; charset=utf-7-ish",
        "text/plain; charset=ascii",
        "text/plain; charset",
    ],
)
def test_a_wrong_encoding_costs_no_text(content_type: str) -> None:
    email = read_email(raw("Subject: x", f"Content-Type: {content_type}", body="Gerät kaputt"))
    assert "kaputt" in email.text


def test_a_header_cannot_smuggle_a_second_one_in() -> None:
    email = read_email(raw("Subject: hi =?utf-8?Q?=0D=0ABcc:_victim=40example.com?=", "From: a@example.com"))
    assert "\n" not in email.subject
    assert email.sender_domain == "example.com"


def nested(levels: int) -> bytes:
    opening = "".join(f"--b{n}\r\nContent-Type: multipart/mixed; boundary=b{n + 1}\r\n\r\n" for n in range(levels))
    return raw("Subject: deep", "Content-Type: multipart/mixed; boundary=b0", body=opening + f"--b{levels}\r\n\r\nhi")


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (nested(DEEPEST + 2), "levels deep"),
        (nested(5_000), "parts that hold parts"),
        (b"x" * (26 * 1024 * 1024), "the most is"),
        (b"Subject: " + b"x" * 300_000 + b"\r\n\r\nhi", "header"),
        (b"Subject:\r\n\r\n", "neither a subject nor any text"),
        (b"", "neither a subject nor any text"),
        (
            raw("Subject: x", "Content-Type: multipart/mixed; boundary=b", body="--b\r\n\r\nx\r\n" * (MOST_PARTS + 2)),
            f"more than {MOST_PARTS} parts",
        ),
    ],
)
def test_what_cannot_be_read_says_why(message: bytes, says: str) -> None:
    with pytest.raises(UnreadableEmail, match=says):
        read_email(message)


def test_a_large_attachment_stays_within_memory() -> None:
    message = an_email(attachments=(("film.bin", b"\x00" * (16 * 1024 * 1024)),))
    start()
    try:
        assert read_email(message).text == "The printer is on fire."
        peak = get_traced_memory()[1]
    finally:
        stop()
    assert peak < 8 * len(message)


def test_a_long_text_is_shortened_and_says_so() -> None:
    email = read_email(an_email("word " * 10_000))
    assert (len(email.text), email.shortened) == (20_000, True)
