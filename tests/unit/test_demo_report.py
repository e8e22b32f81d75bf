"""The report opens offline, shows what the readings say, and lets no text of the readings become markup."""

import re
from html.parser import HTMLParser
from typing import Any

from local.demo.charts import CHARTS
from local.demo.report import report
from local.demo.sample import CATEGORIES, UNKNOWN

LOADING_ATTRIBUTES = {"src", "href", "srcset", "data", "action", "poster"}


def readings(**changes: Any) -> dict[str, Any]:
    ticket = {
        "case": 1,
        "employee": "111",
        "outcome": "assigned to @sam",
        "expected": "assigned to @sam",
        "as_expected": True,
        "owner": "@sam",
        "tool_calls": 4,
        "overhead_ms": 321,
        "model_ms": 45,
    }
    feedback = {
        "rows": 3,
        "stored": 2,
        "rejected": 1,
        "duplicates": 0,
        "accuracy": 0.5,
        "categories": [
            {"label": label, "stored": 1, "expected": 1, "right": 1, "accuracy": 1.0}
            for label in (*CATEGORIES, UNKNOWN)
        ],
        "confusion": [{"expected": "Payment", "label": "unknown", "rows": 1}],
        "rows_drawn": [{"label": "Payment", "month": "2026-03-01", "stars": "2", "product": "</script><b>"}],
    }
    usual = {
        "seconds": 12.0,
        "problems": [],
        "tickets": [ticket],
        "feedback": feedback,
        "notifications": 7,
        "stand_in": "a stand-in answered",
    }
    return {**usual, **changes}


class Page(HTMLParser):
    """Collects what a browser would load, and the scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.scripts = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.loads += [value or "" for name, value in attrs if name in LOADING_ATTRIBUTES]


def test_nothing_is_loaded_from_anywhere() -> None:
    text = report(readings(), "/* library */")
    styles = "".join(re.findall(r"<style>(.*?)</style>", text, flags=re.DOTALL))

    assert Page(text).loads == ["data:,"], "only the empty icon, which spares a request"
    assert "url(" not in styles
    assert "@import" not in styles
    assert "fetch(" not in text.partition("const specs")[2]


def test_every_chart_and_every_place_of_the_page_is_filled() -> None:
    text = report(readings(), "/* library */")

    assert "{{" not in text
    for number, chart in enumerate(CHARTS):
        assert f'id="chart-{number}"' in text
        assert chart.title in text
    assert "321" in text
    assert "a stand-in answered" in text


def test_texts_of_the_readings_stay_texts() -> None:
    hostile = readings(problems=["<img src=x onerror=alert(1)>"])
    page = Page(report(hostile, "var a = '</script>';"))

    assert page.scripts == 2
    assert page.loads == ["data:,"]


def test_a_failure_is_the_first_thing_to_see() -> None:
    text = report(readings(problems=["case 2 ended as something else"]), "")

    assert "case 2 ended as something else" in text
    assert "Every ticket ended as expected" not in text
