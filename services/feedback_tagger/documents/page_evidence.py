"""Whether a page's text says what somebody read out of it: the words that a fact stands on, or none.

A model's word is not enough: a price that stands nowhere on the page is no fact. Words are looked for as they stand,
prices and currencies in the forms that shops write, availability by phrases in the languages of large shops.
"""

import re
from collections.abc import Mapping
from decimal import Decimal

from services.feedback_tagger.documents.page_facts import EVIDENCE_CHARACTERS, Name, price_in, sign_means

AROUND = 30
LEAST_WORDS = 2

# Letters of other alphabets are meant here.
_SIGN = r"(?:[A-Z]{1,3}\$|[$€£₹₽₩₺₴₫฿₪₱₦¥]|zł|Kč|Ft|kr\.?|Rs\.?|Fr\.?|lei|лв\.?|руб\.?|\b[A-Z]{3}\b)"  # noqa: RUF001
_NUMBER = (
    r"(?<![0-9.,])(?:[0-9]{1,3}(?:[.,'’\u00a0\u202f ][0-9]{3})+(?:[.,][0-9]{1,2})?|[0-9]{1,12}(?:[.,][0-9]{1,4})?)"  # noqa: RUF001
    r"(?![0-9])"
)
_PRICE = re.compile(rf"(?:{_SIGN}\s{{0,2}})?{_NUMBER}(?:,-|,–|\.-)?(?:\s{{0,2}}{_SIGN})?")  # noqa: RUF001
_WITH_SIGN = re.compile(_SIGN)
_WITH_CENTS = re.compile(r"[0-9][.,][0-9]{2}(?![0-9])")
# Signs of several currencies: they bear out each, and tell none of them apart.
_SHARED_SIGNS: Mapping[str, frozenset[str]] = {
    "$": frozenset("USD CAD AUD NZD SGD HKD TWD MXN ARS CLP COP BRL".split()),  # noqa: SIM905
    "¥": frozenset({"JPY", "CNY"}),
    "kr": frozenset({"SEK", "NOK", "DKK", "ISK"}),
    "Rs": frozenset({"INR", "PKR", "LKR", "NPR", "MUR"}),
    "Fr": frozenset({"CHF", "XOF", "XAF", "XPF"}),
    "lei": frozenset({"RON", "MDL"}),
    "лв": frozenset({"BGN"}),
    "руб": frozenset({"RUB"}),  # noqa: RUF001
}
# What is sold out may be said to be available again: the sterner phrases come first.
_PHRASES: Mapping[str, str] = {
    "discontinued": """
        discontinued, no longer available, no longer made, no longer sold, nicht mehr lieferbar, nicht mehr erhältlich,
        n'est plus disponible, descatalogado, fuori produzione, niet meer leverbaar""",
    "out_of_stock": """
        out of stock, sold out, unavailable, not available, not currently available, not in stock, ausverkauft,
        nicht auf lager, nicht vorrätig, nicht verfügbar, rupture de stock, épuisé, indisponible, agotado,
        sin existencias, no disponible, esaurito, non disponibile, uitverkocht, niet op voorraad, esgotado,
        indisponível, wyprzedane, niedostępny, slutsåld, udsolgt""",
    "preorder": """
        preorder, pre-order, pre order, vorbestellen, vorbestellung, vorbestellbar, précommande, précommander,
        reserva anticipada, preordina, preordine, pré-venda""",
    "backorder": """
        backorder, back-order, back order, backordered, made to order, nachbestellt, sur commande, bajo pedido,
        su ordinazione, op bestelling""",
    "in_stock": """
        in stock, available, ready to ship, ships today, ships tomorrow, ships now, ships in, ships within, add to cart,
        add to basket, add to bag, auf lager, vorrätig, verfügbar, lieferbar, in den warenkorb, en stock, disponible,
        ajouter au panier, en existencias, añadir al carrito, disponibile, aggiungi al carrello, op voorraad,
        in winkelwagen, em estoque, disponível, w magazynie, dostępny, i lager, på lager""",
}
_AVAILABILITY = {
    name: re.compile(
        rf"(?<!\w)(?:{'|'.join(re.escape(each.strip()) for each in said.split(','))})(?!\w)", re.IGNORECASE
    )
    for name, said in _PHRASES.items()
}


def evidence(name: Name, value: str, text: str) -> str | None:
    """The words of ``text`` that the fact stands on, or None. ``value`` is one that ``valid`` gave."""
    flat = " ".join(text.split())
    match name:
        case "price":
            return _price(value, flat)
        case "currency":
            return _currency(value, flat)
        case "availability":
            return _availability(value, flat)
        case _:
            return _words(value, flat)


def prices_in(text: str) -> list[str]:
    """What is written as a price: a number beside a currency, or with cents. In the order of the text."""
    return [
        found[0].strip()
        for found in _PRICE.finditer(text)
        if _WITH_SIGN.search(found[0]) or _WITH_CENTS.search(found[0])
    ]


def availability_in(text: str) -> tuple[str, str] | None:
    """What the first phrase about it says, sterner ones first, and the phrase."""
    for name, pattern in _AVAILABILITY.items():
        if found := pattern.search(text):
            return name, found[0]
    return None


def _price(value: str, text: str) -> str | None:
    wanted = Decimal(value)
    for words in prices_in(text):
        read = price_in(words)
        if read is not None and Decimal(read) == wanted:
            return words[:EVIDENCE_CHARACTERS]
    return None


def _currency(value: str, text: str) -> str | None:
    for words in prices_in(text):
        for sign in _WITH_SIGN.findall(words):
            tidy = sign.rstrip(".")
            if value in (tidy, sign_means(tidy)) or value in _SHARED_SIGNS.get(tidy, ()):
                return words[:EVIDENCE_CHARACTERS]
    return None


def _availability(value: str, text: str) -> str | None:
    said = availability_in(text)
    return said[1] if said is not None and said[0] == value else None


def _words(value: str, text: str) -> str | None:
    if len(value) < LEAST_WORDS:
        return None
    # Whole words: "Ace" does not stand on "place".
    found = re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text, re.IGNORECASE)
    if found is None:
        return None
    begin = max(0, found.start() - AROUND)
    return text[begin : min(len(text), found.end() + AROUND)][:EVIDENCE_CHARACTERS]
