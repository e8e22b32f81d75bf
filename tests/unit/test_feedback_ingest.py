"""Ingest killed anywhere, limits, compressed and damaged files: no row is lost, none is sent under two numbers."""

import json
import random
from contextlib import suppress
from itertools import count

import pytest

from services.feedback_tagger.domain.feedback import Feedback
from services.feedback_tagger.domain.headers import read_aliases
from services.feedback_tagger.domain.taxonomy import Category, Taxonomy, taxonomy_of
from services.feedback_tagger.files.quoting import ALL_ROWS, Quoting, Sample
from services.feedback_tagger.ingest import CHUNKS_AT_ONCE
from services.feedback_tagger.messages.chunk import Chunk
from services.feedback_tagger.planner.quote import Tally
from services.feedback_tagger.store.port import Ingested
from services.feedback_tagger.tasks.categorise import CATEGORISE
from shared.model.prices import PRICES
from shared.queue.message import DeadLetter, GiveBack
from tests.support.feedback import a_file, a_row, many_rows
from tests.support.ingesting import Crash, Desk, packed

ROWS = [*many_rows(CHUNKS_AT_ONCE * 5), a_row(date="never"), *many_rows(30, prefix="late"), a_row(feedback="")]
FILE = a_file(ROWS)


def by_number(chunks: list[Chunk]) -> dict[int, Chunk]:
    """Each number's chunk, which must be the same however often it was sent."""
    found: dict[int, Chunk] = {}
    for chunk in chunks:
        assert found.setdefault(chunk.number, chunk) == chunk
    return found


async def undisturbed() -> Desk:
    desk = Desk()
    await desk.read("a.csv", FILE, rows_per_prompt=2)
    return desk


async def test_an_ingest_killed_at_any_moment_and_started_again_sends_each_row_under_one_number() -> None:
    """What: the process is gone before or after each effect, once and then once more, for every such moment.

    How: the doubles raise at the n-th moment, for n = 1 and up until a life gets through; a later life has other
    limits, as after a deploy.
    """
    right = await undisturbed()
    for first in count(1):
        desk = Desk()
        news = desk.uploaded("a.csv", FILE)
        desk.strikes.at = first
        try:
            await desk.an_ingest(rows_per_prompt=2).handle(news)
        except Crash:
            pass
        else:
            break
        before = len(desk.queue.bodies)
        # The run keeps the limits that it was opened with; if it was not, nothing has been cut yet.
        later = {"rows_per_prompt": 7, "tokens_per_prompt": 90} if desk.runs.opened else {"rows_per_prompt": 2}
        noted = max((noted.chunks_sent for noted in desk.runs.noted.values()), default=0)
        desk.strikes.at = desk.strikes.moments + 1 + first % 7
        with suppress(Crash):
            await desk.an_ingest(**later).handle(news)
        desk.strikes.at = 0
        await desk.an_ingest(**later).handle(news)

        assert by_number(desk.chunks) == by_number(right.chunks), first
        assert desk.outcome == right.outcome, first
        assert desk.rejects == right.rejects, first
        assert all(chunk.number >= noted for chunk in desk.chunks[before:]), "what was noted is not sent again"
    assert first > 20


async def test_what_was_read_is_what_the_file_holds() -> None:
    right = await undisturbed()
    assert right.texts == [row["feedback"] for row in ROWS if row["date"] != "never" and row["feedback"]]
    assert [(line, column) for line, column, _ in right.rejects] == [("252", "date"), ("283", "feedback")]
    assert right.outcome.rows_read == len(ROWS)


async def test_of_two_tasks_at_one_file_the_slower_one_stops_and_gives_the_message_back() -> None:
    desk = Desk()
    news = desk.uploaded("a.csv", FILE)
    slow = desk.an_ingest(rows_per_prompt=2)
    note = desk.runs.note_ingest

    class OvertakenOnce:
        def __getattr__(self, name: str) -> object:
            return getattr(desk.runs, name)

        async def note_ingest(self, run_id: str, progress: Ingested, *, after: int | None = None) -> bool:
            if progress.chunks_sent == CHUNKS_AT_ONCE:
                await desk.an_ingest(rows_per_prompt=2).handle(news)
            return await note(run_id, progress, after=after)

    object.__setattr__(slow, "store", OvertakenOnce())
    settlement = await slow.handle(news)
    assert isinstance(settlement, GiveBack)
    assert by_number(desk.chunks) == by_number((await undisturbed()).chunks)
    assert desk.outcome.total_chunks == len(by_number(desk.chunks))
    assert await desk.an_ingest().handle(news) is None


async def test_a_file_that_is_gone_when_ingest_goes_on_ends_with_what_was_sent() -> None:
    desk = Desk()
    news = desk.uploaded("a.csv", FILE)
    desk.strikes.at = 20
    with pytest.raises(Crash):
        await desk.an_ingest(rows_per_prompt=2).handle(news)
    sent = desk.outcome.chunks_sent
    assert sent >= CHUNKS_AT_ONCE
    del desk.bucket.objects["uploads/a.csv"]
    await desk.an_ingest().handle(news)
    assert desk.outcome.total_chunks == sent
    assert desk.outcome.problem.startswith("was deleted before it was read")


async def test_chunks_hold_as_many_rows_as_their_tokens_allow() -> None:
    rows = [*many_rows(30), a_row(feedback="long " * 500), *many_rows(30, prefix="more")]
    desk = Desk()
    await desk.read("a.csv", a_file(rows), rows_per_prompt=20, tokens_per_prompt=200)
    sizes = [len(chunk.rows) for chunk in desk.chunks]
    assert sum(sizes) == 61
    assert 1 in sizes
    assert max(sizes) < 20
    assert desk.texts == [row["feedback"].strip() for row in rows]


# Size


async def test_a_file_over_the_limit_ends_with_the_figure_and_the_setting_and_is_not_downloaded() -> None:
    desk = Desk()
    await desk.read("a.csv", FILE, largest_file_bytes=10_000)
    assert desk.outcome.problem.startswith(
        f"has {len(FILE):,} bytes, more than the 10,000 that LARGEST_FILE_BYTES allow"
    )
    assert (desk.outcome.total_chunks, desk.bucket.blocks_read, desk.queue.bodies) == (0, 0, [])


async def test_a_small_file_that_unpacks_to_more_than_the_limit_ends_so_too() -> None:
    desk = Desk()
    await desk.read("a.csv.gz", packed(FILE), largest_file_bytes=len(FILE) - 1)
    assert desk.outcome.problem.startswith(f"unpacks to more than the {len(FILE) - 1:,} bytes")
    assert "LARGEST_FILE_BYTES" in desk.outcome.problem
    assert desk.queue.bodies == []


# gzip


@pytest.mark.parametrize(
    "body",
    [
        packed(FILE),
        packed(FILE[:999], FILE[999:]),
        packed(FILE[:999], b"", FILE[999:]) + b"\x00" * 600,
        packed(FILE.decode().encode("utf-16")),
    ],
    ids=["one member", "two members", "an empty member and padding", "UTF-16"],
)
async def test_a_compressed_file_is_the_file(body: bytes) -> None:
    desk = Desk()
    await desk.read("a", body, rows_per_prompt=2)
    right = await undisturbed()
    assert [chunk.rows for chunk in desk.chunks] == [chunk.rows for chunk in right.chunks]
    assert (desk.outcome.problem, desk.rejects) == ("", right.rejects)


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.999])
async def test_of_a_file_that_breaks_off_the_whole_rows_are_read_and_the_half_one_is_a_reject(keep: float) -> None:
    rows = many_rows(200)
    body = packed(a_file(rows))
    desk = Desk()
    await desk.read("a.csv.gz", body[: int(len(body) * keep)])
    assert desk.outcome.problem.startswith("is a damaged gzip file, the end is missing; only its first ")
    texts = [row["feedback"] for row in rows]
    assert desk.texts == texts[: len(desk.texts)]
    assert 10 < len(desk.texts) < len(texts) or keep > 0.99
    assert desk.outcome.rows_read == len(desk.texts) + len(desk.rejects)
    assert {reason for _, _, reason in desk.rejects} <= {"is where the file breaks off"}


async def test_a_file_that_breaks_off_inside_a_quoted_cell_gives_nothing_of_that_cell_as_a_row() -> None:
    text = b'feedback,id\nlate,1\n"a long story\nwith,lines\nthat,look,like\nrows,2\n'
    body = packed(text + random.Random(1).randbytes(9_000).hex().encode())
    desk = Desk()
    await desk.read("a.csv.gz", body[: len(body) // 2])
    assert desk.texts == ["late"]
    assert [line for line, _, _ in desk.rejects] == ["3"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"\x1f\x8b\x09 nonsense", "begins as a gzip file and is none"),
        (packed(FILE)[:12], "begins as a gzip file and is none"),
        (packed(packed(FILE)), "is compressed with gzip twice"),
        (packed(b""), "is empty"),
        (packed(FILE) + b"and more", "is a damaged gzip file, other bytes follow the packed ones"),
    ],
)
async def test_what_is_wrong_with_a_compressed_file_is_said(body: bytes, says: str) -> None:
    desk = Desk()
    await desk.read("a.csv.gz", body)
    assert desk.outcome.problem.startswith(says)


# Names of columns


async def test_an_installation_adds_names_of_columns() -> None:
    desk = Desk()
    headers = read_aliases("Kommentar = feedback, Artikel-Name=product_name, Filiale=store")
    body = "KOMMENTAR;artikel name;Filiale;Region\nzu spät;Lampe;DE;Nord\n".encode()
    await desk.read("a.csv", body, headers=headers)
    (row,) = desk.chunks[0].rows
    assert (row.feedback.feedback, row.feedback.product_name, row.feedback.store) == ("zu spät", "Lampe", "DE")
    assert dict(row.feedback.extra) == {"Region": "Nord"}


async def test_a_notification_given_up_abandons_a_run_that_is_not_read_to_its_end() -> None:
    desk = Desk()
    news = desk.uploaded("a.csv", FILE)
    await desk.an_ingest().bury(news, DeadLetter("no use", "PermanentError"))
    assert desk.outcome.problem == "could not be read to its end: no use"


# What it will cost


def a_quoting(run_usd: float | None) -> Quoting:
    async def taxonomy() -> Taxonomy:
        return taxonomy_of([Category(1, "Payment"), Category(2, "Package shipment")])

    price = PRICES.of("us.amazon.nova-micro-v1:0")
    assert price is not None
    return Quoting(taxonomy=taxonomy, model_id="m", price=price, prices_as_of="2026-01-01", run_usd=run_usd)


async def test_a_run_quoted_above_its_limit_is_not_begun_and_says_the_figure_and_the_setting() -> None:
    desk = Desk()
    await desk.read("a.csv", FILE, quoting=a_quoting(0.0001))
    assert desk.outcome.problem.startswith("would cost about $0.00")
    assert "by estimate (281 rows" in desk.outcome.problem
    assert desk.outcome.problem.endswith("more than the $0.0001 that RUN_USD allows; split it or raise RUN_USD")
    assert (desk.outcome.total_chunks, desk.queue.bodies) == (0, [])
    assert json.loads(desk.outcome.quote)["nano_usd"] > 100_000


async def test_a_run_within_its_limit_keeps_what_was_quoted_beside_it() -> None:
    desk = Desk()
    await desk.read("a.csv", FILE, quoting=a_quoting(1.0))
    quote = json.loads(desk.outcome.quote)
    assert (desk.outcome.problem, quote["rows"], quote["prompts"]) == ("", 281, 15)


async def test_a_run_that_was_begun_goes_on_under_a_lower_limit() -> None:
    desk = Desk()
    news = desk.uploaded("a.csv", FILE)
    desk.strikes.at = 8
    with pytest.raises(Crash):
        await desk.an_ingest(quoting=a_quoting(1.0)).handle(news)
    assert desk.outcome.cuts
    await desk.an_ingest(quoting=a_quoting(0.000001)).handle(news)
    assert desk.outcome.problem == ""
    assert len(desk.texts) == 280


def test_of_a_large_file_a_tenth_behind_the_first_rows_stands_for_the_rest() -> None:
    whole = Tally(rows_per_prompt=20, prompt_tokens=8000)
    sample = Sample(CATEGORISE, rows_per_prompt=20, prompt_tokens=8000)
    for number in range(3 * ALL_ROWS):
        text = f"It broke on day {number}, " + "and again" * (number % 7)
        sample.add({"feedback": text, "title": "", "Region": "north"})
        whole.add(CATEGORISE.question(Feedback(feedback=text)))
    counted, exact = sample.counts(), whole.counts()
    assert counted.rows == exact.rows
    assert counted.tokens == pytest.approx(exact.tokens, rel=0.02)
    assert counted.prompts == pytest.approx(exact.prompts, rel=0.02)
