"""The promise of the bucket, whichever service is behind it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class OpenObject:
    """An object under way: its size, its bytes in blocks, the ETag (without quotes) of what is really being read."""

    etag: str
    size: int
    blocks: AsyncIterator[bytes]


class ObjectGone(Exception):
    """There is no such object, or not that version of it, any more."""


class Bucket(Protocol):
    """Raises TransientError or PermanentError beside what the methods name."""

    @property
    def name(self) -> str: ...

    def open(self, key: str, *, version_id: str | None) -> AbstractAsyncContextManager[OpenObject]:
        """Raises ObjectGone on entry. A connection lost on the way raises TransientError from ``blocks``.

        No more is downloaded than is asked of ``blocks``.
        """
        ...

    async def metadata(self, key: str, *, version_id: str | None) -> Mapping[str, str]:
        """What the uploader said about the object, by lower-case names; empty if it is gone."""
        ...

    async def put(self, key: str, body: bytes, *, content_type: str) -> None:
        """Replace the object as a whole: a reader sees the old one or the new one."""
        ...

    async def put_file(self, key: str, file: BinaryIO, *, content_type: str) -> None:
        """The same from a file, from its start, without holding it in memory."""
        ...
