"""The stand-in for a model that reads product pages: the first price, the words beside it, and what shops always write.

It sees the wanted facts and the texts of the prompt and nothing else. It is no language model: it finds what stands in
the usual words and leaves out the rest.
"""

import re
from collections.abc import Mapping

NOTHING = "0"
_WANTED = re.compile(r"\[(?P<names>[a-z, ]*)\]\s*(?P<text>.*)", re.DOTALL)
_AMOUNT = r"[0-9]{1,3}(?:[.,' ][0-9]{3})+(?:[.,][0-9]{2})?|[0-9]{1,7}(?:[.,][0-9]{2})?"
_SIGNS: Mapping[str, str] = {"€": "EUR", "£": "GBP", "$": "USD", "₹": "INR", "¥": "JPY", "zł": "PLN", "Kč": "CZK"}
_CODES = "EUR|USD|GBP|CHF|PLN|CZK|SEK|NOK|DKK|CAD|AUD|JPY|INR"
_BEFORE = re.compile(rf"(?P<sign>[€£$₹¥]|\b(?:{_CODES})\b)\s?(?P<amount>{_AMOUNT})(?![0-9])")
_BEHIND = re.compile(rf"(?<![0-9.,])(?P<amount>{_AMOUNT})\s?(?P<sign>[€£$₹¥]|zł|Kč|\b(?:{_CODES})\b)")
_FORMER = re.compile(r"(?:was|instead of|rrp|list price|statt|uvp|before)[^0-9]{0,12}$", re.IGNORECASE)
_BRAND = re.compile(r"\b(?:brand|manufacturer|marke|hersteller|[Bb]y)\s*:?\s+(?P<name>[A-Z][\w&-]+(?: [A-Z][\w&-]+)?)")
_STOCK = (
    ("out_of_stock", re.compile(r"out of stock|sold out|unavailable|ausverkauft|nicht auf lager", re.IGNORECASE)),
    ("preorder", re.compile(r"pre-?order|vorbestell", re.IGNORECASE)),
    ("in_stock", re.compile(r"in stock|add to (?:cart|basket)|auf lager|lieferbar|in den warenkorb", re.IGNORECASE)),
)
_SENTENCE = re.compile(r"(?<=[.!?\n]) ?([A-Z][^.!?\n]{30,180}[.!?])")


def find(facts: Mapping[int, str], rows: Mapping[int, str]) -> dict[int, tuple[str, ...]]:
    """The answers for every page: what stands behind its number, one a line."""
    numbers = {line.partition(":")[0].strip(): number for number, line in facts.items()}
    return {row: _answers(text, numbers) for row, text in rows.items()}


def _answers(line: str, numbers: Mapping[str, int]) -> tuple[str, ...]:
    found = _WANTED.fullmatch(line)
    if found is None:
        return (NOTHING,)
    wanted = [name.strip() for name in found["names"].split(",")]
    said = _said(found["text"])
    answers = tuple(f"{numbers[name]}={said[name]}" for name in wanted if name in said and name in numbers)
    return answers or (NOTHING,)


def _said(text: str) -> dict[str, str]:
    said: dict[str, str] = {}
    prices = [found for pattern in (_BEFORE, _BEHIND) for found in pattern.finditer(text)]
    prices = [found for found in prices if not _FORMER.search(text[: found.start()])]
    if prices:
        first = min(prices, key=lambda found: found.start())
        said["price"] = _plain(first["amount"])
        said["currency"] = _SIGNS.get(first["sign"], first["sign"])
    for name, pattern in _STOCK:
        if pattern.search(text):
            said["availability"] = name
            break
    heading = re.split(r"\. |\n", text, maxsplit=1)[0].strip()
    if 1 < len(heading) <= 100 and "{" not in heading:
        said["title"] = heading
    if brand := _BRAND.search(text):
        said["brand"] = brand["name"]
    if sentence := _SENTENCE.search(text):
        said["description"] = sentence[1].strip()
    return said


def _plain(amount: str) -> str:
    """``1.299,00`` as ``1299.00``: what stands before the last two digits of cents is a point."""
    whole, point, cents = amount.rpartition(amount[-3]) if amount[-3:-2] in (".", ",") else (amount, "", "")
    return re.sub(r"[.,' ]", "", whole) + ("." + cents if point else "")
