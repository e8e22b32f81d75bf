"""Files as they should not be: what is wrong with each, and what must come of it all the same."""

import gzip
import io
import json
import random
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Rejects = Sequence[tuple[int, str]]

GOOD = ("It came late.", "The screen is black.", "I was charged twice.")
RECORD = 256 * 1024


@dataclass(frozen=True, slots=True)
class MalformedFile:
    """``good`` are the texts of the rows that must survive, in order; ``rejects`` the line and column of every other.

    ``problem`` is how the run's problem begins, empty if the file as a whole can be used.
    """

    name: str
    build: Callable[[], bytes]
    good: Sequence[str] = GOOD
    rejects: Rejects = ()
    problem: str = ""


def _lines(*lines: str, end: str = "\n") -> bytes:
    return end.join((*lines, "")).encode()


def _with(*bad: str, header: str = "id,feedback,date") -> Callable[[], bytes]:
    """A good row, the bad lines, two good rows; the first bad line is line 3."""
    first, *others = [f"{number},{text},2024-03-{number + 10}" for number, text in enumerate(GOOD)]
    return lambda: _lines(header, first, *bad, *others)


def _json(*bad: str) -> Callable[[], bytes]:
    first, *others = [json.dumps({"id": number, "feedback": text}) for number, text in enumerate(GOOD)]
    return lambda: _lines(first, *bad, *others)


def _plain(**options: str) -> bytes:
    return _with()().decode().encode(options.get("encoding", "utf-8"))


def _zip(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, "content")
    return file.getvalue()


def _tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("feedback.csv")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"late\n"))
    return file.getvalue()


def _unended(text: bytes) -> bytes:
    """gzip of exactly ``text``, and then nothing."""
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    return packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)


def _noise(count: int) -> bytes:
    return random.Random(5).randbytes(count)


def _row(text: str, number: int = 9, date: str = "2024-03-25") -> str:
    return f"{number},{text},{date}"


WHOLE = (
    # Nothing, or next to nothing
    MalformedFile("empty", lambda: b"", (), problem="is empty"),
    MalformedFile("one line end", lambda: b"\n", (), problem="is empty"),
    MalformedFile("blanks only", lambda: b"  \r\n\t\r\n ", (), problem="is empty"),
    MalformedFile("a byte order mark only", lambda: b"\xef\xbb\xbf", (), problem="is empty"),
    MalformedFile("a header only", lambda: b"id,feedback\n", (), problem="has a header line and no rows"),
    MalformedFile("a header without line end", lambda: b"feedback", (), problem="has a header line and no rows"),
    MalformedFile("a header and blank rows", lambda: b"id,feedback\n,\n , \n", (), problem="has a header line and no"),
    MalformedFile("gzip of nothing", lambda: gzip.compress(b""), (), problem="is empty"),
    # No header, or not ours
    MalformedFile("no header", lambda: b"1,late,x\n2,black,y\n", (), problem="has no header line that we know"),
    MalformedFile("no feedback", lambda: b"id,stars\n1,2\n", (), problem="has no column named 'feedback'"),
    MalformedFile("feedback twice", lambda: b"feedback,feedback\na,b\n", (), problem="has the column 'feedback' twice"),
    MalformedFile("id twice", lambda: b"id,ref_id,feedback\n1,2,a\n", (), problem="has the column both 'id' and"),
    MalformedFile("an open quote in the header", lambda: b'id,"feedback\n1,a\n', (), problem="has a header line that"),
    MalformedFile("a header of noise", lambda: b"feedback,\xff\x81\nlate,x\n", (), problem="has a column name that is"),
    MalformedFile("one word a line", lambda: b"late\nblack\ntwice\n", (), problem="has no header line that we know"),
    MalformedFile("prose", lambda: b"Dear team,\n\nit is late.\n", (), problem="has no header line that we know"),
    # Other kinds of files
    MalformedFile("xlsx", lambda: _zip("xl/workbook.xml"), (), problem="is an Excel workbook; save it as CSV"),
    MalformedFile("docx", lambda: _zip("[Content_Types].xml"), (), problem="is an Excel workbook or another Office"),
    MalformedFile("zip", lambda: _zip("feedback.csv"), (), problem="is a zip archive; unpack it"),
    MalformedFile("tar", _tar, (), problem="is a tar archive; unpack it"),
    MalformedFile("old xls", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1" + _noise(99), (), problem="is an old Excel workbook"),
    MalformedFile("parquet", lambda: b"PAR1" + _noise(99), (), problem="is a Parquet file; export it as CSV"),
    MalformedFile("pdf", lambda: b"%PDF-1.7\n" + _noise(99), (), problem="is a PDF document"),
    MalformedFile("png", lambda: b"\x89PNG\r\n\x1a\n" + _noise(99), (), problem="is a PNG image"),
    MalformedFile("jpeg", lambda: b"\xff\xd8\xff\xe0" + _noise(99), (), problem="is a JPEG image"),
    MalformedFile("bzip2", lambda: b"BZh91AY" + _noise(99), (), problem="is compressed with bzip2; compress it"),
    MalformedFile("zstd", lambda: b"\x28\xb5\x2f\xfd" + _noise(99), (), problem="is compressed with Zstandard"),
    MalformedFile("sqlite", lambda: b"SQLite format 3\x00" + _noise(99), (), problem="is an SQLite database"),
    MalformedFile("html", lambda: b"<!DOCTYPE html><p>late</p>", (), problem="is an HTML page"),
    MalformedFile("xml", lambda: b'<?xml version="1.0"?><a/>', (), problem="is an XML document"),
    MalformedFile("zeros", lambda: bytes(5000), (), problem="is not text"),
    MalformedFile("UTF-32", lambda: _plain(encoding="utf-32"), (), problem="is UTF-32; save it as UTF-8"),
    MalformedFile("a JSON array", lambda: b'[{"feedback": "late"},\n{"feedback": "b"}]', (), problem="is JSON and not"),
    MalformedFile("JSON over lines", lambda: b'{\n "feedback": "late"\n}\n', (), problem="is JSON and not JSON Lines"),
    # gzip that is none
    MalformedFile("gzip twice", lambda: gzip.compress(gzip.compress(_plain())), (), problem="is compressed with gzip"),
    MalformedFile("gzip's mark alone", lambda: b"\x1f\x8b", (), problem="begins as a gzip file and is none"),
    MalformedFile("gzip's mark and noise", lambda: b"\x1f\x8b\x09" + _noise(99), (), problem="begins as a gzip file"),
    MalformedFile("gzip and noise", lambda: gzip.compress(_plain()) + _noise(9), problem="is a damaged gzip"),
    MalformedFile("a bomb", lambda: gzip.compress(b"feedback\n" + bytes(70_000_000)), (), problem="unpacks to over"),
    # No row that can be used
    MalformedFile("every date wrong", lambda: b"feedback,date\na,soon\nb,later\n", (), ((2, "date"), (3, "date")),
                  "has no usable row among its 2"),
    MalformedFile("JSON without feedback", lambda: b'{"text": "a"}\n{"text": "b"}\n', (),
                  ((1, "feedback"), (2, "feedback")), "has no usable row among its 2"),
)  # fmt: skip

CELLS = (
    MalformedFile("blank feedback", _with(_row(" ")), rejects=((3, "feedback"),)),
    MalformedFile("blank date", _with(_row("x", date="")), rejects=((3, "date"),)),
    MalformedFile("no such day", _with(_row("x", date="2024-02-30")), rejects=((3, "date"),)),
    MalformedFile("no date", _with(_row("x", date="next week")), rejects=((3, "date"),)),
    MalformedFile("a spreadsheet's day number", _with(_row("x", date="45376.6")), rejects=((3, "date"),)),
    MalformedFile("a year of three digits", _with(_row("x", date="1/2/024")), rejects=((3, "date"),)),
    MalformedFile("month and day the other way", lambda: b"feedback,date\na,25/3/2024\nb,26/3/2024\nc,3/27/2024\n",
                  ("a", "b"), ((4, "date"),)),
    MalformedFile("too long a text", _with(_row("x" * 20_001)), rejects=((3, "feedback"),)),
    MalformedFile("too long an id", _with(f"{'9' * 101},x,2024-03-25"), rejects=((3, "id"),)),
    MalformedFile("a NUL", _with(_row("a\x00b")), rejects=((3, "feedback"),)),
    MalformedFile("extra columns too long", _with(f"1,x,2024-03-25,{'y' * 20_001}", header="id,feedback,date,mood"),
                  rejects=((3, "mood"),)),
    MalformedFile("too many cells", _with("1,it,came,late,2024-03-25"), rejects=((3, ""),)),
    MalformedFile("too few cells", _with("1"), rejects=((3, "feedback"),)),
    MalformedFile("delimiters at the end", _with("9,fine,2024-03-25,,,,"), (GOOD[0], "fine", *GOOD[1:])),
    MalformedFile("blank lines between", _with("", "  ", ",,"), GOOD),
)  # fmt: skip

QUOTES = (
    MalformedFile("a quote never closed", _with('9,"never closed,2024-03-25'), rejects=((3, ""),)),
    MalformedFile("a quote closed by a later row's", lambda: b'id,feedback\n1,a\n2,"b\n3,c\n4,"d, e"\n5,f\n',
                  ("a", "c", "d, e", "f"), ((3, ""),)),
    MalformedFile("a quote within a text", _with('9,5" screen,2024-03-25'), (GOOD[0], '5" screen', *GOOD[1:])),
    MalformedFile("text after a closing quote", _with('9,"so" it is,2024-03-25'), (GOOD[0], "so it is", *GOOD[1:])),
    MalformedFile("line breaks in quotes", _with('9,"one\r\ntwo\rthree",2024-03-25'),
                  (GOOD[0], "one\ntwo\nthree", *GOOD[1:])),
    MalformedFile("a line beyond every limit", _with(_row("x" * (3 * RECORD))), rejects=((3, ""),)),
    MalformedFile("a quoted cell beyond every limit", _with(_row(f'"{"x" * (3 * RECORD)}"')), rejects=((3, ""),)),
    MalformedFile("quotes left open on many lines", lambda: b"id,feedback\n0,fine\n" + b'a"b,"c\n' * 300 + b"1,good\n",
                  ("fine", "good"), tuple((line, "") for line in range(3, 303))),
)  # fmt: skip

BYTES = (
    MalformedFile("Windows-1252 in UTF-8", lambda: _with(_row("schön"), _row("naïve"))() + b"9,sch\xf6n,2024-03-25\n",
                  (GOOD[0], "schön", "naïve", *GOOD[1:]), ((7, "feedback"),)),
    MalformedFile("bytes that Windows-1252 lacks", lambda: b"feedback\nsch\xf6n\nna\xefve\nbad \x81\x8d\n",
                  ("schön", "naïve"), ((4, "feedback"),)),
    MalformedFile("half a UTF-8 character at the end", lambda: _with(_row("schön"))() + b"9,caf\xc3",
                  (GOOD[0], "schön", *GOOD[1:]), ((6, "feedback"),)),
    MalformedFile("UTF-16 and a byte too many", lambda: _plain(encoding="utf-16") + b"\x39", GOOD, ((5, "id"),)),
    MalformedFile("half a surrogate pair in UTF-16",
                  lambda: b"\xff\xfe" + "id,feedback\n1,a\n2,b".encode("utf-16-le") + b"\x00\xd8"
                  + "\n3,c\n".encode("utf-16-le"), ("a", "c"), ((3, "feedback"),)),
    MalformedFile("UTF-16 without its mark", lambda: _plain(encoding="utf-16-le")),
    MalformedFile("big-endian UTF-16 without its mark", lambda: _plain(encoding="utf-16-be")),
    MalformedFile("every line end there is", lambda: b"feedback\r\nIt came late.\rThe screen is black.\n"
                  b"I was charged twice."),
    MalformedFile("an end-of-file sign of old", lambda: _plain() + b"\x1a", GOOD, ((5, "feedback"),)),
    MalformedFile("two byte order marks", lambda: 2 * b"\xef\xbb\xbf" + _lines("id,feedback", "1,late"), ("late",)),
    MalformedFile("a mark before each of two files", lambda: _plain() + b"\xef\xbb\xbf" + _plain(),
                  (*GOOD, *GOOD), ((5, "date"),)),
)  # fmt: skip

DIALECTS = (
    MalformedFile("sep= with another sign", lambda: b"sep=^\nid^feedback\n1^a, b; c\n", ("a, b; c",)),
    MalformedFile("sep= in quotes", lambda: b'"sep=;"\nid;feedback\n1;late\n', ("late",)),
    MalformedFile("a tab in the header's commas", lambda: b"id\tfeedback\tA,B,C\n1\tlate\t3\n", ("late",)),
    MalformedFile("blank and repeated headers", lambda: b"id,,mood,mood,feedback,,\n1,a,b,c,late,,\n", ("late",)),
    MalformedFile("headers in other words", lambda: b"ID,Product-Name,FEED BACK\n1,Lamp,late\n", ("late",)),
)  # fmt: skip

JSON_LINES = (
    MalformedFile("broken JSON", _json('{"feedback": "half'), rejects=((2, ""),)),
    MalformedFile("a list among objects", _json('["late"]'), rejects=((2, ""),)),
    MalformedFile("a number among objects", _json("17"), rejects=((2, ""),)),
    MalformedFile("a list as feedback", _json('{"feedback": ["late"]}'), rejects=((2, "feedback"),)),
    MalformedFile("an object without feedback", _json('{"stars": 5}'), rejects=((2, "feedback"),)),
    MalformedFile("null feedback", _json('{"feedback": null}'), rejects=((2, "feedback"),)),
    MalformedFile("feedback under two names", _json('{"feedback": "a", "Feedback": "b"}'), rejects=((2, "Feedback"),)),
    MalformedFile("half a surrogate pair", _json('{"feedback": "a \\ud800 b"}'), rejects=((2, "feedback"),)),
    MalformedFile("nested without end", _json('{"feedback": "a", "x": ' + "[" * 50_000), rejects=((2, ""),)),
    MalformedFile("a number of 10,000 digits", _json('{"feedback": "big", "n": ' + "9" * 10_000 + "}"),
                  (GOOD[0], "big", *GOOD[1:])),
    MalformedFile("a line beyond every limit of JSON", _json('{"feedback": "' + "x" * (2 * RECORD) + '"}'),
                  rejects=((2, ""),)),
    MalformedFile("blank lines of JSON", _json("", "   ")),
    MalformedFile("a name that is no text", _json('{"feedback": "a", "\\udfff": "b"}'), rejects=((2, ""),)),
    MalformedFile("a date that is a number", _json('{"feedback": "a", "date": 1711377000}'), rejects=((2, "date"),)),
    MalformedFile("JSON that breaks off", lambda: _unended(_json()() + b'{"feedback": "ha'), rejects=((4, ""),),
                  problem="is a damaged gzip file, the end is missing"),
    MalformedFile("CSV that breaks off", lambda: _unended(_plain() + b"9,ha"), rejects=((5, ""),),
                  problem="is a damaged gzip file, the end is missing"),
    MalformedFile("CSV that breaks off in quotes", lambda: _unended(_plain() + b'9,"ha\n10,ha,2024-03-25\n'),
                  rejects=((5, ""),), problem="is a damaged gzip file, the end is missing"),
    MalformedFile("CSV that breaks off between rows", lambda: _unended(_plain()),
                  problem="is a damaged gzip file, the end is missing"),
)  # fmt: skip

MALFORMED_FILES = (*WHOLE, *CELLS, *QUOTES, *BYTES, *DIALECTS, *JSON_LINES)
