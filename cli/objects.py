"""Objects of the bucket that hold a word, whatever they are packed in."""

import re
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple, cast

from cli.cloud import Cloud
from cli.documents import OPEN, bucket_errors, run_document
from services.feedback_tagger.domain.run import REJECTS_PREFIX, RUNS_PREFIX, UPLOADS_PREFIX, run_id

BATCH_PREFIX = "batch/"
PLACES = (UPLOADS_PREFIX, REJECTS_PREFIX, BATCH_PREFIX, RUNS_PREFIX)
"""Where in the bucket rows may lie: files, rejects, prompts of batch jobs, examples of proposals."""
BLOCK = 1 << 20
AROUND = 2
"""Bytes beside a word that say whether it ends there: one character, in UTF-16 too."""


class Version(NamedTuple):
    """One version of an object; in a bucket without versions its id is ``null``."""

    key: str
    version_id: str
    etag: str


def versions_with(cloud: Cloud, words: Sequence[str]) -> tuple[list[Version], list[str]]:
    """Versions of objects that contain one of ``words``; and runs that still need such an object, which are left out.

    Reads every version of every object, gzip unpacked. The objects of a batch job's part go together: its prompts are
    texts of rows without their ids.
    """
    s3, bucket = cloud.client("s3"), cloud.names.bucket
    holding: list[Version] = []
    needed_by: set[str] = set()
    for place in PLACES:
        for whole in _listed(cloud, place):
            bodies = (s3.get_object(Bucket=bucket, Key=key, VersionId=version)["Body"] for key, version, _ in whole)
            if not any(contains(cast(BinaryIO, body), words) for body in bodies):
                continue
            if runs := {run for run in _runs_of(bucket, place, whole) if _is_open(cloud, run)}:
                needed_by |= runs
            else:
                # In the order of their keys: killed in between, a part still has rows.jsonl, which names its rows.
                holding += whole
    return holding, sorted(needed_by)


def contains(body: BinaryIO, words: Sequence[str]) -> bool:
    """Whether one of ``words`` stands in the bytes by itself, or in what they unpack to; also across blocks.

    By itself: ``F-1`` is not in ``F-10``, whose object is somebody else's.
    """
    needles = [word.encode(encoding) for word in words for encoding in ("utf-8", "utf-16-le", "utf-16-be")]
    pattern = _pattern(words)
    reach = max(map(len, needles)) + 2 * AROUND
    window, begin = b"", 0
    for block in _blocks(body):
        # What was cut off before the window has been looked at; its last bytes are kept to look back to.
        begin = AROUND if len(window) >= reach else 0
        window = window[-reach:] + block
        # The pattern takes a hundred times as long as a look for the plain bytes.
        if any(needle in window for needle in needles) and any(
            found.end() <= len(window) - AROUND for found in pattern.finditer(window, begin)
        ):
            return True
    return pattern.search(window[-reach:], begin if len(window) <= reach else AROUND) is not None


def _pattern(words: Sequence[str]) -> re.Pattern[bytes]:
    """The words in each encoding, with no letter, digit, dash or underscore of ASCII beside them."""
    forms = []
    for word in words:
        # A JSON string writes a line break as two characters, of which the second is a letter.
        plain = re.escape(word.encode())
        forms.append(rb"(?:(?<![\w-])|(?<=\\[bfnrt]))" + plain + rb"(?![\w-])")
        little, big = re.escape(word.encode("utf-16-le")), re.escape(word.encode("utf-16-be"))
        forms.append(rb"(?<![\w-]\x00)" + little + rb"(?![\w-]\x00)")
        forms.append(rb"(?<!\x00[\w-])" + big + rb"(?!\x00[\w-])")
    return re.compile(b"|".join(forms))


def _listed(cloud: Cloud, place: str) -> list[list[Version]]:
    """Every version under ``place``, those together that go together."""
    found: dict[str, list[Version]] = defaultdict(list)
    with bucket_errors(cloud.names.bucket):
        pages = cloud.client("s3").get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=cloud.names.bucket, Prefix=place):
            for each in page.get("Versions", ()):
                version = Version(str(each["Key"]), str(each["VersionId"]), str(each["ETag"]))
                part = "/".join(version.key.split("/")[:3])
                found[part if place == BATCH_PREFIX else f"{version.key} {version.version_id}"].append(version)
    return list(found.values())


def _runs_of(bucket: str, place: str, versions: Sequence[Version]) -> set[str]:
    """Runs that read these objects while they are open."""
    if place == UPLOADS_PREFIX:
        return {run_id(bucket, each.key, etag=each.etag, version_id=each.version_id) for each in versions}
    return {each.key.split("/")[1] for each in versions} if place == BATCH_PREFIX else set()


def _is_open(cloud: Cloud, run: str) -> bool:
    document = run_document(cloud, run)
    return document is not None and document["status"] == OPEN


def _blocks(body: BinaryIO) -> Iterator[bytes]:
    first = body.read(BLOCK)
    if not first.startswith(b"\x1f\x8b"):
        while first:
            yield first
            first = body.read(BLOCK)
        return
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    while first:
        try:
            # A megabyte may unpack to a thousand.
            yield unpacker.decompress(first, BLOCK)
        except zlib.error:
            return  # Damaged: what could be unpacked was looked at.
        first = unpacker.unconsumed_tail or unpacker.unused_data
        if unpacker.eof:
            unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        first = first or body.read(BLOCK)
    yield unpacker.flush()
