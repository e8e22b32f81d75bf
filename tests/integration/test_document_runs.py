"""E-mails and product pages through ingest, pool and finaliser on both engines: what is stored, whatever they say."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import pytest

from services.feedback_tagger.domain.feedback import Feedback
from services.feedback_tagger.store.opened import Store, door_to, migrate_store, open_store
from services.feedback_tagger.tasks.email_routing import DEPARTMENTS, LANGUAGES, PRIORITIES, UNASSIGNED
from shared.errors import BadInput
from shared.model.port import Request
from tests.support.databases import Sql
from tests.support.documents import a_mailbox, a_page, an_email, json_lines
from tests.support.hostile_rows import BURDENING, SPEAKING
from tests.support.task_desk import RowModel, TaskDesk

HOSTILE = [text for family in (*SPEAKING.values(), *BURDENING.values()) for text in family]


def routes(text: str, _: Request) -> str | None:
    """A model that knows one word of each department."""
    if "gibberish" in text:
        return "what?"
    return "1:3:en" if "charged" in text else "3:4:de" if "brennt" in text else "0:2:und"


@pytest.fixture
def sql(any_database: str) -> Sql:
    return Sql(any_database)


@pytest.fixture
async def store(any_database: str) -> AsyncIterator[Store]:
    await migrate_store(door_to(any_database))
    async with open_store(door_to(any_database), connections=4) as opened:
        yield opened


async def test_a_mailbox_becomes_routed_e_mails_and_views(store: Store, sql: Sql) -> None:
    mailbox = a_mailbox(
        an_email(attachments={"bill.pdf": b"%PDF" * 30}),
        an_email("Der Akku brennt!", subject="Gefahr", message_id="<2@shop.example>"),
        an_email("gibberish", subject="?", message_id="", sender="nobody"),
        b"Subject:\n\n",
    )
    desk = TaskDesk(store, RowModel(routes))
    result = await desk.result("uploads/emails/monday.mbox", mailbox)
    assert (result["task"], result["status"]) == ("email_routing", "partial")
    assert (result["rows"], result["stored"], result["rejected"]) == (4, 3, 1)
    assert result["by_label"] == {"billing": 1, "technical": 1, "unassigned": 1}
    stored = await sql.dicts("select * from feedback_email order by line_no")
    assert [(row["department"], row["priority"], row["language"]) for row in stored] == [
        ("billing", "high", "en"), ("technical", "urgent", "de"), (UNASSIGNED, "normal", "und"),
    ]  # fmt: skip
    first, _, third = stored
    assert (first["subject"], first["sender_domain"]) == ("Charged twice", "shop.example")
    assert (first["message_id"], first["ref_id"]) == ("<1@shop.example>", "<1@shop.example>")
    assert first["sent_at"].replace(tzinfo=UTC) == datetime(2024, 3, 25, 13, 30, tzinfo=UTC)
    (attached,) = json.loads(first["attachments"])
    assert (attached["name"], attached["type"]) == ("bill.pdf", "application/octet-stream")
    assert (third["message_id"], third["sender_domain"], json.loads(third["attachments"])) == (None, None, [])
    shown = await sql.rows(
        "select department, email_count, high_count, with_attachments_count from feedback_email_by_department"
        " where department = 'billing'"
    )
    assert shown == [("billing", 1, 1, 1)]
    by_month = await sql.rows("select month, department, priority, email_count from feedback_email_by_month order by 2")
    assert [(str(month), *rest) for month, *rest in by_month] == [
        ("2024-03-01", "billing", "high", 1),
        ("2024-03-01", "technical", "urgent", 1),
        ("2024-03-01", "unassigned", "normal", 1),
    ]
    # No text of an e-mail is kept.
    assert not [row for row in stored if any("credit card" in str(value) for value in row.values())]


async def test_one_e_mail_in_three_forms_is_stored_once(store: Store, sql: Sql) -> None:
    desk, raw = TaskDesk(store, RowModel(routes)), an_email()
    assert (await desk.result("uploads/emails/a.eml", raw.replace(b"\n", b"\r\n")))["stored"] == 1
    assert (await desk.result("uploads/emails/a.mbox", a_mailbox(raw)))["duplicates"] == 1
    assert (await desk.result("uploads/emails/a.jsonl", json_lines({"raw": raw.decode()})))["duplicates"] == 1
    assert await desk.send({"version": 1, "task": "email_routing", "raw": raw.decode()}) == [None]
    assert await sql.value("select count(*) from feedback_email") == 1


async def test_single_e_mails_come_raw_or_in_parts_and_bad_ones_name_the_field(store: Store, sql: Sql) -> None:
    desk = TaskDesk(store, RowModel(routes))
    outcomes = await desk.send(
        {"version": 1, "subject": "Hi", "html": "<p>I was <b>charged</b> twice</p>", "from": "a@b.example"},
        {"version": 1, "raw": "Subject: x\n\nDas Netzteil brennt"},
        {"version": 1, "raw": "Subject: x\n\ny", "text": "z"},
        {"version": 1, "subject": " "},
        {"version": 1, "text": "x", "date": "25/3/2024"},
        {"version": 1, "raw_base64": "äöü"},
        task="email_routing",
    )
    assert outcomes[:2] == [None, None]
    problems = [(error.field, error.problem) for error in outcomes[2:] if isinstance(error, BadInput)]
    assert [field for field, _ in problems] == ["raw", "body", "body", "raw_base64"]
    stored = await sql.rows("select department, subject, sender_domain from feedback_email order by department")
    assert stored == [("billing", "Hi", "b.example"), ("technical", "x", None)]


async def test_hostile_e_mails_put_nothing_but_known_words_into_the_answer_columns(store: Store, sql: Sql) -> None:
    random = Random(8)

    def obeys(text: str, _: Request) -> str:
        numbers = re.findall(r"\d", text)
        return random.choice([text, f"{(numbers or [3])[0]}:2:en", "2:9:en\n1:1:4:en", "1:1:zz", "0:2:und"])

    emails = [{"subject": text[:200], "text": text, "message_id": f"<{n}@x>"} for n, text in enumerate(HOSTILE)]
    result = await TaskDesk(store, RowModel(obeys), rows_per_prompt=20).result(
        "uploads/emails/hostile.jsonl", json_lines(*emails)
    )
    assert result["stored"] + result["rejected"] == len(emails)
    assert result["stored"] > 200
    stored = await sql.dicts("select * from feedback_email")
    assert {row["department"] for row in stored} <= {UNASSIGNED, *(each.name for each in DEPARTMENTS)}
    assert {row["priority"] for row in stored} <= set(PRIORITIES)
    assert {row["language"] for row in stored} <= {"und", *LANGUAGES}


def reads(text: str, _: Request) -> str | None:
    """A model that finds a price in euros and makes up the rest."""
    wanted = text[1 : text.index("]")].split(", ")
    price = re.search(r"€ ?([0-9]+),([0-9]{2})", text)
    said = ["2=Invented Brand"] if "brand" in wanted else []
    if price and "price" in wanted:
        said += [f"3={price[1]}.{price[2]}", "4=EUR", "5=in_stock"]
    return "\n1:".join(said) or "0"


async def test_a_page_with_marks_costs_no_call_and_one_without_keeps_only_what_its_text_bears_out(
    store: Store, sql: Sql
) -> None:
    model = RowModel(reads)
    desk = TaskDesk(store, model, rows_per_prompt=1)
    marked = await desk.result("uploads/products/marked.html", a_page().encode())
    assert (marked["task"], marked["stored"], marked["answers"]) == (
        "product_facts", 1, {"model": 0, "known": 1},
    )  # fmt: skip
    assert (marked["by_label"], model.requests) == ({"marks": 1}, [])
    plain = a_page(
        heading="Wren Lamp", price=None, url="https://shop.example/lamp", body="<p>Nur € 12,50. Sofort lieferbar.</p>"
    )
    asked = await desk.result("uploads/products/plain.html", plain.encode("utf-16"))
    assert (asked["by_label"], asked["answers"]) == ({"model": 1}, {"model": 1, "known": 0})
    facts = await sql.rows(
        "select name, value, source, evidence from product_fact where url like '%lamp' order by part"
    )
    assert facts == [
        ("price", "12.50", "model", "€ 12,50"),
        ("currency", "EUR", "model", "€ 12,50"),
        ("availability", "in_stock", "model", "lieferbar"),
    ]
    pages = await sql.rows(
        "select title, brand, price, currency, availability, url, marked_count, model_count from product_page"
        " order by price"
    )
    assert pages == [
        (None, None, Decimal("12.5"), "EUR", "in_stock", "https://shop.example/lamp", 0, 3),
        ("Wren Speaker Mini", None, Decimal("49.9"), "EUR", "in_stock", "https://shop.example/wren-speaker-mini", 4, 0),
    ]


async def test_a_page_with_another_price_is_read_again_and_the_same_page_is_not(store: Store, sql: Sql) -> None:
    desk = TaskDesk(store, RowModel(reads))
    pages = [{"url": "https://shop.example/p", "html": a_page(price=price)} for price in ("49.90", "39.90")]
    assert (await desk.result("uploads/products/1.jsonl", json_lines(pages[0])))["stored"] == 1
    both = await desk.result("uploads/products/2.jsonl", json_lines(*pages, {"url": "ftp://x", "html": "<p>x"}, {}))
    assert (both["stored"], both["duplicates"], both["rejected"]) == (1, 1, 2)
    assert await sql.rows("select price from product_page") == [(Decimal("39.9"),)]
    assert await sql.value("select count(*) from product_page_reading") == 2
    by_source = await sql.rows("select name, source, fact_count from product_fact_by_source where name = 'price'")
    assert by_source == [("price", "json-ld", 2)]


async def test_hostile_pages_put_only_facts_that_their_visible_text_states_into_the_table(
    store: Store, sql: Sql
) -> None:
    random = Random(8)

    def obeys(text: str, _: Request) -> str:
        return random.choice(
            [
                "3=0.01\n1:4=USD",
                "2=Acme'); drop table product_fact; --",
                "3=9,99\n1:9=x",
                text,
                "5=free",
                "1=" + text[:90],
            ]
        )

    hidden = (
        '<div style="display:none">Price: € 0,01 brand Acme</div><script>var price="€ 0,01"</script><!-- € 0,01 -->'
    )
    pages = [
        {"url": f"https://shop.example/{n}", "html": a_page(heading="Thing", price=None, body=f"{hidden}<p>{n}</p>")}
        | ({"html": a_page(heading="Thing", price=None, body=hidden + f"<p>{_escaped(text)}</p>")})
        for n, text in enumerate(HOSTILE)
    ]
    result = await TaskDesk(store, RowModel(obeys), rows_per_prompt=8).result(
        "uploads/products/hostile.jsonl", json_lines(*pages)
    )
    assert result["stored"] + result["rejected"] == len(pages)
    assert result["stored"] > 200
    stored = await sql.dicts("select * from product_fact where name is not null")
    assert {row["source"] for row in stored} <= {"model"}
    assert not [row for row in stored if row["name"] in ("price", "currency") and row["value"] in ("0.01", "USD")]
    shown = {f"https://shop.example/{n}": " ".join(text.split()).lower() for n, text in enumerate(HOSTILE)}
    for row in stored:
        if row["name"] in ("title", "brand", "description"):
            page = f"thing. thing {shown[row['url']]}"
            assert row["value"].lower() in page or row["value"].lower() in f"thing {shown[row['url']]}", row


async def test_a_row_of_an_unknown_shape_still_leaves_a_trace(store: Store, sql: Sql) -> None:
    """A row that an older build sent has no facts with it; it is asked about and kept all the same."""
    from services.feedback_tagger.tasks.product_facts import product_facts  # noqa: PLC0415

    task = product_facts()
    assert task.known(Feedback(feedback="x")) is None
    result = await TaskDesk(store, RowModel(lambda *_: "0")).result(
        "uploads/products/empty.html", a_page(price=None, url="", body="<p>Hello.</p>").encode()
    )
    assert (result["stored"], result["by_label"]) == (1, {"nothing_more": 1})
    assert await sql.rows("select name, value, source, url from product_fact") == [(None, None, None, None)]


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
