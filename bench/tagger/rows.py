"""Feedback to measure with: made by rule, the same every time, no two rows alike; about 120 characters each."""

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.feedback_tagger.domain.feedback import Feedback, Row, content_digest, row_identity
from services.feedback_tagger.messages.chunk import chunk_as_json, row_as_json

HEADER = ("product_name", "store", "id", "stars", "title", "feedback", "date")
FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
SUBJECTS = (
    "The backup of my photos", "The card payment", "The parcel", "The app on my tablet", "The camera's screen",
    "The invoice", "The courier", "The sign-in page", "The charger", "The restore from the cloud",
    "The refund", "The left speaker",
)  # fmt: skip
EVENTS = (
    "stopped half way and never went on", "was charged twice", "arrived a week late", "closes by itself every morning",
    "stayed dark after the update", "shows a name that is not mine", "was left at the wrong house", "asks for a code",
    "gets far too hot", "brought back only half of the files", "takes a month",
)  # fmt: skip
CONSEQUENCES = (
    "so I had to do it all again by hand", "and nobody at the shop could tell me why", "which is a pity at this price",
    "though it was fine before", "and I would like my money back", "but support was kind about it",
    "so my family uses something else now",
)  # fmt: skip


def feedback(number: int) -> Feedback:
    """Piece ``number``: its words repeat after 924 pieces, its order number never does."""
    text = (
        f"{SUBJECTS[number % len(SUBJECTS)]} {EVENTS[number % len(EVENTS)]} "
        f"{CONSEQUENCES[number % len(CONSEQUENCES)]}; my order was number {number:07d} of this year."
    )
    return Feedback(
        feedback=text,
        product_name=f"product {number % 40}",
        store=f"store {number % 9}",
        ref_id=f"r-{number}",
        stars=str(1 + number % 5),
        title=SUBJECTS[number % len(SUBJECTS)],
        create_date=FIRST_DAY + timedelta(minutes=number % 500_000),
    )


def row(number: int) -> Row:
    piece = feedback(number)
    return Row(line=number + 2, identity=row_identity(content_digest(piece), 1), feedback=piece)


def chunk_bodies(run_id: str, *, chunks: int, rows_per_chunk: int) -> Iterator[str]:
    """The messages that ingest would send for a file of ``chunks * rows_per_chunk`` rows."""
    for number in range(chunks):
        numbers = range(number * rows_per_chunk, (number + 1) * rows_per_chunk)
        rows = [row_as_json(row(each)) for each in numbers]
        yield chunk_as_json(run_id=run_id, task="categorise", number=number, rows=rows)


def write_csv(file: Path, rows: int) -> None:
    """A file to upload, of ``rows`` rows."""
    with file.open("w", encoding="utf-8", newline="") as output:
        writer = csv.writer(output)
        writer.writerow(HEADER)
        writer.writerows(_as_written(feedback(number)) for number in range(rows))


def _as_written(piece: Feedback) -> Sequence[str | None]:
    assert piece.create_date is not None
    date = piece.create_date.strftime("%Y-%m-%d %H:%M")
    return (piece.product_name, piece.store, piece.ref_id, piece.stars, piece.title, piece.feedback, date)
