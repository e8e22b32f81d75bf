"""The bucket port in memory, for tests of the loops."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

from services.feedback_tagger.bucket.port import ObjectGone, OpenObject


@dataclass(slots=True)
class MemoryBucket:
    """Unversioned; ETags are MD5 sums, as S3's are for plain objects."""

    name: str = "bucket"
    objects: dict[str, bytes] = field(default_factory=dict)
    content_types: dict[str, str] = field(default_factory=dict)
    user_metadata: dict[str, dict[str, str]] = field(default_factory=dict)

    def etag(self, key: str) -> str:
        return hashlib.md5(self.objects[key], usedforsecurity=False).hexdigest()

    @asynccontextmanager
    async def open(self, key: str, *, version_id: str | None) -> AsyncIterator[OpenObject]:
        if key not in self.objects or version_id not in (None, "", "null"):
            raise ObjectGone(key)
        body = self.objects[key]

        async def blocks() -> AsyncIterator[bytes]:
            for start in range(0, len(body), 7):
                yield body[start : start + 7]

        yield OpenObject(etag=self.etag(key), size=len(body), blocks=blocks())

    async def metadata(self, key: str, *, version_id: str | None) -> Mapping[str, str]:
        return {} if version_id not in (None, "", "null") else self.user_metadata.get(key, {})

    async def put(self, key: str, body: bytes, *, content_type: str) -> None:
        self.objects[key] = body
        self.content_types[key] = content_type

    async def put_file(self, key: str, file: BinaryIO, *, content_type: str) -> None:
        file.seek(0)
        await self.put(key, file.read(), content_type=content_type)
