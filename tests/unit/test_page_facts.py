"""Reading shop pages: exact facts where the marks are clear, none where they are not, and no page that does harm."""

import json
from collections.abc import Mapping
from tracemalloc import get_traced_memory, start, stop
from typing import Any

import pytest

from services.feedback_tagger.documents.html_text import parsed, text_of_html
from services.feedback_tagger.documents.microdata import microdata_items
from services.feedback_tagger.documents.page_facts import (
    LARGEST_CHARACTERS,
    UnreadablePage,
    price_in,
    read_page,
    valid,
)

OFFER = {"@type": "Offer", "price": "1299.00", "priceCurrency": "EUR", "availability": "https://schema.org/InStock"}


def a_product(**fields: Any) -> dict[str, Any]:
    plain = {
        "@context": "https://schema.org",
        "@type": "Product",
        "name": "Pocket Cam 2",
        "brand": {"@type": "Brand", "name": "Lumen"},
        "description": "A camera for the pocket.",
        "offers": OFFER,
    }
    return {**plain, **fields}


def a_page(*json_ld: Any, head: str = "", body: str = "<h1>Pocket Cam 2</h1><p>Buy it now.</p>") -> str:
    scripts = "".join(f'<script type="application/ld+json">{json.dumps(each)}</script>' for each in json_ld)
    return f"<html><head><title>Pocket Cam 2 | Shop</title>{head}{scripts}</head><body>{body}</body></html>"


def facts_of(page: str) -> dict[str, str]:
    return {name: fact.value for name, fact in read_page(page).facts.items()}


ALL = {
    "title": "Pocket Cam 2",
    "brand": "Lumen",
    "price": "1299.00",
    "currency": "EUR",
    "availability": "in_stock",
    "description": "A camera for the pocket.",
}


def test_a_product_in_json_ld_gives_every_fact_with_its_source() -> None:
    page = read_page(a_page(a_product()))
    assert {name: fact.value for name, fact in page.facts.items()} == ALL
    assert {fact.source for fact in page.facts.values()} == {"json-ld"}
    assert page.facts["availability"].evidence == "https://schema.org/InStock"
    assert page.text == "Pocket Cam 2\nBuy it now."


@pytest.mark.parametrize(
    "json_ld",
    [
        {"@graph": [{"@type": "WebPage"}, a_product()]},
        [{"@type": "BreadcrumbList"}, a_product()],
        {"@type": "ItemPage", "mainEntity": a_product()},
        a_product(**{"@type": ["Product", "Thing"]}),
        a_product(**{"@type": "http://schema.org/Product"}),
        a_product(brand="Lumen"),
        a_product(brand=[{"name": "Lumen"}, {"name": "Other"}]),
        a_product(offers=[OFFER]),
        a_product(offers={"@type": "AggregateOffer", "lowPrice": 1299.00, "highPrice": 1500, "priceCurrency": "EUR",
                          "availability": "InStock"}),
        a_product(offers={"@type": "AggregateOffer", "offers": [OFFER, {**OFFER, "price": 1300}]}),
        a_product(offers={**OFFER, "price": "1.299,00 €", "priceCurrency": None}),
        a_product(offers=[{**OFFER, "price": 1100, "availability": "OutOfStock"}, OFFER]),
        a_product(offers={"availability": "InStock", "priceSpecification": [
            {"priceType": "https://schema.org/ListPrice", "price": 1500, "priceCurrency": "EUR"},
            {"price": "1299.00", "priceCurrency": "EUR"}]}),
        a_product(**{"@type": "ProductGroup"}, offers=None, hasVariant=[{"@type": "Product", "offers": OFFER}]),
        a_product(description="A <b>camera</b> for the&nbsp;pocket."),
    ],
)  # fmt: skip
def test_the_ways_in_which_shops_write_it_come_to_the_same(json_ld: Any) -> None:
    found = facts_of(a_page(json_ld))
    assert found.pop("price") in ("1299.00", "1299.0", "1299")
    assert found == {name: value for name, value in ALL.items() if name != "price"}


MICRODATA = """
<div itemscope itemtype="https://schema.org/Product"><h1 itemprop="name">Pocket Cam 2</h1>
<span itemprop="brand" itemscope itemtype="https://schema.org/Brand"><span itemprop="name">Lumen</span></span>
<p itemprop="description">A camera for the pocket.</p>
<div itemprop="offers" itemscope itemtype="https://schema.org/Offer">
<span itemprop="price" content="1299.00">1.299</span>
<meta itemprop="priceCurrency" content="EUR"><link itemprop="availability" href="https://schema.org/InStock"></div></div>
"""
OPEN_GRAPH = """
<meta property="og:type" content="product"><meta property="og:title" content="Pocket Cam 2">
<meta property="og:description" content="A camera for the pocket."><meta property="product:brand" content="Lumen">
<meta property="product:price:amount" content="1299.00"><meta property="product:price:currency" content="EUR">
<meta property="product:availability" content="in stock">
"""


def test_microdata_and_open_graph_give_the_same_facts() -> None:
    assert facts_of(a_page(body=MICRODATA)) == ALL
    assert facts_of(a_page(head=OPEN_GRAPH)) == ALL


def test_a_worse_source_fills_what_a_better_one_leaves_open() -> None:
    page = read_page(a_page(a_product(brand=None, offers=None), head=OPEN_GRAPH))
    assert {name: fact.source for name, fact in page.facts.items()} == {
        "title": "json-ld",
        "brand": "opengraph",
        "price": "opengraph",
        "currency": "opengraph",
        "availability": "opengraph",
        "description": "json-ld",
    }


def test_the_currency_of_another_price_is_not_taken() -> None:
    offer = {"@type": "Offer", "price": "1499"}
    assert "currency" not in facts_of(a_page(a_product(offers=offer), head=OPEN_GRAPH))


def test_of_several_products_the_one_the_page_is_headed_with_counts() -> None:
    assert facts_of(a_page(a_product(name="Tripod", offers={**OFFER, "price": 20}), a_product())) == ALL


@pytest.mark.parametrize(
    "json_ld",
    [
        [a_product(name="Tripod"), a_product(name="Bag")],
        {"@type": "Article", "name": "Pocket Cam 2"},
        "not a node",
        a_product(**{"@type": None}),
    ],
)
def test_where_no_product_is_clear_nothing_is_taken(json_ld: Any) -> None:
    assert facts_of(a_page(json_ld)) == {}


def test_prices_in_several_currencies_leave_price_and_currency_open() -> None:
    found = facts_of(a_page(a_product(offers=[OFFER, {**OFFER, "priceCurrency": "USD"}])))
    assert "price" not in found
    assert "currency" not in found


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("19.99", "19.99"),
        ("19,99", "19.99"),
        ("1.299,00 €", "1299.00"),
        ("$1,299.00", "1299.00"),
        ("1 299,50 zł", "1299.50"),
        ("CHF 1'299.50", "1299.50"),
        ("0", "0"),
        ("free", "0"),
        ("", None),
        ("999999999999999", None),
        ("ask us", None),
    ],
)
def test_prices_are_read_as_their_country_writes_them(text: str, price: str | None) -> None:
    assert price_in(text) == price


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("currency", "eur", "EUR"),
        ("currency", "€", "EUR"),
        ("currency", "$", None),
        ("currency", "EURO", None),
        ("availability", "https://schema.org/OutOfStock", "out_of_stock"),
        ("availability", "in stock", "in_stock"),
        ("availability", "maybe", None),
        ("title", "  two\n lines ", "two lines"),
        ("title", "x" * 300, "x" * 255),
        ("title", "nul\x00", None),
        ("brand", " ", None),
    ],
)
def test_a_fact_is_one_of_what_it_may_be_or_nothing(name: Any, text: str, value: str | None) -> None:
    assert valid(name, text) == value


def with_script(content: str) -> str:
    return a_page(a_product()).replace("</head>", f'<script type="application/ld+json">{content}</script></head>')


IN_A_CIRCLE = (
    '<h1>Pocket Cam 2</h1><div id="a" itemscope itemref="b"><p itemprop=x></div>'
    '<div id="b" itemprop="y" itemscope itemref="a"></div>'
)
HOSTILE: Mapping[str, str] = {
    "nested elements": a_page(a_product(), body="<h1>Pocket Cam 2</h1>" + "<div>" * 100_000 + "deep"),
    "nested json": with_script("[" * 100_000),
    "broken json": with_script('{"@type": "Product",'),
    "a huge script": with_script('{"a": "' + "x" * 600_000 + '"}'),
    "references in a circle": a_page(a_product(), body=IN_A_CIRCLE),
    "broken markup": a_page(a_product()) + "<p <b></i <<<>" * 1_000,
    "control characters": a_page(a_product()) + "\x00\x01\x08\x1b" * 100,
    "half characters": a_page(a_product()) + "\ud800",
    "entities": a_page(a_product()) + '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>&b;',
    "no offers at all": a_page(a_product(), a_product(offers=[[["x"]], 3])),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_marks_cost_themselves_alone(name: str) -> None:
    assert facts_of(HOSTILE[name])["price"] == "1299.00"


def test_scripts_and_what_is_hidden_are_no_text() -> None:
    page = (
        "<p>Seen</p><script>alert(1)</script><p style='display: none'>answer 1:1</p><p hidden>x</p><!-- y --><p>too</p>"
    )
    assert text_of_html(page) == "Seen\ntoo"


@pytest.mark.parametrize(
    ("page", "says"),
    [("x" * (LARGEST_CHARACTERS + 1), "the most is"), ("", "no HTML page"), ("<html></html>", "neither marks")],
)
def test_what_cannot_be_read_says_why(page: str, says: str) -> None:
    with pytest.raises(UnreadablePage, match=says):
        read_page(page)


def test_a_page_of_megabytes_stays_within_memory() -> None:
    page = a_page(a_product(), body="<h1>Pocket Cam 2</h1>" + "<p>words and <b>more</b></p>" * 60_000)
    start()
    try:
        assert facts_of(page)["price"] == "1299.00"
        peak = get_traced_memory()[1]
    finally:
        stop()
    assert peak < 20 * len(page)


NESTED = """
<div itemscope itemtype="http://schema.org/Product" itemref="more"><h1 itemprop="name">Pocket Cam 2</h1>
<div itemprop="offers" itemscope itemtype="http://schema.org/AggregateOffer"><span itemprop="lowPrice">19.99</span>
<div itemprop="offers" itemscope itemtype="http://schema.org/Offer">
<time itemprop="validFrom" datetime="2024-03-25">soon</time>
<a itemprop="url" href="https://shop.example/1">here</a></div></div></div><p id="more"><b itemprop="color">black</b></p>
<div itemscope itemtype="http://schema.org/Review"><p itemprop="reviewBody">Good.</p></div>
"""


def flat(node: Any) -> Any:
    """A value without what the two readers write differently: one value or a list of it, an empty type."""
    if isinstance(node, list):
        return flat(node[0]) if len(node) == 1 else [flat(each) for each in node]
    if isinstance(node, Mapping):
        inner = {**node, **node.get("properties", {}), "@type": node.get("@type") or node.get("type")}
        return {name: flat(value) for name, value in inner.items() if name not in ("properties", "type")}
    return node


@pytest.mark.parametrize("body", [MICRODATA, NESTED])
def test_microdata_is_read_as_a_full_reader_of_it_does(body: str) -> None:
    from extruct.w3cmicrodata import MicrodataExtractor  # noqa: PLC0415  # seconds, for this test alone

    tree = parsed(a_page(body=body))
    assert tree is not None
    assert [flat(each) for each in microdata_items(tree)] == [
        flat(each) for each in MicrodataExtractor(nested=True).extract_items(tree, base_url=None)
    ]


def a_sale(now: str, *, former: str = "1299.00", currency: str = "EUR") -> str:
    """The head of a page whose Open Graph marks name a price of now beside the former one."""
    said = {"og:type": "product", "product:price:amount": now, "product:price:currency": currency}
    said["og:price:standard_amount"] = former
    return "".join(f'<meta property="{name}" content="{text}">' for name, text in said.items())


def test_a_price_that_the_page_calls_its_former_one_gives_way_to_the_lower_one_of_now() -> None:
    page = read_page(a_page(a_product(), head=a_sale("999.00")))
    assert (page.facts["price"].value, page.facts["price"].source) == ("999.00", "opengraph")
    assert (page.facts["currency"].value, page.facts["title"].source) == ("EUR", "json-ld")


@pytest.mark.parametrize(
    "head",
    [
        a_sale("1399.00"),
        a_sale("999.00", former="1199.00"),
        a_sale("999.00", currency="USD"),
        a_sale("", former="1299.00"),
        a_sale("999.00", former=""),
    ],
)
def test_a_price_beside_others_that_do_not_make_it_the_former_one_stays(head: str) -> None:
    assert facts_of(a_page(a_product(), head=head))["price"] == "1299.00"


@pytest.mark.parametrize("text", ["1" * 400_000, "1," * 200_000, "$1 " * 130_000])
def test_a_price_as_long_as_a_book_is_none_and_takes_no_time(text: str) -> None:
    """Left unread it takes milliseconds; read, it would take hours."""
    offer = {"@type": "Offer", "price": text}
    page = read_page(a_page(a_product(offers=offer), head=a_sale(text, former=text, currency="")))
    assert "price" not in page.facts
    assert price_in(text) is None


@pytest.mark.parametrize("blank", ["\n", " ", "\r\n", "\n/", ", ", "; ", "\t\n"])
def test_broken_json_with_a_run_of_blanks_is_passed_over_at_once(blank: str) -> None:
    """A script of 500 KB, which is the most that is read."""
    script = f"x,{blank * (500_000 // len(blank))}x"
    page = read_page(a_page(a_product(), head=f'<script type="application/ld+json">{script}</script>'))
    assert page.facts["price"].value == "1299.00"
