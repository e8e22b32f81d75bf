"""Unpacking gzip block by block, bounded: a small file that would fill the disk ends as a problem and not as an outage.

Several gzip members in a row are one text, as with `cat a.gz b.gz`; zeros that pad the end of a file are no member.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

GZIP_MARK = b"\x1f\x8b"
OUTPUT_BYTES = 256 * 1024
LARGEST_FILE_BYTES = 4 * 1024**3
"""Of a file's text, where nothing else is set: some twenty million rows. A task has 20 GB of disk and reads two files
at once."""
# A text of reviews shrinks to a fifth or a tenth; deflate itself ends at a thousandth.
MOST_TIMES = 200
# What is small may be as repetitive as it likes.
RATIO_FROM_BYTES = 32 * 1024 * 1024


class TooMuch(Exception):
    """Unpacking stops here; the message says why."""


class Damaged(Exception):
    """What comes after the blocks so far cannot be unpacked; the message says why."""


@dataclass(slots=True)
class Unpacker:
    """Feed it the packed blocks in order, then ``finish``. Blocks that came out before it raised are good."""

    at_most_bytes: int
    packed: int = 0
    unpacked: int = 0
    _member: "zlib._Decompress | None" = field(default=None, repr=False)
    _members: int = 0
    _begun: bytes = b""

    def feed(self, block: bytes) -> Iterator[bytes]:
        """What ``block`` unpacks to, in blocks of bounded size. Raises TooMuch or Damaged."""
        self.packed += len(block)
        left = self._begun + block
        self._begun = b""
        full = False
        # A full block of output may leave more inside the decompressor than its unconsumed input shows.
        while left or full:
            if self._member is None:
                if self._members and not (left := left.lstrip(b"\x00")):
                    return
                if len(left) < len(GZIP_MARK):
                    self._begun = left
                    return
                if not left.startswith(GZIP_MARK):
                    raise Damaged("other bytes follow the packed ones")
                self._member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
            try:
                out = self._member.decompress(left, OUTPUT_BYTES)
            except zlib.error as error:
                raise Damaged(f"it cannot be unpacked ({error})") from None
            if out:
                self._count(len(out))
                yield out
            full = len(out) == OUTPUT_BYTES and not self._member.eof
            if self._member.eof:
                left, self._member = self._member.unused_data, None
                self._members += 1
            else:
                left = self._member.unconsumed_tail

    def finish(self) -> None:
        """Raises Damaged if the last member has no end."""
        if self._member is not None or self._begun or not self._members:
            raise Damaged("the end is missing")

    def _count(self, more: int) -> None:
        self.unpacked += more
        if self.unpacked > self.at_most_bytes:
            raise TooMuch(f"unpacks to more than the {self.at_most_bytes:,} bytes that a file may have; split it")
        if self.unpacked > RATIO_FROM_BYTES and self.unpacked > MOST_TIMES * self.packed:
            raise TooMuch(f"unpacks to over {MOST_TIMES} times its size, as no feedback does; upload it unpacked")
