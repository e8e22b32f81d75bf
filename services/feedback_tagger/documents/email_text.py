"""What a person wrote in an e-mail: its subject and its newest text, of whatever a mail system has made of it.

Nothing is opened, fetched or run: of attachments the name, type and size are read, of HTML the text. Every bound below
is checked before the work that it bounds. The parser is the standard library's in its lenient mode (RFC 5322, 2045 to
2047); what it cannot make sense of becomes text or is left out, never an error of its own.
"""

import codecs
import email
import email.errors
import email.policy
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.header import decode_header
from email.message import Message
from email.utils import parseaddr, parsedate_to_datetime
from typing import Any

from services.feedback_tagger.documents.html_text import text_of_html
from services.feedback_tagger.documents.quoted_history import newest_text

LARGEST_BYTES = 25 * 1024 * 1024
"""What the large mail systems take; decoding holds a few times as much for a moment."""
MOST_PARTS = 100
DEEPEST = 20
HEADER_BYTES = 256 * 1024
SUBJECT_CHARACTERS = 255
KIND_CHARACTERS = 100
TEXT_CHARACTERS = 20_000
PART_BYTES = 1024 * 1024
"""More of one part, and of all together, is not read: twenty thousand characters are not hidden behind a megabyte."""
WHOLE_CHARACTERS = 200_000
"""Of which the newest text is looked for: what follows is quoted, whatever it is."""
MOST_LINES = 500_000
"""The parser makes an object of every line. An attachment of the largest size has 350,000 in base64."""
MOST_DASHES = 20_000
"""Lines that begin like a part: the parser makes one of each that fits its boundary. Patches have thousands too."""
VALUE_CHARACTERS = 4_000
"""Of a header's value: reading addresses and encoded words takes the square of its length."""

# Before it there was no e-mail, and no engine of ours keeps the year 1 or 9999 as another one does.
FIRST_YEAR, LAST_YEAR = 1971, 2999

# Codecs of Python that are no charsets of e-mails; the time that the first two take grows with the square of a text.
_NO_CHARSETS = frozenset({"punycode", "idna", "unicode-escape", "raw-unicode-escape", "undefined"})
_BOUNDARY = re.compile(rb"^content-type:[ \t]*multipart/", re.IGNORECASE | re.MULTILINE)
_ATTACHED_MESSAGE = re.compile(rb"^content-type:[ \t]*message/", re.IGNORECASE | re.MULTILINE)
_END_OF_HEADER = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    kind: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """``text`` is the newest part of the conversation, without what it quotes. ``sender_domain`` is what stands behind
    the @, as the sender wrote it: nobody has proven it. ``message_id`` is empty where there is none."""

    message_id: str
    subject: str = field(repr=False)
    text: str = field(repr=False)
    sender_domain: str
    sent_at: datetime | None
    attachments: tuple[Attachment, ...]
    shortened: bool


class UnreadableEmail(ValueError):
    """Why nothing can be made of it, and what to do."""


def read_email(raw: bytes) -> Email:
    """Raises UnreadableEmail: too large, nested too deeply, too many parts, or without any text."""
    if len(raw) > LARGEST_BYTES:
        raise UnreadableEmail(f"has {len(raw)} bytes; the most is {LARGEST_BYTES}: send it without its attachments")
    header_end = _END_OF_HEADER.search(raw)
    if (header_end.start() if header_end else len(raw)) > HEADER_BYTES:
        raise UnreadableEmail(f"has a header of more than {HEADER_BYTES} bytes, which no mail system writes")
    # Counted before parsing: the parser calls itself for every level.
    containers = len(_BOUNDARY.findall(raw)) + len(_ATTACHED_MESSAGE.findall(raw))
    if containers > MOST_PARTS:
        raise UnreadableEmail(f"has {containers} parts that hold parts; the most is {MOST_PARTS}")
    if (lines := _count_of_lines(raw)) > MOST_LINES:
        raise UnreadableEmail(f"has {lines} lines; the most is {MOST_LINES}")
    if raw.count(b"\n--") + raw.count(b"\r--") > MOST_DASHES:
        raise UnreadableEmail(f"has more than {MOST_DASHES} lines that begin like a part")
    try:
        message = email.message_from_bytes(raw, policy=email.policy.compat32)
    except (RecursionError, ValueError, LookupError, email.errors.MessageError) as error:
        raise UnreadableEmail(f"cannot be read as a message ({type(error).__name__})") from error
    plain, html, attachments = _parts(message)
    whole = "\n\n".join(plain) or "\n\n".join(text_of_html(part) for part in html)
    return made_of(
        message_id=_header(message, "Message-ID"),
        subject=_header(message, "Subject"),
        whole_text=whole,
        sender=_header(message, "From"),
        sent_at=_sent_at(_header(message, "Date")),
        attachments=attachments,
    )


def _count_of_lines(raw: bytes) -> int:
    return raw.count(b"\n") + raw.count(b"\r") - raw.count(b"\r\n")


def made_of(
    *,
    message_id: str,
    subject: str,
    whole_text: str,
    sender: str,
    sent_at: datetime | None,
    attachments: Iterable[Attachment],
) -> Email:
    """An e-mail of its parts, each inside its bounds. Raises UnreadableEmail where there is nothing to sort it by."""
    text = newest_text(cleaned(whole_text[:WHOLE_CHARACTERS]))
    subject = one_line(subject)[:SUBJECT_CHARACTERS]
    if not text and not subject:
        raise UnreadableEmail("has neither a subject nor any text; there is nothing to sort it by")
    return Email(
        message_id=one_line(message_id)[:SUBJECT_CHARACTERS],
        subject=subject,
        text=text[:TEXT_CHARACTERS],
        sender_domain=_domain(one_line(sender)),
        sent_at=sent_at,
        attachments=tuple(attachments),
        shortened=len(text) > TEXT_CHARACTERS,
    )


def _parts(message: Message) -> tuple[list[str], list[str], list[Attachment]]:
    """Texts in plain writing, texts in HTML, and what is attached. Raises UnreadableEmail."""
    plain: list[str] = []
    html: list[str] = []
    attachments: list[Attachment] = []
    left = PART_BYTES
    for number, part in enumerate(_leaves(message, 0), start=1):
        if number > MOST_PARTS:
            raise UnreadableEmail(f"has more than {MOST_PARTS} parts; send it without its attachments")
        kind = part.get_content_type()[:KIND_CHARACTERS]
        name = _file_name(part)
        attached = _disposition(part) == "attachment" or name or kind not in ("text/plain", "text/html")
        if attached:
            attachments.append(Attachment(name=name, kind=kind, size=_size(part)))
        else:
            text = _text(part, left)
            left = max(0, left - len(text))
            (plain if kind == "text/plain" else html).append(text)
    return [text for text in plain if text.strip()], html, attachments


def _leaves(message: Message, depth: int) -> Iterator[Message]:
    if depth > DEEPEST:
        raise UnreadableEmail(f"has parts inside parts, more than {DEEPEST} levels deep")
    payload: Any = message.get_payload()
    if message.get_content_maintype() == "message":
        # A forwarded or bounced message is an attachment: somebody else wrote it.
        yield message
    elif isinstance(payload, list):
        for part in payload:
            yield from _leaves(part, depth + 1)
    else:
        yield message


def _text(part: Message, at_most: int) -> str:
    if not at_most:
        return ""
    payload: Any = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    payload = payload[:at_most]
    for encoding in (part.get_content_charset() or "utf-8", "utf-8", "cp1252"):
        try:
            return cleaned(_decode(payload, encoding))
        except (LookupError, UnicodeError, ValueError):
            continue  # An encoding that does not exist, or that the bytes do not keep to: the next guess.
    return cleaned(payload.decode("latin-1"))


def _size(part: Message) -> int:
    payload: Any = part.get_payload()
    if isinstance(payload, list):
        return 0
    encoded = len(str(payload))
    return encoded * 3 // 4 if str(part.get("Content-Transfer-Encoding", "")).strip().lower() == "base64" else encoded


def _header(message: Message, name: str) -> str:
    """One line of text, whatever encodings and line breaks the header is written with."""
    try:
        value = message.get(name)
        if value is None:
            return ""
        value = str(value)[:VALUE_CHARACTERS]
        decoded = "".join(_decoded(part, encoding) for part, encoding in decode_header(value))
    except (ValueError, LookupError, email.errors.MessageError):
        decoded = str(value)[:VALUE_CHARACTERS]
    return one_line(decoded)


def _decoded(part: bytes | str, encoding: str | None) -> str:
    if isinstance(part, str):
        return part
    try:
        return _decode(part, encoding or "ascii")
    except (LookupError, UnicodeError, ValueError):
        return part.decode("utf-8", errors="replace")


def _decode(text: bytes, encoding: str) -> str:
    """Raises LookupError and UnicodeError."""
    if codecs.lookup(encoding).name in _NO_CHARSETS:
        raise LookupError(encoding)
    return text.decode(encoding)


def _file_name(part: Message) -> str:
    try:
        name = part.get_filename() or ""
    except (ValueError, LookupError, TypeError, email.errors.MessageError):
        name = "unreadable name"
    # A name is shown, never opened; without its folders it cannot be mistaken for a path.
    return " ".join(cleaned(str(name)).split()).replace("\\", "/").rsplit("/", 1)[-1][:SUBJECT_CHARACTERS]


def _disposition(part: Message) -> str:
    try:
        return part.get_content_disposition() or ""
    except (ValueError, TypeError, AttributeError):
        return "attachment"


def _domain(sender: str) -> str:
    address = parseaddr(sender)[1]
    return address.rpartition("@")[2].lower()[:SUBJECT_CHARACTERS] if "@" in address else ""


def _sent_at(text: str) -> datetime | None:
    try:
        return in_utc(parsedate_to_datetime(text))
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def in_utc(moment: datetime) -> datetime | None:
    """None for a moment at which nobody sent this."""
    utc = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    return utc if FIRST_YEAR <= utc.year <= LAST_YEAR else None


def one_line(text: str) -> str:
    return " ".join(cleaned(text).split())


def cleaned(text: str) -> str:
    """Text that every database takes: no NUL, no half characters, one kind of line end."""
    whole = text.encode("utf-8", errors="replace").decode("utf-8")
    return whole.replace("\x00", " ").replace("\r\n", "\n").replace("\r", "\n")
