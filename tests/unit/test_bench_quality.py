"""Public data for `make quality`: what it is labelled with exists, and what cannot be had is said."""

import hashlib
import tarfile
from pathlib import Path

import pytest

from bench.quality import packages
from bench.quality.packages import Package, member, opened
from bench.quality.pages import (
    BASELINE,
    BY_MARKS,
    JUDGE,
    NO_PRICE,
    SHOWN,
    STYLES,
    WITH_STAND_IN,
    Shown,
    first_signed,
)
from bench.quality.sets import DATA_SETS, DEPARTMENT_OF, JUNK, NAMES_AN_ASPECT
from bench.tagger.dataset import NoData
from services.feedback_tagger.documents.page_files import single_page_row
from services.feedback_tagger.tasks import TASKS
from services.feedback_tagger.tasks.email_routing import DEPARTMENTS
from services.feedback_tagger.tasks.product_facts import MARKS, NOTHING


def an_archive(folder: Path, name: str = "thing-1.0.0.tgz") -> Path:
    (folder / "a.json").write_text("{}", encoding="utf-8")
    with tarfile.open(folder / name, "w:gz") as archive:
        archive.add(folder / "a.json", "package/a.json")
    return folder / name


def test_every_set_names_a_task_that_exists_and_no_name_comes_twice() -> None:
    assert {data.task for data in DATA_SETS} <= {task.name for task in TASKS.all}
    assert len({data.name for data in DATA_SETS}) == len(DATA_SETS)


def test_departments_of_the_chat_are_departments_of_the_task() -> None:
    names = {department.name for department in DEPARTMENTS}

    assert {*DEPARTMENT_OF.values(), JUNK} == names


def test_a_file_of_a_known_archive_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "FOLDER", tmp_path)
    digest = hashlib.sha256(an_archive(tmp_path).read_bytes()).hexdigest()

    with opened(Package("thing", "1.0.0", digest)) as archive:
        assert member(archive, "package/a.json") == b"{}"


def test_another_archive_under_the_name_is_refused_and_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "FOLDER", tmp_path)
    file = an_archive(tmp_path)

    with pytest.raises(NoData, match="is not the archive"), opened(Package("thing", "1.0.0", "0" * 64)):
        pass
    assert not file.exists()


def test_without_npm_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "FOLDER", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NoData, match="npm is not on this machine"), opened(Package("thing", "1.0.0", "0" * 64)):
        pass


@pytest.mark.parametrize("text", ["Great price.", "Shipping took weeks", "The STAFF were kind", "easy to set up"])
def test_a_sentence_that_names_an_aspect_counts_apart(text: str) -> None:
    assert NAMES_AN_ASPECT.search(text)
    assert not NAMES_AN_ASPECT.search("I loved every minute of it, and the repriced one too.")


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("Free over $45 and then $31.49", "45 USD"),
        ("now 1.299,00 \u20ac", "1299 EUR"),
        ("z\u0142 no, 12,50 z\u0142 yes", "12.5 PLN"),
        ("nothing for sale, 12 left", NO_PRICE),
    ],
)
def test_the_baseline_believes_the_first_number_with_a_sign(text: str, price: str) -> None:
    assert first_signed(text) == price


@pytest.mark.parametrize("place", range(len(STYLES)))
def test_every_way_of_marking_a_product_is_read_by_marks_alone(place: int) -> None:
    kind, marks = STYLES[place]
    price = Shown(shown="1.299,50\u00a0\u20ac", amount="1299.50", currency="EUR")
    row = single_page_row("", f"<html><body><h1>Thing</h1>{marks(price)}</body></html>", "m-1")
    task = TASKS.named("product_facts")
    assert task.known(row.feedback) == MARKS
    truth = JUDGE.truth(f"{price.price}|{kind}")
    said = JUDGE.said(task, row, MARKS)
    assert {name: said[name] for name in truth if name != BASELINE} == {
        name: "1299.5 EUR" for name in truth if name != BASELINE
    }
    assert (f"of these, {SHOWN}" in truth) == (kind == SHOWN)


def test_what_a_model_says_is_no_fact_of_the_marks() -> None:
    row = single_page_row("", "<html><body><h1>Thing</h1><p>Now only $12.50</p></body></html>", "m-1")
    said = JUDGE.said(TASKS.named("product_facts"), row, '{"currency":"USD","price":"12.50"}')
    assert (said[BY_MARKS], said[WITH_STAND_IN], said[BASELINE]) == (NO_PRICE, "12.5 USD", "12.5 USD")
    assert JUDGE.said(TASKS.named("product_facts"), row, NOTHING)[WITH_STAND_IN] == NO_PRICE
    assert BY_MARKS not in JUDGE.truth("12.50 USD|unmarked")
