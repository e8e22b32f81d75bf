"""An uploaded object on its way to disk: the right one, no larger than allowed, unpacked if it is gzip."""

from collections.abc import AsyncIterator
from typing import BinaryIO

from services.feedback_tagger.aside import aside
from services.feedback_tagger.bucket.port import Bucket, ObjectGone
from services.feedback_tagger.domain.text_file import UnusableFile
from services.feedback_tagger.domain.unpacking import GZIP_MARK, Damaged, TooMuch, Unpacker
from services.feedback_tagger.messages.uploaded import Uploaded

LIMIT_SETTING = "LARGEST_FILE_BYTES"
PIECE_BYTES = 256 * 1024


async def spooled(bucket: Bucket, uploaded: Uploaded, file: BinaryIO, *, at_most_bytes: int) -> str:
    """Write the object's text to ``file`` and return what is damaged about it, empty if nothing is.

    Of a damaged gzip file, ``file`` has what could be unpacked before. Raises UnusableFile, without downloading more
    than it takes to know, and the bucket's errors.
    """
    try:
        async with bucket.open(uploaded.key, version_id=uploaded.version_id) as found:
            if uploaded.etag and found.etag != uploaded.etag:
                raise UnusableFile("was replaced before it was read; the later upload is a run of its own")
            if found.size > at_most_bytes:
                limit = f"the {at_most_bytes:,} that {LIMIT_SETTING} allows"
                raise UnusableFile(f"has {found.size:,} bytes, more than {limit}; split it")
            damage = await _write(found.blocks, file, at_most_bytes)
    except ObjectGone:
        raise UnusableFile("was deleted before it was read; upload it again") from None
    file.seek(0)
    return damage


async def _write(blocks: AsyncIterator[bytes], file: BinaryIO, at_most_bytes: int) -> str:
    pieces = _pieces(blocks)
    first = await anext(pieces, b"")
    if first.startswith(GZIP_MARK):
        return await _unpack(first, pieces, file, at_most_bytes)
    await aside(file.write, first)
    async for piece in pieces:
        await aside(file.write, piece)
    return ""


async def _pieces(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """``blocks`` joined to pieces that are worth a thread's while."""
    piece = bytearray()
    async for block in blocks:
        piece += block
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


async def _unpack(first: bytes, pieces: AsyncIterator[bytes], file: BinaryIO, at_most_bytes: int) -> str:
    unpacker = Unpacker(at_most_bytes)

    def write(piece: bytes) -> None:
        for out in unpacker.feed(piece):
            file.write(out)

    try:
        await aside(write, first)
        async for piece in pieces:
            await aside(write, piece)
        unpacker.finish()
    except TooMuch as too_much:
        raise UnusableFile(f"{too_much} ({LIMIT_SETTING})") from None
    except Damaged as damaged:
        if not unpacker.unpacked:
            raise UnusableFile(f"begins as a gzip file and is none: {damaged}; compress it again") from None
        return f"is a damaged gzip file, {damaged}; only its first {unpacker.unpacked:,} bytes of text could be read"
    return ""
