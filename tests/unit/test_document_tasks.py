"""What the tasks for e-mails and pages ask, what they take for an answer, and what a page's text bears out."""

import json
import re
from pathlib import Path

import pytest

from services.feedback_tagger.documents.page_evidence import evidence
from services.feedback_tagger.documents.page_facts import Name, valid
from services.feedback_tagger.domain.feedback import Feedback, Row
from services.feedback_tagger.domain.taxonomy import Taxonomy
from services.feedback_tagger.settings import TaggerSettings
from services.feedback_tagger.tasks import TASKS, TaskOptions, tasks_of
from services.feedback_tagger.tasks.email_routing import (
    ASKED_CHARACTERS,
    DEPARTMENTS,
    FALLBACK,
    Department,
    departments_in,
    email_routing,
    read_routes,
)
from services.feedback_tagger.tasks.product_facts import MARKS, NOTHING, product_facts, read_facts, required_in

NAMES = tuple(each.name for each in DEPARTMENTS)
NO_CATEGORIES = Taxonomy(())


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("1:1:3:en", "billing/high/en"),
        (" 1 : 2 : 1 : de ", "orders/low/de"),
        ("1:0:2:und", "unassigned/normal/und"),
        ("1:1:0:en", None),
        ("1:1:5:en", None),
        ("1:8:2:en", None),
        ("1:1:2:zz", None),
        ("1:1:2:EN", None),
        ("1:1:2:en.", None),
        ("1:1:2", None),
        ("\u0661:1:2:en", None),
        ("1:billing:high:en", None),
        ("1:1:2:en\n1:1:3:en", None),
        ("1:1:2:en\n1:9:2:en", None),
        ("1:1:2:en\n1:1:2:en", "billing/normal/en"),
        ("2:1:2:en", None),
        ("Sure! Here you are:\n1:1:2:en", "billing/normal/en"),
    ],
)
def test_a_route_is_read_strictly(line: str, answer: str | None) -> None:
    assert read_routes(line, rows=1, departments=NAMES) == ({} if answer is None else {1: answer})


def test_a_route_becomes_one_record_and_the_fallback_too() -> None:
    task = email_routing()
    feedback = Feedback(
        feedback="x", extra={"subject": "s", "sender_domain": "", "message_id": "<1>", "attachments": "[]"}
    )
    row = Row(line=1, identity="i", feedback=feedback)
    for answer in ("billing/high/en", FALLBACK):
        (record,) = task.records(row, answer, ())
        assert "/".join(str(record[name]) for name in ("department", "priority", "language")) == answer
        assert task.table is not None
        task.table.check([record])
    assert (task.counted("billing/high/en"), TASKS.fallback_of("email_routing")) == ("billing", "unassigned")


def test_of_a_long_e_mail_its_beginning_is_asked_about() -> None:
    question = email_routing().question(Feedback(feedback="y" * 20_000, title="subject"))
    assert question == "subject. " + "y" * ASKED_CHARACTERS


def test_departments_are_an_installations_own() -> None:
    departments = departments_in("it: laptops and doors;hr: contracts: all of them ;")
    assert departments == (Department("it", "laptops and doors"), Department("hr", "contracts: all of them"))
    task = tasks_of(TaskOptions(departments=departments)).named("email_routing")
    assert "<departments>\n1 it: laptops and doors\n2 hr: contracts: all of them\n</departments>" in task.system(
        NO_CATEGORIES
    )
    assert task.read("1:2:2:en", 1, NO_CATEGORIES) == {1: "hr/normal/en"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has 0 departments"),
        ("it", "needs a description"),
        ("it:", "needs a description"),
        ("IT: x", "cannot be a department"),
        ("it/hr: x", "cannot be a department"),
        ("unassigned: x", "cannot be a department"),
        ("it: x; it: y", "twice"),
        ("it: " + "x" * 201, "needs a description"),
    ],
)
def test_departments_that_cannot_be_are_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        departments_in(text)


def test_the_settings_defaults_are_the_tasks_own() -> None:
    fields = TaggerSettings.model_fields
    assert departments_in(fields["email_departments"].default) == TaskOptions().departments
    assert required_in(fields["product_facts_required"].default) == TaskOptions().required_facts


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("1:3=12.90\n1:4=eur", '{"currency":"EUR","price":"12.90"}'),
        ("1:3=1.299,00 €", '{"price":"1299.00"}'),
        ("1:0", "{}"),
        ("1:0\n1:3=5", None),
        ("1:3=5\n1:3=6", None),
        ("1:3=5\n1:3=5.", '{"price":"5"}'),
        ("1:3=call us", "{}"),
        ("1:3=free", '{"price":"0"}'),
        ("1:5=maybe", "{}"),
        ("1:5=Out of stock", '{"availability":"out_of_stock"}'),
        ("1:7=x", "{}"),
        ("1:price=5", None),
        ("2:3=5", None),
        ("3=5", None),
        ("1:1=", None),
        ("1:1=a\x00b", "{}"),
    ],
)
def test_facts_are_read_strictly(said: str, answer: str | None) -> None:
    assert read_facts(said, rows=1) == ({} if answer is None else {1: answer})


TEXT = "Acme desk. Was 1.499,00 €, now € 1.299,00. 12 reviews, 2 colours. Lieferbar in 3 Tagen. Model A 99.50"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("price", "1299", "€ 1.299,00"),
        ("price", "1299.00", "€ 1.299,00"),
        ("price", "12", None),
        ("price", "2", None),
        ("price", "99.50", "99.50"),
        ("price", "99.00", None),
        ("currency", "EUR", "1.499,00 €"),
        ("currency", "USD", None),
        ("availability", "in_stock", "Lieferbar"),
        ("availability", "out_of_stock", None),
        ("brand", "acme", TEXT[:34]),
        ("brand", "Ac", None),
        ("brand", "A", None),
        ("title", "Acme  desk", None),
    ],
)
def test_a_fact_stands_on_words_of_the_text_or_is_none(name: Name, value: str, words: str | None) -> None:
    assert evidence(name, value, TEXT) == words


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("$12.00", "CAD"),
        ("US$ 12", "USD"),
        ("12 kr", "SEK"),
        ("CHF 12.-", "CHF"),
        ("12,50 zł", "PLN"),
        ("1 200 Kč", "CZK"),
    ],
)
def test_a_sign_bears_out_each_currency_that_it_is_of(text: str, currency: str) -> None:
    assert evidence("currency", currency, text) is not None
    assert evidence("currency", "GBP", text) is None


def test_sold_out_is_not_available_though_the_word_is_in_it() -> None:
    text = "Currently not available. Add to cart"
    assert evidence("availability", "in_stock", text) is None
    assert evidence("availability", "out_of_stock", text) == "not available"


def a_page_row(**facts: list[str]) -> Row:
    feedback = Feedback(
        feedback=TEXT, title="Acme desk", extra={"url": "https://x.example", "facts": json.dumps(facts)}
    )
    return Row(line=1, identity="i", feedback=feedback)


def test_a_page_is_asked_about_what_its_marks_lack_if_something_required_is_missing() -> None:
    row = a_page_row(title=["Acme desk", "json-ld", "Acme desk"], price=["1299.00", "json-ld", "1299.00"])
    assert product_facts().known(row.feedback) is None
    assert product_facts(required_in("title, price")).known(row.feedback) == MARKS
    assert (
        product_facts()
        .question(row.feedback)
        .startswith("[brand, currency, availability, description] Acme desk. Acme desk. Was")
    )


def test_marks_win_over_a_model_and_what_the_text_does_not_state_is_dropped() -> None:
    row = a_page_row(price=["1299.00", "json-ld", "1299.00"])
    records = product_facts().records(
        row, '{"availability":"preorder","brand":"Invented","currency":"EUR","price":"1499.00"}', ()
    )
    assert [(record["name"], record["value"], record["source"]) for record in records] == [
        ("price", "1299.00", "json-ld"),
        ("currency", "EUR", "model"),
    ]


def test_a_page_without_any_fact_still_leaves_a_record() -> None:
    assert product_facts().records(a_page_row(), NOTHING, ()) == [{"url": "https://x.example"}]


@pytest.mark.parametrize("text", ["", " , ", "title, colour"])
def test_required_facts_that_there_are_not_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="fact"):
        required_in(text)


def test_every_value_that_is_stored_fits_its_column() -> None:
    for name in ("title", "brand", "description"):
        assert len(valid(name, "x" * 5_000) or "") <= 2_000


def test_the_documented_messages_are_accepted() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "messages.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```json\n(\{.*?\})\n```", page, flags=re.DOTALL)
    bodies = [body for body in blocks if "task" in json.loads(body)]
    tasks = [TASKS.named(json.loads(body)["task"]) for body in bodies]
    rows = [task.read_item(body, "m-1") for task, body in zip(tasks, bodies, strict=True)]
    assert [task.name for task in tasks] == ["email_routing", "product_facts"]
    assert rows[0].feedback.title == "Charged twice"
    assert rows[1].feedback.ref_id == "https://shop.example/lamp"
