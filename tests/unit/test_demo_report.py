"""The report opens offline, shows what the readings say, and lets no text of the readings become markup."""

import re
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path
from typing import Any

from local.demo.charts import CHARTS
from local.demo.report import chart_library, report
from local.demo.sample import CATEGORIES, UNKNOWN
from local.demo.sections import change
from local.demo.steps import Step, steps_of

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
        "asked": "Read access, please <b>",
        "told": "Your ticket is with @sam.",
        "entries": 9,
        "steps": [
            {
                "tool": "giveAccess",
                "arguments": "environmentId: 1",
                "answer": "</li>No.",
                "failed": True,
                "policies": [],
            }
        ],
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
    assert "Your ticket is with @sam." in text
    assert "a stand-in answered" in text


def test_texts_of_the_readings_stay_texts() -> None:
    hostile = readings(problems=["<img src=x onerror=alert(1)>"], new_category=a_category(proposed="<img src=y>"))
    text = report(hostile, "var a = '</script>';")
    page = Page(text)

    assert "&lt;/li&gt;No." in text
    assert "please &lt;b&gt;" in text

    assert page.scripts == 2
    assert page.loads == ["data:,"]


def a_category(**changes: Any) -> dict[str, Any]:
    usual = {
        "proposed": "About colour",
        "accepted": "Choice of colours",
        "planted": 20,
        "changed": 21,
        "changed_planted": 20,
        "changed_with_a_label": 0,
        "before": {"Payment": 5, "unknown": 30},
        "after": {"Choice of colours": 21, "Payment": 5, "unknown": 9},
    }
    return {**usual, **changes}


def test_the_rows_that_a_new_category_took_stand_beside_those_that_stay_unknown() -> None:
    before, _, after = change(a_category()).partition("<b>after</b>")

    assert [before.count(f"flex:{rows};") for rows in (5, 30)] == [1, 1]
    assert after.index("flex:5;") < after.index("flex:21;") < after.index("flex:9;")


def test_the_steps_of_a_ticket_come_in_their_order_with_the_policy_that_permitted_a_change() -> None:
    found = steps_of(
        [
            {"entry": "call#0001#0002#01", "tool": "giveAccess", "arguments": '{"environmentId": "1"}',
             "result": '{"message": "Granted."}', "failed": False},
            {"entry": "call#0001#0001#01", "tool": "getEmployeeManager", "arguments": "{}", "result": "no JSON",
             "failed": True},
            {"entry": "grant#1#Read", "tool": "giveAccess", "policies": ["to-the-managers-environment"]},
            {"entry": "turn#0001#0001"},
        ]
    )  # fmt: skip

    assert found == [
        Step(tool="getEmployeeManager", arguments="", answer="no JSON", failed=True),
        Step(
            tool="giveAccess", arguments="environmentId: 1", answer="Granted.", failed=False,
            policies=("to-the-managers-environment",),
        ),
    ]  # fmt: skip


def test_the_chart_library_is_bundled_once(tmp_path: Path) -> None:
    name = f"vega-{version('vl-convert-python')}.js"
    (tmp_path / name).write_text("/* bundled before */", encoding="utf-8")

    assert chart_library(tmp_path) == "/* bundled before */"


def test_a_failure_is_the_first_thing_to_see() -> None:
    text = report(readings(problems=["case 2 ended as something else"]), "")

    assert "case 2 ended as something else" in text
    assert "Every ticket ended as expected" not in text
