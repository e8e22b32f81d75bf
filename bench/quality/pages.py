"""Shop pages whose prices are known, and the plain baseline: the first number with a currency's sign on the page.

The real ones are few, since hardly any package carries shop pages: seven, saved around 2019. The others are made
here, in the marks that shop platforms write, around prices as Unicode's locale data writes them (by node's Intl): what
is shown and what it means come from there, and nothing of either from the reader that is judged.
"""

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.quality.packages import Package, member, opened
from bench.tagger.dataset import FETCH_SECONDS, NoData
from services.feedback_tagger.documents.page_files import facts_of
from services.feedback_tagger.domain.feedback import Row
from services.feedback_tagger.evaluation.judging import Judge
from services.feedback_tagger.tasks.task import Task

SHOPS = Package(
    "@samirrayani/metascraper-shopping", "1.3.0", "4e2a7787df993fbee69c84d0068513176218cd530959b535a1d19ee5a1d9e044"
)
NO_PRICE = "none"
# As somebody reads the page who looks for what the thing costs now, and whether its marks name a product's offer. The
# package's own tests (test/price.test.js) expect the same prices, but for globalindustrial, where its reader finds
# none. Pottery Barn's thing is no longer sold.
SEEN: Mapping[str, tuple[str, bool]] = {
    "amazon": ("29.99 USD", False),
    "costco": ("329.99 USD", True),
    "globalindustrial": ("165.95 USD", False),
    "jossandmain": ("98.99 USD", True),
    "overstock": ("31.49 USD", True),
    "potterybarn": (NO_PRICE, True),
    "rejuvenation": ("120 USD", True),
}

LOCALES: Mapping[str, str] = {
    "en-US": "USD", "en-GB": "GBP", "en-AU": "AUD", "en-CA": "CAD", "fr-CA": "CAD", "en-IN": "INR", "en-ZA": "ZAR",
    "de-DE": "EUR", "de-AT": "EUR", "de-CH": "CHF", "fr-FR": "EUR", "fr-CH": "CHF", "it-IT": "EUR", "es-ES": "EUR",
    "es-MX": "MXN", "pt-PT": "EUR", "pt-BR": "BRL", "nl-NL": "EUR", "nl-BE": "EUR", "da-DK": "DKK", "sv-SE": "SEK",
    "nb-NO": "NOK", "fi-FI": "EUR", "pl-PL": "PLN", "cs-CZ": "CZK", "hu-HU": "HUF", "ro-RO": "RON", "el-GR": "EUR",
    "tr-TR": "TRY", "ru-RU": "RUB", "uk-UA": "UAH", "he-IL": "ILS", "ja-JP": "JPY", "ko-KR": "KRW", "zh-CN": "CNY",
}  # fmt: skip
AMOUNTS = ("0.99", "5", "19.9", "49.95", "129", "999.99", "1299", "1234.5", "24990", "1234567.89")
_SHOWN = """
const [locales, amounts] = JSON.parse(process.argv[1]);
const found = [];
for (const [locale, currency] of Object.entries(locales)) {
  const format = new Intl.NumberFormat(locale, {style: "currency", currency});
  const digits = format.resolvedOptions().maximumFractionDigits;
  for (const amount of amounts) {
    const rounded = Number(amount).toFixed(digits);
    found.push({shown: format.format(rounded), amount: rounded, currency});
  }
}
console.log(JSON.stringify(found));
"""

_IN_STOCK = "https://schema.org/InStock"
NUMBER, SHOWN = "a plain number", "as shown"
BY_MARKS, BASELINE = "price and currency by marks alone", "the first number with a sign"
WITH_STAND_IN = "price and currency, the stand-in asked too"
_SIGNS: Mapping[str, str] = {
    "$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "zł": "PLN", "kr": "SEK", "Kč": "CZK", "Ft": "HUF",
    "₺": "TRY", "₽": "RUB", "₴": "UAH", "₩": "KRW", "₪": "ILS", "R$": "BRL", "RON": "RON", "CHF": "CHF",
}  # fmt: skip
_SIGN = "|".join(re.escape(sign) for sign in sorted(_SIGNS, key=len, reverse=True))
_NUMBER = r"[0-9](?:[0-9.,'\u2019\u00a0\u202f ]*[0-9])?"
_SIGNED = re.compile(rf"(?P<before>{_SIGN})\s*(?P<one>{_NUMBER})|(?P<other>{_NUMBER})\s*(?P<after>{_SIGN})")
_CENTS = re.compile(r"(.*?)[.,]([0-9]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """``shown`` on the page means ``amount``, in plain digits."""

    shown: str
    amount: str
    currency: str

    @property
    def price(self) -> str:
        return _price(self.amount, self.currency)


def _json_ld(offers: Any, *, wrap: str = "%s") -> str:
    product = {"@context": "https://schema.org", "@type": "Product", "name": "Thing", "offers": offers}
    return '<script type="application/ld+json">' + wrap % json.dumps(product) + "</script>"


def _offer(price: str, currency: str, **more: Any) -> dict[str, Any]:
    return {"@type": "Offer", "price": price, "priceCurrency": currency, "availability": _IN_STOCK, **more}


def _microdata(price: str, currency: str) -> str:
    scope = 'itemscope itemtype="http://schema.org/'
    return (
        f'<div {scope}Product"><b itemprop="name">Thing</b><p itemprop="offers" {scope}Offer">{price}'
        f'<meta itemprop="priceCurrency" content="{currency}"><link itemprop="availability" href="{_IN_STOCK}">'
        "</p></div>"
    )


def _open_graph(name: str, price: str, currency: str) -> str:
    values = {
        "og:type": "product",
        "og:title": "Thing",
        f"{name}:price:amount": price,
        f"{name}:price:currency": currency,
        "product:availability": "instock",
    }
    return "".join(f'<meta property="{key}" content="{html.escape(text)}">' for key, text in values.items())


def _specified(price: str, currency: str) -> dict[str, Any]:
    former = {"priceType": "https://schema.org/ListPrice", "price": "99999999", "priceCurrency": currency}
    now = {"price": price, "priceCurrency": currency}
    return {"@type": "Offer", "availability": _IN_STOCK, "priceSpecification": [former, now]}


# How a shop's database has the price, or how its page shows it, and the marks around it.
STYLES: tuple[tuple[str, Callable[[Shown], str]], ...] = (
    (NUMBER, lambda price: _json_ld(_offer(price.amount, price.currency))),
    (NUMBER, lambda price: _json_ld(_specified(price.amount, price.currency))),
    (
        NUMBER,
        lambda price: _json_ld(
            {
                "@type": "AggregateOffer",
                "lowPrice": price.amount,
                "highPrice": "99999999",
                "priceCurrency": price.currency,
                "availability": _IN_STOCK,
            }
        ),
    ),
    (NUMBER, lambda price: _json_ld(_offer(price.amount, price.currency), wrap="//<![CDATA[\n%s\n//]]>")),
    (
        NUMBER,
        lambda price: _microdata(
            f'<span itemprop="price" content="{price.amount}">{html.escape(price.shown)}</span>', price.currency
        ),
    ),
    (NUMBER, lambda price: _open_graph("product", price.amount, price.currency)),
    (SHOWN, lambda price: _json_ld(_offer(price.shown, price.currency))),
    (SHOWN, lambda price: _microdata(f'<span itemprop="price">{html.escape(price.shown)}</span>', price.currency)),
    (SHOWN, lambda price: _open_graph("og", price.shown, price.currency)),
)


def real_pages() -> Iterator[dict[str, Any]]:
    """Raises NoData."""
    with opened(SHOPS) as archive:
        for shop, (price, marked) in SEEN.items():
            page = member(archive, f"package/test/fixtures/{shop}.html").decode("utf-8", errors="replace")
            yield {"html": page, "right": f"{price}|{'marked' if marked else 'unmarked'}"}


def made_pages() -> Iterator[dict[str, Any]]:
    """Raises NoData."""
    for price in shown_prices():
        for style, marks in STYLES:
            shown = html.escape(price.shown)
            page = (
                f"<html><head><title>Thing</title></head><body><h1>Thing</h1><p>{shown}</p>{marks(price)}</body></html>"
            )
            yield {"html": page, "right": f"{price.price}|{style}"}


def shown_prices() -> list[Shown]:
    """Raises NoData."""
    node = shutil.which("node")
    if node is None:
        raise NoData("node is not on this machine, and its Intl writes the prices of the pages")
    asked = json.dumps([LOCALES, AMOUNTS])
    done = subprocess.run(
        [node, "-e", _SHOWN, asked], capture_output=True, text=True, timeout=FETCH_SECONDS, check=False
    )
    if done.returncode != 0:
        raise NoData(f"node could not write prices: {done.stderr.strip()[-500:]}")
    return [Shown(**each) for each in json.loads(done.stdout)]


def _truth(label: str) -> dict[str, str]:
    price, _, kind = label.partition("|")
    fields = {WITH_STAND_IN: price, BASELINE: price}
    match kind:
        case "unmarked":
            return fields
        case "marked":
            return {BY_MARKS: price, **fields}
        case style:
            return {BY_MARKS: price, f"of these, {style}": price, BASELINE: price}


def _said(task: Task, row: Row, answer: str) -> dict[str, str]:
    marks = {name: fact.value for name, fact in facts_of(row.feedback).items()}
    stored = {str(each["name"]): str(each["value"]) for each in task.records(row, answer, ()) if "name" in each}
    by_marks = _price(marks.get("price"), marks.get("currency"))
    return {
        BY_MARKS: by_marks,
        f"of these, {NUMBER}": by_marks,
        f"of these, {SHOWN}": by_marks,
        WITH_STAND_IN: _price(stored.get("price"), stored.get("currency")),
        BASELINE: first_signed(row.feedback.feedback),
    }


JUDGE = Judge(
    truth=_truth,
    said=_said,
    open_fields=frozenset({BY_MARKS, f"of these, {NUMBER}", f"of these, {SHOWN}", WITH_STAND_IN, BASELINE}),
    no_answer=frozenset({NO_PRICE}),
)


def first_signed(text: str) -> str:
    """What a page costs for whoever believes the first number that a currency's sign stands at; a dollar is a US one,
    a crown a Swedish one. Two digits behind a point or a comma are cents."""
    found = _SIGNED.search(text)
    if found is None:
        return NO_PRICE
    number, sign = (found["one"], found["before"]) if found["one"] else (found["other"], found["after"])
    cents = _CENTS.fullmatch(number)
    whole, part = (cents[1], cents[2]) if cents else (number, "")
    digits = re.sub(r"[^0-9]", "", whole) or "0"
    return _price(f"{digits}.{part}" if part else digits, _SIGNS[sign])


def _price(amount: str | None, currency: str | None) -> str:
    """Both or none, as one text: 12.50 and 12.5 are one amount."""
    if not amount or not currency:
        return NO_PRICE
    plain = amount.rstrip("0").rstrip(".") if "." in amount else amount
    return f"{plain} {currency}"
