"""Microdata items of a page, as nodes in the form of JSON-LD: a type and named values.

After the HTML standard's section on microdata: properties are found among an item's descendants and what its `itemref`
names, a nested item is the value of its property. Bounded and free of circles, as pages come from strangers. Written
here because the libraries that read it bring whole stacks beside, and take seconds to import.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from lxml import html

MOST_VALUES = 5_000
DEEPEST = 20

# Where the value of a property stands, by the element that carries it; anything else says it as text.
_ATTRIBUTE: Mapping[str, str] = {
    "a": "href", "area": "href", "link": "href", "audio": "src", "embed": "src", "iframe": "src", "img": "src",
    "source": "src", "track": "src", "video": "src", "object": "data", "data": "value", "meter": "value",
    "time": "datetime",
}  # fmt: skip


class _Spent(Exception):
    """More values than any page has for its readers."""


def microdata_items(page: html.HtmlElement) -> list[Mapping[str, Any]]:
    """Items that are nobody's property, in the page's order, without what exceeds the bounds."""
    reading = _Reading(page)
    items: list[Mapping[str, Any]] = []
    for element in page.xpath("//*[@itemscope and not(@itemprop)]"):
        try:
            items.append(reading.item(element, ()))
        except _Spent:
            break
    return items


class _Reading:
    def __init__(self, page: html.HtmlElement) -> None:
        self._page = page
        self._values = 0

    def item(self, element: html.HtmlElement, inside: tuple[html.HtmlElement, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {"@type": (element.get("itemtype") or "").split()}
        if element in inside or len(inside) > DEEPEST:
            return found
        for carrier in self._carriers(element):
            self._values += 1
            if self._values > MOST_VALUES:
                raise _Spent
            if carrier.get("itemscope") is not None:
                value: Any = self.item(carrier, (*inside, element))
            else:
                value = _value(carrier)
            for name in carrier.get("itemprop", "").split():
                found.setdefault(name, []).append(value)
        return found

    def _carriers(self, item: html.HtmlElement) -> Iterator[html.HtmlElement]:
        """Elements with properties of this item, not of an item inside it."""
        ahead = list(reversed(item))
        for name in reversed((item.get("itemref") or "").split()):
            ahead.extend(self._page.xpath("(//*[@id=$name])[1]", name=name))
        seen: set[html.HtmlElement] = set()
        while ahead:
            element = ahead.pop()
            if not isinstance(element.tag, str) or element in seen:
                continue
            seen.add(element)
            if element.get("itemprop") is not None:
                yield element
            if element.get("itemscope") is None:
                ahead.extend(reversed(element))


def _value(element: html.HtmlElement) -> str:
    # Shops write content on any element; the standard knows it on meta alone.
    said = element.get("content")
    if said is None and element.tag in _ATTRIBUTE:
        said = element.get(_ATTRIBUTE[element.tag])
    return str(said if said is not None else element.text_content()).strip()
