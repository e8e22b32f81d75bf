"""How files of product pages become rows: one HTML page, or JSON Lines with pages; one page in memory at a time.

What the page's own marks say of the product goes along with the row, so that nobody has to be asked about it.
"""

import codecs
import json
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, BinaryIO

from services.feedback_tagger.documents.page_facts import (
    EVIDENCE_CHARACTERS,
    Fact,
    Name,
    Page,
    UnreadablePage,
    read_page,
    web_address,
)
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
from services.feedback_tagger.domain.file_kind import HEAD_BYTES, MARKUP, not_text
from services.feedback_tagger.domain.reading import Contents, Source
from services.feedback_tagger.domain.text_file import Encoding, UnusableFile, encoding_of
from services.feedback_tagger.domain.upload import CountOccurrence, Rejected

LARGEST_BYTES = 4 * 1024 * 1024
"""Of a page; those of shops have 0.1 to 2 MB. Its tree takes up to fifty times as much for as long as it is read."""
JSON_CHARACTERS = 6 * 1024 * 1024
"""Of a line of JSON with one page: quotes and line ends of HTML take two characters there."""
TITLE_CHARACTERS = 255
TAKEN = "upload .html (one page), or JSON Lines with url and html"

_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
# Labels that browsers read as Windows-1252 (WHATWG, "Encoding").
_AS_WINDOWS_1252 = frozenset({"iso8859-1", "ascii", "latin-1"})
_CHARSETS = frozenset(
    "utf-8 cp1252 cp1250 cp1251 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 iso8859-2 iso8859-3 iso8859-4 iso8859-5 "  # noqa: SIM905
    "iso8859-6 iso8859-7 iso8859-8 iso8859-9 iso8859-10 iso8859-13 iso8859-14 iso8859-15 iso8859-16 koi8-r koi8-u "
    "shift_jis cp932 euc_jp iso2022_jp euc_kr cp949 gb2312 gbk gb18030 big5".split()
)


def read_pages(source: Source) -> Contents:
    """Raises UnusableFile for a file of which no page can be had."""
    file = source.file
    file.seek(0)
    head = file.read(HEAD_BYTES)
    beginning = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not beginning:
        raise UnusableFile(f"is empty; {TAKEN}")
    if beginning[:1] in (b"{", b"["):
        refuse_whole_document(head.decode("utf-8", errors="replace"))
        encoding = encoding_of(file)
        return _contents(source, encoding.name, lambda: _lines(file, encoding, breaks_off=source.breaks_off))
    markup = any(beginning[:16].lower().startswith(mark) for mark, _ in MARKUP)
    if not markup and (other := not_text(head)) is not None:
        raise UnusableFile(f"{other.partition(';')[0]}; {TAKEN}")
    if not markup and b"<" not in head and not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UnusableFile(f"is no HTML page; {TAKEN}")
    page, charset = _one(file, breaks_off=source.breaks_off)
    return _contents(source, charset, lambda: iter([(1, "", page)]))


def single_page_row(url: str, html: str, message_id: str) -> Row:
    """One that was sent alone, in the message ``message_id`` of a queue. Raises UnreadablePage."""
    feedback = as_feedback(_read(url, html), url)
    return single_row(feedback, _digest(feedback), message_id)


def as_feedback(page: Page, url: str) -> Feedback:
    address = web_address(url) or page.address
    heading = page.heading[:TITLE_CHARACTERS]
    facts = {name: [fact.value, fact.source, fact.evidence] for name, fact in page.facts.items()}
    return Feedback(
        # Marks alone make a page too, and a row needs a text.
        feedback=page.text or heading or next(iter(page.facts.values())).value,
        title=heading or None,
        ref_id=as_reference(address),
        extra={"url": address, "facts": json.dumps(facts, ensure_ascii=False)},
    )


def facts_of(feedback: Feedback) -> dict[Name, Fact]:
    """What the page's marks say, as its row brings it."""
    said: dict[Name, Any] = json.loads(feedback.extra.get("facts") or "{}")
    return {
        name: Fact(value, source, evidence[:EVIDENCE_CHARACTERS]) for name, (value, source, evidence) in said.items()
    }


def _digest(feedback: Feedback) -> str:
    # A page with another price is another page, though its text be the same.
    return document_digest(feedback, (feedback.extra["url"], feedback.extra["facts"]))


def _contents(source: Source, kind: str, found: Callable[[], Iterator[tuple[int, str, Page | str]]]) -> Contents:
    def rows(occurrence: CountOccurrence) -> Generator[Row | Rejected, None, None]:
        for line, url, page in found():
            if isinstance(page, str):
                yield Rejected(line, Fault("", page))
            else:
                feedback = as_feedback(page, url)
                yield row_of(line, feedback, _digest(feedback), occurrence)

    if source.each is not None:
        for _, url, page in found():
            if not isinstance(page, str):
                source.each(as_values(as_feedback(page, url)))
    return Contents(encoding=kind, date_order="", rows=rows)


def _one(file: BinaryIO, *, breaks_off: bool) -> tuple[Page, str]:
    size = file.seek(0, 2)
    file.seek(0)
    # Before it is read: what is too large to take is too large to hold.
    if size > LARGEST_BYTES:
        raise UnusableFile(f"is a page of {size:,} bytes; the most is {LARGEST_BYTES:,}: send the product's page alone")
    if breaks_off:
        raise UnusableFile("is a page that breaks off; upload it again")
    text, charset = _decoded(file.read())
    try:
        return read_page(text), charset
    except UnreadablePage as unreadable:
        raise UnusableFile(f"is a page that {unreadable}") from None


def _decoded(raw: bytes) -> tuple[str, str]:
    """The page as text, and the charset it was read in: what its bytes begin with, what it says, or a guess."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if raw.startswith(mark):
            return raw.decode(name, errors="replace"), name
    said = _CHARSET.search(raw, 0, 16 * 1024)
    declared = _charset(said[1].decode("ascii")) if said else None
    for charset in filter(None, (declared, "utf-8")):
        try:
            return raw.decode(charset), charset
        except (UnicodeError, ValueError):
            continue  # It says one thing and is another: the next guess.
    return raw.decode("cp1252", errors="replace"), "cp1252"


def _charset(label: str) -> str | None:
    try:
        name = codecs.lookup(label).name
    except LookupError:
        return None
    if name in _AS_WINDOWS_1252:
        return "cp1252"
    return name if name in _CHARSETS else None


def _lines(file: BinaryIO, encoding: Encoding, *, breaks_off: bool) -> Iterator[tuple[int, str, Page | str]]:
    with json_lines(file, encoding, at_most=JSON_CHARACTERS, breaks_off=breaks_off) as records:
        for record in records:
            values = fields_of(record)
            if isinstance(values, str):
                yield record.line, "", values
                continue
            url = values.get("url", "")
            try:
                yield record.line, url if isinstance(url, str) else "", _page_of(values)
            except UnreadablePage as unreadable:
                yield record.line, "", str(unreadable)


def _page_of(values: Mapping[str, Any]) -> Page:
    html, url = values.get("html"), values.get("url", "")
    if not isinstance(html, str) or not html.strip():
        raise UnreadablePage("has no html; write the page's source there")
    if not isinstance(url, str):
        raise UnreadablePage("has a url that is no text")
    return _read(url, html)


def _read(url: str, html: str) -> Page:
    if url.strip() and not web_address(url):
        raise UnreadablePage("has a url that is no address of the web; write it as https://shop.example/page")
    return read_page(html)
