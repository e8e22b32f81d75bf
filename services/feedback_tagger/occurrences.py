"""Counting how often each content came in one file, on disk: a million digests would fill the task's memory."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from tempfile import TemporaryDirectory

from services.feedback_tagger.domain.upload import CountOccurrence

CACHE_KIB = 8 * 1024


@contextmanager
def counted_occurrences() -> Iterator[CountOccurrence]:
    """A counter that starts at nothing and leaves nothing. One thread at a time may call it."""
    with (
        TemporaryDirectory(prefix="deskhand-rows-") as folder,
        closing(sqlite3.connect(f"{folder}/digests", check_same_thread=False, isolation_level=None)) as database,
    ):
        # Nothing of this outlives the reading of one file, so nothing needs to survive a crash.
        database.execute("pragma journal_mode = off")
        database.execute("pragma synchronous = off")
        database.execute(f"pragma cache_size = -{CACHE_KIB}")
        database.execute("create table digest (digest blob primary key, n integer not null) without rowid")
        database.execute("begin")

        def count(digest: str) -> int:
            row = database.execute(
                "insert into digest values (?, 1) on conflict (digest) do update set n = n + 1 returning n",
                (bytes.fromhex(digest),),
            ).fetchone()
            return int(row[0])

        yield count
