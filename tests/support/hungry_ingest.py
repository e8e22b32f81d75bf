"""A process of its own that ingests one file as the service does, and says on its last line how much memory it took.

``python -m tests.support.hungry_ingest TASK FILE``. The file is read from disk in blocks, as S3 would send it.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.feedback_tagger.bucket.memory import MemoryBucket
from services.feedback_tagger.bucket.port import OpenObject
from services.feedback_tagger.tasks import TASKS
from tests.support.ingesting import Desk

BLOCK_BYTES = 256 * 1024


class FileBucket(MemoryBucket):
    """One object, which is a file."""

    path: Path

    @asynccontextmanager
    async def open(self, key: str, *, version_id: str | None) -> AsyncIterator[OpenObject]:
        with self.path.open("rb") as file:

            async def blocks() -> AsyncIterator[bytes]:
                while block := file.read(BLOCK_BYTES):
                    yield block

            yield OpenObject(etag=self.etag(key), size=self.path.stat().st_size, blocks=blocks())


async def ingest(task: str, path: Path) -> dict[str, object]:
    desk, bucket = Desk(), FileBucket()
    bucket.path = path
    name = f"{TASKS.named(task).upload_prefix.removeprefix('uploads/')}{path.name}"
    message = desk.uploaded(name, b"")
    bucket.objects = desk.bucket.objects
    desk.bucket = bucket  # type: ignore[assignment]
    await desk.an_ingest().handle(message)
    outcome = desk.outcome
    return {
        "rows": outcome.rows_read,
        "rejected": outcome.rows_rejected,
        "problem": outcome.problem,
        "reasons": [reason for _, _, reason in desk.rejects],
    }


def _peak_megabytes() -> float:
    """Of this program alone: what getrusage() says begins with the process that it was forked from."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kilobytes) / 1024


if __name__ == "__main__":
    said = asyncio.run(ingest(sys.argv[1], Path(sys.argv[2])))
    peak = _peak_megabytes()
    sys.stdout.write(json.dumps({**said, "peak_mb": peak}) + "\n")
