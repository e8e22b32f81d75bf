"""The bucket port on S3."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, BinaryIO

from botocore.exceptions import ClientError

from services.feedback_tagger.bucket.port import ObjectGone, OpenObject
from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.errors import PermanentError

BLOCK_BYTES = 256 * 1024
# S3 takes parts of 5 MiB and more (document "Amazon S3 multipart upload limits").
PART_BYTES = 8 * 1024 * 1024
GONE_CODES = frozenset({"NoSuchKey", "NoSuchVersion", "404"})


class S3Bucket:
    """Speaks through an aiobotocore ``s3`` client to one bucket."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    @asynccontextmanager
    async def open(self, key: str, *, version_id: str | None) -> AsyncIterator[OpenObject]:
        with aws_errors():
            try:
                answer = await self._client.get_object(**self._which(key, version_id))
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in GONE_CODES:
                    raise ObjectGone(key) from error
                raise
        async with answer["Body"] as body:
            yield OpenObject(
                etag=str(answer["ETag"]).strip('"'), size=int(answer["ContentLength"]), blocks=_blocks(body)
            )

    async def metadata(self, key: str, *, version_id: str | None) -> Mapping[str, str]:
        with aws_errors():
            try:
                answer = await self._client.head_object(**self._which(key, version_id))
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in GONE_CODES:
                    return {}
                raise
        return {str(name).lower(): str(value) for name, value in answer.get("Metadata", {}).items()}

    async def put(self, key: str, body: bytes, *, content_type: str) -> None:
        with aws_errors():
            await self._client.put_object(Bucket=self._name, Key=key, Body=body, ContentType=content_type)

    async def put_file(self, key: str, file: BinaryIO, *, content_type: str) -> None:
        file.seek(0)
        block = file.read(PART_BYTES)
        if len(block) < PART_BYTES:
            await self.put(key, block, content_type=content_type)
            return
        which = {"Bucket": self._name, "Key": key}
        with aws_errors():
            begun = await self._client.create_multipart_upload(**which, ContentType=content_type)
            upload = {**which, "UploadId": begun["UploadId"]}
            try:
                parts: list[dict[str, Any]] = []
                while block:
                    number = len(parts) + 1
                    sent = await self._client.upload_part(**upload, PartNumber=number, Body=block)
                    parts.append({"ETag": sent["ETag"], "PartNumber": number})
                    block = file.read(PART_BYTES)
                await self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
            except BaseException:
                # Parts of an upload that is neither completed nor aborted are paid for, unseen, for ever.
                await self._client.abort_multipart_upload(**upload)
                raise

    def _which(self, key: str, version_id: str | None) -> dict[str, str]:
        which = {"Bucket": self._name, "Key": key}
        if version_id not in (None, "", "null"):
            which["VersionId"] = str(version_id)
        return which


async def _blocks(body: Any) -> AsyncIterator[bytes]:
    with aws_errors():
        while block := await body.read(BLOCK_BYTES):
            if not isinstance(block, bytes):
                raise PermanentError("GetObject: the body is not bytes")
            yield block
