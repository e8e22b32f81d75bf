"""What a file that is no text looks like by its first bytes, so that its sender is told what to save it as."""

from typing import NamedTuple

HEAD_BYTES = 4096
AS_CSV = "save it as CSV in UTF-8"
EXPORT = "export it as CSV or JSON Lines"


class Kind(NamedTuple):
    """Files that have ``mark`` at ``offset``."""

    mark: bytes
    name: str
    remedy: str
    offset: int = 0


KINDS = (
    Kind(b"\xd0\xcf\x11\xe0", "an old Excel workbook or another Office document", AS_CSV),
    Kind(b"%PDF", "a PDF document", EXPORT),
    Kind(b"PAR1", "a Parquet file", EXPORT),
    Kind(b"ORC", "an ORC file", EXPORT),
    Kind(b"ARROW1", "an Arrow file", EXPORT),
    Kind(b"Obj\x01", "an Avro file", EXPORT),
    Kind(b"SQLite format 3\x00", "an SQLite database", EXPORT),
    Kind(b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it and upload the files in it, plain or with gzip"),
    Kind(b"Rar!\x1a\x07", "a RAR archive", "unpack it and upload the files in it, plain or with gzip"),
    Kind(b"ustar", "a tar archive", "unpack it and upload the files in it, plain or with gzip", 257),
    Kind(b"BZh", "compressed with bzip2", "compress it with gzip or not at all"),
    Kind(b"\xfd7zXZ\x00", "compressed with xz", "compress it with gzip or not at all"),
    Kind(b"\x28\xb5\x2f\xfd", "compressed with Zstandard", "compress it with gzip or not at all"),
    Kind(b"\x04\x22\x4d\x18", "compressed with LZ4", "compress it with gzip or not at all"),
    Kind(b"\x1f\x9d", "compressed with compress", "compress it with gzip or not at all"),
    Kind(b"\x1f\x8b", "compressed with gzip twice", "compress it once"),
    Kind(b"\x89PNG", "a PNG image", "upload the feedback as CSV or JSON Lines"),
    Kind(b"\xff\xd8\xff", "a JPEG image", "upload the feedback as CSV or JSON Lines"),
    Kind(b"GIF8", "a GIF image", "upload the feedback as CSV or JSON Lines"),
    Kind(b"II*\x00", "a TIFF image", "upload the feedback as CSV or JSON Lines"),
    Kind(b"MM\x00*", "a TIFF image", "upload the feedback as CSV or JSON Lines"),
    Kind(b"ftyp", "a video", "upload the feedback as CSV or JSON Lines", 4),
    Kind(b"ID3", "a sound file", "upload the feedback as CSV or JSON Lines"),
    Kind(b"OggS", "a sound file", "upload the feedback as CSV or JSON Lines"),
    Kind(b"RIFF", "a sound, video or image file", "upload the feedback as CSV or JSON Lines"),
    Kind(b"\x7fELF", "a program", "upload the feedback as CSV or JSON Lines"),
    Kind(b"MZ\x90\x00", "a program", "upload the feedback as CSV or JSON Lines"),
    Kind(b"{\\rtf", "a rich text document", AS_CSV),
    Kind(b"%!PS", "a PostScript document", EXPORT),
)
# Inside a zip archive, the names of its first files tell what it is; they are not compressed.
ZIPS = (
    (b"xl/", "an Excel workbook", AS_CSV),
    (b"[Content_Types].xml", "an Excel workbook or another Office document", AS_CSV),
    (b"opendocument.spreadsheet", "an OpenDocument spreadsheet", AS_CSV),
    (b"opendocument", "an OpenDocument file", AS_CSV),
    (b"Index/", "a Numbers or Pages document", AS_CSV),
)
MARKUP = ((b"<!doctype html", "an HTML page"), (b"<html", "an HTML page"), (b"<?xml", "an XML document"))


def not_text(head: bytes) -> str | None:
    """What a file that begins with ``head`` is instead of text, and the remedy; None if it may be text."""
    if head.startswith(b"PK\x03\x04"):
        for mark, name, remedy in ZIPS:
            if mark in head:
                return f"is {name}; {remedy}"
        return "is a zip archive; unpack it and upload the files in it, plain or with gzip"
    for kind in KINDS:
        if head.startswith(kind.mark, kind.offset):
            return f"is {kind.name}; {kind.remedy}"
    beginning = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:16].lower()
    for mark, name in MARKUP:
        if beginning.startswith(mark):
            return f"is {name}; {EXPORT}"
    return None


def mostly_not_text(head: bytes) -> bool:
    """Whether over a tenth are zeros, which no text has; one is a bad row and not a bad file."""
    return 10 * head.count(0) > len(head)
