"""How files of e-mails become rows: one raw message, an mbox of many, or JSON Lines; one message in memory at a time.

What a file is, its first bytes say: names lie. A message that cannot be read is a reject of its own line.
"""

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Callable, Generator, Iterator, Mapping
from datetime import datetime
from typing import Any, BinaryIO

from services.feedback_tagger.documents.email_text import (
    KIND_CHARACTERS,
    LARGEST_BYTES,
    MOST_PARTS,
    SUBJECT_CHARACTERS,
    Attachment,
    Email,
    UnreadableEmail,
    in_utc,
    made_of,
    one_line,
    read_email,
)
from services.feedback_tagger.documents.html_text import text_of_html
from services.feedback_tagger.documents.rows import (
    as_reference,
    as_values,
    document_digest,
    fields_of,
    json_lines,
    refuse_whole_document,
    row_of,
    single_row,
)
from services.feedback_tagger.domain.feedback import Fault, Feedback, Row
from services.feedback_tagger.domain.file_kind import HEAD_BYTES, not_text
from services.feedback_tagger.domain.json_lines import as_json
from services.feedback_tagger.domain.reading import Contents, Source
from services.feedback_tagger.domain.separated import CUT_OFF
from services.feedback_tagger.domain.text_file import Encoding, UnusableFile, encoding_of
from services.feedback_tagger.domain.upload import CountOccurrence, Rejected

JSON_CHARACTERS = 8 * 1024 * 1024
"""Of a line of JSON with one e-mail; a larger one is uploaded as it is."""
PIECE_BYTES = 64 * 1024
TAKEN = "upload .eml (one raw message), .mbox, or JSON Lines"
FIELDS = ("raw", "raw_base64", "subject", "from", "text", "html", "message_id", "date", "attachments")

# A line of a text may begin with "From " too: mail programs put a sender and a weekday behind it.
_POSTMARK = re.compile(rb"From \S+ +(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b")
_QUOTED_POSTMARK = re.compile(rb">+From ")
_HEADER_LINE = re.compile(rb"(?:From [^\n]*\n)?[!-9;-~]+[ \t]*:")
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]*={0,2}\s*")


def read_emails(source: Source) -> Contents:
    """Raises UnusableFile for a file of which no message can be had."""
    file = source.file
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if not head.strip():
        raise UnusableFile(f"is empty; {TAKEN}")
    if head.startswith(b"From "):
        return _contents(source, "mbox", lambda: _mailbox(file, breaks_off=source.breaks_off))
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        refuse_whole_document(head.decode("utf-8", errors="replace"))
        encoding = encoding_of(file)
        return _contents(source, encoding.name, lambda: _lines(file, encoding, breaks_off=source.breaks_off))
    if (other := not_text(head)) is not None:
        raise UnusableFile(f"{other.partition(';')[0]}; {TAKEN}")
    if not _HEADER_LINE.match(head.lstrip(b"\xef\xbb\xbf\r\n")):
        raise UnusableFile(f"is no e-mail: it begins with no header; {TAKEN}")
    email = _one(file, breaks_off=source.breaks_off)
    return _contents(source, "message", lambda: iter([(1, email)]))


def email_row(email: Email, line: int, occurrence: CountOccurrence) -> Row:
    feedback = as_feedback(email)
    return row_of(line, feedback, _digest(feedback), occurrence)


def single_email_row(email: Email, message_id: str) -> Row:
    """One that was sent alone, in the message ``message_id`` of a queue."""
    feedback = as_feedback(email)
    return single_row(feedback, _digest(feedback), message_id)


def as_feedback(email: Email) -> Feedback:
    attachments = [{"name": each.name, "type": each.kind, "size": each.size} for each in email.attachments]
    return Feedback(
        feedback=email.text or email.subject,
        title=email.subject if email.text and email.subject else None,
        ref_id=as_reference(email.message_id),
        create_date=email.sent_at,
        extra={
            "message_id": email.message_id,
            "sender_domain": email.sender_domain,
            "subject": email.subject,
            "attachments": json.dumps(attachments, ensure_ascii=False),
        },
    )


def email_of(values: Mapping[str, Any]) -> Email:
    """An e-mail of the fields that a JSON object may have (``FIELDS``); others are ignored. Raises UnreadableEmail."""
    if "raw" in values or "raw_base64" in values:
        return read_email(_raw(values))
    for name in ("subject", "from", "text", "html", "message_id", "date"):
        if not isinstance(values.get(name, ""), str):
            raise UnreadableEmail(f"has a {name} that is no text")
    text = values.get("text", "")
    return made_of(
        message_id=values.get("message_id", ""),
        subject=values.get("subject", ""),
        whole_text=text if text.strip() else text_of_html(values.get("html", "")),
        sender=values.get("from", ""),
        sent_at=_moment(values.get("date", "")),
        attachments=_attachments(values.get("attachments", [])),
    )


def _digest(feedback: Feedback) -> str:
    # Sizes of attachments stay out: the same message has other line ends in an mbox.
    return document_digest(feedback, (feedback.extra["message_id"], feedback.extra["sender_domain"]))


def _contents(source: Source, kind: str, found: Callable[[], Iterator[tuple[int, Email | str]]]) -> Contents:
    def rows(occurrence: CountOccurrence) -> Generator[Row | Rejected, None, None]:
        for line, email in found():
            if isinstance(email, str):
                yield Rejected(line, Fault("", email))
            else:
                yield email_row(email, line, occurrence)

    if source.each is not None:
        for _, email in found():
            if not isinstance(email, str):
                source.each(as_values(as_feedback(email)))
    return Contents(encoding=kind, date_order="", rows=rows)


# One message


def _one(file: BinaryIO, *, breaks_off: bool) -> Email:
    size = file.seek(0, 2)
    file.seek(0)
    # Before it is read: what is too large to take is too large to hold.
    if size > LARGEST_BYTES:
        raise UnusableFile(
            f"is an e-mail of {size:,} bytes; the most is {LARGEST_BYTES:,}: send it without attachments"
        )
    if breaks_off:
        raise UnusableFile("is an e-mail that breaks off; upload it again")
    try:
        return read_email(file.read())
    except UnreadableEmail as unreadable:
        raise UnusableFile(f"is an e-mail that {unreadable}") from None


# Many


def _mailbox(file: BinaryIO, *, breaks_off: bool) -> Iterator[tuple[int, Email | str]]:
    last: tuple[int, bytearray, int] | None = None
    for message in _messages(file):
        if last is not None:
            yield last[0], _email(*last[1:])
        last = message
    if last is not None:
        yield last[0], CUT_OFF if breaks_off else _email(*last[1:])


def _messages(file: BinaryIO) -> Iterator[tuple[int, bytearray, int]]:
    """Where each message begins, its first LARGEST_BYTES, and how many bytes it has."""
    file.seek(0)
    begins, kept, size, line = 0, bytearray(), 0, 0
    after_blank = at_start = True
    while piece := file.readline(PIECE_BYTES):
        line += at_start
        if at_start and after_blank and (_POSTMARK.match(piece) or (line == 1 and piece.startswith(b"From "))):
            if begins:
                yield begins, kept, size
            begins, kept, size = line, bytearray(), 0
        else:
            if at_start and _QUOTED_POSTMARK.match(piece):
                piece = piece[1:]  # an mbox puts ">" before such a line of a text
            size += len(piece)
            if size <= LARGEST_BYTES:
                kept += piece
        after_blank = at_start and not piece.strip()
        at_start = piece.endswith(b"\n")
    if begins:
        yield begins, kept, size


def _email(kept: bytearray, size: int) -> Email | str:
    if size > LARGEST_BYTES:
        return f"has {size} bytes; the most is {LARGEST_BYTES}: send it without its attachments"
    try:
        return read_email(bytes(kept))
    except UnreadableEmail as unreadable:
        return str(unreadable)


# JSON


def _lines(file: BinaryIO, encoding: Encoding, *, breaks_off: bool) -> Iterator[tuple[int, Email | str]]:
    with json_lines(file, encoding, at_most=JSON_CHARACTERS, breaks_off=breaks_off) as records:
        for record in records:
            values = fields_of(record)
            if isinstance(values, str):
                yield record.line, values
                continue
            try:
                yield record.line, email_of(values)
            except UnreadableEmail as unreadable:
                yield record.line, str(unreadable)


def _raw(values: Mapping[str, Any]) -> bytes:
    if "raw" in values and "raw_base64" in values:
        raise UnreadableEmail("has both raw and raw_base64; keep one")
    name = "raw" if "raw" in values else "raw_base64"
    text = values[name]
    if not isinstance(text, str) or not text.strip():
        raise UnreadableEmail(f"has a {name} that is no text; write the whole message, its header first")
    if name == "raw":
        return text.lstrip("\ufeff\r\n").encode("utf-8", errors="replace")
    if not _BASE64.fullmatch(text):
        raise UnreadableEmail("has a raw_base64 that is no base64")
    try:
        return b64decode(text)
    except (binascii.Error, ValueError):
        raise UnreadableEmail("has a raw_base64 that is no base64") from None


def _moment(text: str) -> datetime | None:
    """ISO 8601 with the year in front. Raises UnreadableEmail."""
    if not text.strip():
        return None
    try:
        moment = in_utc(datetime.fromisoformat(text.strip()))
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise UnreadableEmail("has a date that is none; write it as 2024-03-25T14:30:00Z")
    return moment


def _attachments(value: Any) -> list[Attachment]:
    # A line's objects are pairs there, and dictionaries in a message: written and read again, they are one thing.
    listed = json.loads(as_json(value))
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise UnreadableEmail("has attachments that are no list of objects with name, type and size")
    if len(listed) > MOST_PARTS:
        raise UnreadableEmail(f"has {len(listed)} attachments; the most is {MOST_PARTS}")
    return [
        Attachment(
            name=one_line(str(each.get("name", "")))[:SUBJECT_CHARACTERS],
            kind=one_line(str(each.get("type", "")))[:KIND_CHARACTERS],
            size=_whole(each.get("size", 0)),
        )
        for each in listed
    ]


def _whole(value: Any) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else 0
