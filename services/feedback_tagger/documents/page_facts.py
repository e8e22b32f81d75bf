"""What a shop page says of its product in the marks that shops leave for machines: JSON-LD, microdata, Open Graph.

A fact comes with where it stands and the text it stands on, so that a wrong one can be traced. Where the marks name
several products or currencies, nothing is taken of them: guessing is left to whoever asks a model.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypeAlias

from lxml import html
from price_parser import Price

from services.feedback_tagger.documents.html_text import parsed, text_of_tree
from services.feedback_tagger.documents.microdata import microdata_items

LARGEST_CHARACTERS = 5_000_000
LARGEST_SCRIPT = 512 * 1024
MOST_METAS = 500
TEXT_CHARACTERS = 6_000
"""How much of the page's text is kept for a question: the facts of a product stand near its top."""
EVIDENCE_CHARACTERS = 200
PRICE_CHARACTERS = 200
"""Of a text that is read as a price: the time that the library takes grows with the square of it."""
ADDRESS_CHARACTERS = 2_000

Source: TypeAlias = Literal["json-ld", "microdata", "opengraph", "model"]
Name: TypeAlias = Literal["title", "brand", "price", "currency", "availability", "description"]

LIMITS: Mapping[Name, int] = {
    "title": 255,
    "brand": 255,
    "price": 20,
    "currency": 3,
    "availability": 20,
    "description": 2_000,
}
"""Every fact there is, and the most characters of it."""

AVAILABILITIES: Mapping[str, str] = {
    "instock": "in_stock",
    "instoreonly": "in_stock",
    "onlineonly": "in_stock",
    "limitedavailability": "in_stock",
    "outofstock": "out_of_stock",
    "oos": "out_of_stock",
    "soldout": "out_of_stock",
    "preorder": "preorder",
    "presale": "preorder",
    "backorder": "backorder",
    "madetoorder": "backorder",
    "discontinued": "discontinued",
}
"""schema.org's ItemAvailability and Open Graph's words, without case, blanks and address, and what we call them."""

# A dollar or a crown is of many countries; these signs are of one.
_CURRENCY_OF_SIGN: Mapping[str, str] = {
    "€": "EUR", "£": "GBP", "₹": "INR", "₽": "RUB", "₩": "KRW", "₺": "TRY", "₴": "UAH", "₫": "VND", "฿": "THB",
    "₪": "ILS", "₱": "PHP", "₦": "NGN", "zł": "PLN", "Kč": "CZK", "Ft": "HUF", "R$": "BRL", "A$": "AUD", "C$": "CAD",
    "US$": "USD", "NZ$": "NZD", "HK$": "HKD", "S$": "SGD",
}  # fmt: skip
_PRODUCTS = frozenset(
    {"product", "individualproduct", "productmodel", "productgroup", "someproducts", "vehicle", "book"}
)
# Prices that the shop shows as what the thing used to cost.
_FORMER_PRICES = frozenset({"listprice", "strikethroughprice", "srp", "msrp", "regularprice"})
_FORMER_PLACES = ("og:price:standard_amount", "product:price:standard_amount", "product:original_price:amount")
_PLAIN_PRICE = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,4})?")
_CDATA = re.compile(r"(?://)?[ \t]*(?:<!\[CDATA\[|\]\]>)")
_TRAILING_COMMA = re.compile(r",\s*([}\]])")
_CURRENCY = re.compile(r"[A-Z]{3}")
_WEB_ADDRESS = re.compile(r"https?://[^\s\x00-\x20\ud800-\udfff<>\"]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fact:
    """``value`` as it is stored; ``evidence`` is the text it was read from."""

    value: str
    source: Source
    evidence: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """``facts`` has what the page's marks say; ``heading`` and ``text`` are what a reader sees, for a question.
    ``address`` is the one the page gives itself, or empty: nobody has proven it."""

    facts: Mapping[Name, Fact]
    address: str
    heading: str = field(repr=False)
    text: str = field(repr=False)


class UnreadablePage(ValueError):
    """Why nothing can be made of it, and what to do."""


def read_page(source: str) -> Page:
    """Raises UnreadablePage: too large, or without anything to read."""
    if len(source) > LARGEST_CHARACTERS:
        raise UnreadablePage(f"has {len(source)} characters; the most is {LARGEST_CHARACTERS}: send the product's page")
    tree = parsed(source)
    if tree is None:
        raise UnreadablePage("is no HTML page")
    heading = _heading(tree)
    # From the most exact to the least: a name that a better source has is not looked up in a worse one.
    facts = _from_nodes(_json_ld(tree), heading, "json-ld")
    facts = _completed(facts, _from_nodes(microdata_items(tree), heading, "microdata"))
    said = _metas(tree)
    graph = _open_graph(said)
    facts = _completed(_without_former_price(facts, graph, said), graph)
    text = text_of_tree(tree, about=TEXT_CHARACTERS)[:TEXT_CHARACTERS]
    if not facts and not text:
        raise UnreadablePage("holds neither marks for machines nor any text")
    return Page(
        facts={name: facts[name] for name in LIMITS if name in facts},
        address=_address(tree),
        heading=heading,
        text=text,
    )


def _completed(facts: dict[Name, Fact], more: dict[Name, Fact]) -> dict[Name, Fact]:
    if "price" in facts and "price" in more and facts["price"].value != more["price"].value:
        # It means another price, maybe in another currency.
        more = {name: fact for name, fact in more.items() if name != "currency"}
    return {**more, **facts}


def _without_former_price(
    facts: dict[Name, Fact], graph: Mapping[Name, Fact], said: Mapping[str, str]
) -> dict[Name, Fact]:
    """Shops forget their sales in JSON-LD: no price that Open Graph calls the former one beside a lower one of now."""
    former = next((found for place in _FORMER_PLACES if (found := price_in(said.get(place, "")))), None)
    old, new = facts.get("price"), graph.get("price")
    if former is None or old is None or new is None:
        return facts
    currencies = {each["currency"].value for each in (facts, graph) if "currency" in each}
    is_former = Decimal(old.value) == Decimal(former) > Decimal(new.value)
    if not is_former or len(currencies) > 1:
        return facts
    return {name: fact for name, fact in facts.items() if name != "price"}


def valid(name: Name, text: str) -> str | None:
    """``text`` as this fact is stored, or None where it is no such thing. The one door for a model's words too."""
    tidy = " ".join(text.split())
    if not tidy or "\x00" in tidy:
        return None
    match name:
        case "price":
            return price_in(tidy)
        case "currency":
            sign = _CURRENCY_OF_SIGN.get(tidy)
            return sign or (tidy.upper() if _CURRENCY.fullmatch(tidy.upper()) else None)
        case "availability":
            word = re.sub(r"[^a-z]", "", tidy.lower().rstrip("/").rsplit("/", 1)[-1])
            return AVAILABILITIES.get(word)
        case _:
            return tidy[: LIMITS[name]]


def sign_means(sign: str) -> str | None:
    """The currency that a sign is of, None if it is of several or of none."""
    return _CURRENCY_OF_SIGN.get(sign)


def price_in(text: str, *, currency: str | None = None) -> str | None:
    """A price as a plain decimal number: "1.299,00 €" is 1299.00."""
    if len(text) > PRICE_CHARACTERS:
        return None
    if _PLAIN_PRICE.fullmatch(text):
        amount: Decimal | None = Decimal(text)
    else:
        amount = Price.fromstring(text, currency_hint=currency).amount
    if amount is None or amount < 0 or amount >= 10**12:
        return None
    plain = format(amount, "f")
    return plain if len(plain) <= LIMITS["price"] else None


def _json_ld(tree: html.HtmlElement) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    # One by one: a script that cannot be read costs itself alone.
    for script in tree.xpath("//script[@type='application/ld+json']"):
        text = script.text or ""
        if len(text) <= LARGEST_SCRIPT:
            try:
                found.extend(_nodes(_as_json(text)))
            except (ValueError, RecursionError):
                continue
    return found


def _as_json(text: str) -> Any:
    try:
        return json.loads(text, strict=False)
    except ValueError:
        # Templates leave comments round it and a comma after the last entry.
        return json.loads(_TRAILING_COMMA.sub(r"\1", _unwrapped(text)), strict=False)


def _unwrapped(text: str) -> str:
    """Line by line: one pattern for it all would take the cube of a run of blank lines, hours for some kilobytes."""
    kept = []
    for line in text.replace("<!--", "").replace("-->", "").split("\n"):
        rest = line.strip()
        if (mark := _CDATA.match(rest)) is not None:
            rest = rest[mark.end() :]
        elif rest.startswith("//"):
            continue
        kept.append(rest.removesuffix(";"))
    return "\n".join(kept)


def _nodes(value: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """The nodes of a document: lists and graphs opened, what a page is about included."""
    if depth > 6:
        return
    if isinstance(value, list):
        for entry in value:
            yield from _nodes(entry, depth + 1)
    elif isinstance(value, Mapping):
        yield value
        for name in ("@graph", "mainEntity", "mainEntityOfPage"):
            yield from _nodes(value.get(name), depth + 1)


def _from_nodes(nodes: Sequence[Mapping[str, Any]], heading: str, source: Source) -> dict[Name, Fact]:
    product = _the_product([node for node in nodes if _kinds(node) & _PRODUCTS], heading)
    if product is None:
        return {}
    found: dict[Name, str] = {
        "title": _words(product.get("name")),
        "brand": _words(product.get("brand")) or _words(product.get("manufacturer")),
        "description": _without_markup(_words(product.get("description"))),
    }
    offer = _the_offer(product)
    facts: dict[Name, Fact] = {}
    if offer is not None:
        found |= {"currency": offer.currency, "availability": offer.availability}
        price = price_in(offer.price, currency=offer.currency or None) if offer.price else None
        if price is not None:
            facts["price"] = Fact(price, source, offer.price[:EVIDENCE_CHARACTERS])
    for name, text in found.items():
        value = valid(name, text)
        if value is not None:
            facts[name] = Fact(value, source, text[:EVIDENCE_CHARACTERS])
    return facts


def _the_product(products: Sequence[Mapping[str, Any]], heading: str) -> Mapping[str, Any] | None:
    """The page's own product: the only one, else the one the page is headed with. None where that leaves a choice."""
    if len(products) > 1:
        named = [product for product in products if _alike(_words(product.get("name")), heading)]
        products = named or [product for product in products if product.get("offers")]
    names = {_words(product.get("name")).casefold() for product in products}
    if not products or len(names) > 1:
        return None
    # The same product said twice: the fuller one.
    return max(products, key=len)


@dataclass(frozen=True, slots=True)
class _Offer:
    price: str
    currency: str
    availability: str


def _the_offer(product: Mapping[str, Any]) -> _Offer | None:
    """The cheapest of the offers that can be bought, as the shop's own list would show it."""
    variants = [each for each in _listed(product.get("hasVariant")) if isinstance(each, Mapping)]
    offers = [
        offer for owner in (product, *variants) for offer in _listed(owner.get("offers")) if isinstance(offer, Mapping)
    ]
    inner = [each for offer in offers for each in _listed(offer.get("offers")) if isinstance(each, Mapping)]
    read = [_read_offer(offer) for offer in (*offers, *inner)]
    priced = [offer for offer in read if offer.price]
    if not priced:
        return read[0] if read else None
    sold = [offer for offer in priced if valid("availability", offer.availability) == "in_stock"] or priced
    if len({offer.currency for offer in sold}) > 1:
        return None  # Prices in several currencies: which is meant is not said.
    return min(sold, key=_amount)


def _read_offer(offer: Mapping[str, Any]) -> _Offer:
    price, currency = _words(offer.get("price")) or _words(offer.get("lowPrice")), _words(offer.get("priceCurrency"))
    for specification in _listed(offer.get("priceSpecification")):
        if isinstance(specification, Mapping) and _last(_words(specification.get("priceType"))) not in _FORMER_PRICES:
            price = price or _words(specification.get("price"))
            currency = currency or _words(specification.get("priceCurrency"))
    if price and not currency and len(price) <= PRICE_CHARACTERS:
        currency = _CURRENCY_OF_SIGN.get(Price.fromstring(price).currency or "", "")
    return _Offer(price, currency, _words(offer.get("availability")))


def _amount(offer: _Offer) -> Decimal:
    try:
        return Decimal(price_in(offer.price) or "Infinity")
    except InvalidOperation:
        return Decimal("Infinity")


def _metas(tree: html.HtmlElement) -> dict[str, str]:
    said: dict[str, str] = {}
    for meta in tree.xpath("//meta[@property and @content]")[:MOST_METAS]:
        said.setdefault(meta.get("property").strip().lower(), meta.get("content").strip())
    return said


def _open_graph(said: Mapping[str, str]) -> dict[Name, Fact]:
    if "product" not in said.get("og:type", "").lower() and not any(
        name.startswith(("product:", "og:price:")) for name in said
    ):
        return {}  # A page about something else has a title too.
    names: Mapping[Name, tuple[str, ...]] = {
        "title": ("og:title",),
        "brand": ("product:brand", "og:brand"),
        "currency": ("product:sale_price:currency", "product:price:currency", "og:price:currency"),
        "price": ("product:sale_price:amount", "product:price:amount", "og:price:amount"),
        "availability": ("product:availability", "og:availability"),
        "description": ("og:description",),
    }
    facts: dict[Name, Fact] = {}
    for name, places in names.items():
        text = next((said[place] for place in places if said.get(place)), "")
        value = valid(name, text)
        if value is not None:
            facts[name] = Fact(value, "opengraph", text[:EVIDENCE_CHARACTERS])
    return facts


def _heading(tree: html.HtmlElement) -> str:
    for path in ("//h1", "//meta[@property='og:title']/@content", "//title"):
        for found in tree.xpath(path):
            text = " ".join(str(found if isinstance(found, str) else found.text_content()).split())
            if text:
                return text[:500]
    return ""


def _address(tree: html.HtmlElement) -> str:
    for path in ("//link[@rel='canonical']/@href", "//meta[@property='og:url']/@content"):
        for found in tree.xpath(path):
            if address := web_address(str(found)):
                return address
    return ""


def web_address(text: str) -> str:
    """``text`` if it is an address of the web that fits its column, else nothing: it is kept and never opened."""
    tidy = text.strip()
    return tidy if len(tidy) <= ADDRESS_CHARACTERS and _WEB_ADDRESS.fullmatch(tidy) else ""


def _alike(name: str, heading: str) -> bool:
    name, heading = name.casefold().strip(), heading.casefold()
    return bool(name) and (name in heading or (bool(heading) and heading in name))


def _kinds(node: Mapping[str, Any]) -> set[str]:
    return {_last(str(kind)) for kind in _listed(node.get("@type"))}


def _last(address: str) -> str:
    """``https://schema.org/InStock`` as ``instock``."""
    return re.split(r"[/#:]", address.strip().rstrip("/"))[-1].lower()


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _words(value: Any) -> str:
    """The text of a value, of the first of several, or of the name of a thing."""
    for each in _listed(value)[:1]:
        if isinstance(each, Mapping):
            return _words(each.get("name") or each.get("@value"))
        if isinstance(each, str | int | float) and not isinstance(each, bool):
            # JSON may write half a character or a NUL as an escape, which no message and no database takes.
            return str(each).encode("utf-8", errors="replace").decode("utf-8").replace("\x00", " ").strip()
    return ""


def _without_markup(text: str) -> str:
    if "<" not in text and "&" not in text:
        return text
    tree = parsed(text)
    return text if tree is None else text_of_tree(tree)
