"""The stand-ins for e-mails and pages behind the local Bedrock endpoint: their answers are read, and are no guesses."""

from typing import Any

import pytest

from local.bedrock import emails, pages, stand_ins
from local.bedrock.settings import ModelSettings
from services.feedback_tagger.domain.taxonomy import Taxonomy
from services.feedback_tagger.tasks.email_routing import DEPARTMENTS, email_routing
from services.feedback_tagger.tasks.product_facts import product_facts
from services.feedback_tagger.tasks.task import Task

NO_CATEGORIES = Taxonomy(())
FACTS = {1: "title: x", 2: "brand: x", 3: "price: x", 4: "currency: x", 5: "availability: x", 6: "description: x"}


def answered(task: Task, texts: tuple[str, ...], **settings: Any) -> tuple[str, dict[int, str]]:
    rows = "\n".join(f"{number}|{text}" for number, text in enumerate(texts, start=1))
    request = {
        "system": [{"text": task.system(NO_CATEGORIES)}],
        "messages": [{"role": "user", "content": [{"text": f"<rows-8f3a>\n{rows}\n</rows-8f3a>"}]}],
    }
    answer = stand_ins.answer(request, ModelSettings(**settings), lambda: "id")
    return answer.by, task.read(str(answer.content[0]["text"]), len(texts), NO_CATEGORIES)


def test_every_e_mail_gets_an_answer_that_is_read() -> None:
    texts = ("Invoice. I was charged twice.", "Mein Modem ist kaputt und das Internet geht nicht.", "")
    by, routes = answered(email_routing(), texts)
    assert by == "deskhand-stand-in/emails"
    assert routes == {
        1: "billing/high/en", 2: "technical/high/de", 3: "unassigned/normal/und",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Where is the parcel that I ordered?", "en"),
        ("Wo ist das Paket, das ich bestellt habe?", "de"),
        ("Bonjour, je ne trouve pas la facture dans mon compte", "fr"),
        ("Hola, no puedo entrar en mi cuenta, gracias", "es"),
        ("12345 !!!", "und"),
    ],
)
def test_a_language_is_told_by_its_small_words(text: str, language: str) -> None:
    assert emails.language_of(text) == language


def test_departments_of_another_company_are_told_by_their_own_words() -> None:
    routed = emails.route({1: "money: invoices and payments", 2: "help: nothing works, connection"}, {1: "pay my bill"})
    assert routed[1].startswith("1:")
    assert {each.name for each in DEPARTMENTS} >= {"billing", "technical"}


def test_facts_are_found_where_shops_write_them_and_only_wanted_ones_are_given() -> None:
    text = "[price, currency, availability] Lamp. Was € 20,00, now € 1.299,50. In stock. By Acme Works."
    by, facts = answered(product_facts(), (text, "[brand] Lamp. By Acme Works.", "[price] nothing here"))
    assert by == "deskhand-stand-in/pages"
    assert facts == {
        1: '{"availability":"in_stock","currency":"EUR","price":"1299.50"}', 2: '{"brand":"Acme Works"}', 3: "{}",
    }  # fmt: skip


def test_a_constant_model_says_nothing_about_pages_and_one_thing_about_e_mails() -> None:
    assert answered(product_facts(), ("[price] € 5",), answer="constant")[1] == {1: "{}"}
    assert answered(email_routing(), ("x",), answer="constant")[1] == {1: "billing/normal/en"}


@pytest.mark.parametrize(
    ("amount", "plain"), [("5", "5"), ("12,50", "12.50"), ("1.299", "1299"), ("1 299,00", "1299.00")]
)
def test_amounts_are_plain_numbers(amount: str, plain: str) -> None:
    assert pages.find(FACTS, {1: f"[price] {amount} €"}) == {1: (f"3={plain}",)}
