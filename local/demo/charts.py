"""The report's charts, each drawn from what the stores held; colours tell labels apart on light and on dark ground."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import altair as alt

from local.demo.sample import CATEGORIES, THEME_CATEGORY, UNKNOWN

LABELS = [*CATEGORIES, THEME_CATEGORY, UNKNOWN]
COLOURS = ["#4f8edc", "#27a7a0", "#e0a52b", "#b07cd8", "#e2685a", "#5fa83f", "#8d96a3"]
LABEL_COLOUR = alt.Scale(domain=LABELS, range=COLOURS)
MODEL, REST = "in the model", "everything else"


@dataclass(frozen=True, slots=True)
class Chart:
    """``draw`` takes what readings.json holds."""

    title: str
    note: str
    draw: Callable[[Mapping[str, Any]], Any]


def by_category(readings: Mapping[str, Any]) -> Any:
    rows = [
        {"label": score["label"], "rows": score["stored"], "by hand": score["expected"]}
        for score in readings["feedback"]["categories"]
    ]
    base = _over(rows).encode(y=alt.Y("label:N", sort=LABELS, title=None))
    bars = base.mark_bar(cornerRadiusEnd=3).encode(
        x=alt.X("rows:Q", title="rows"),
        color=alt.Color("label:N", scale=LABEL_COLOUR, legend=None),
        tooltip=["label:N", "rows:Q", "by hand:Q"],
    )
    marks = base.mark_tick(thickness=3, size=24).encode(x=alt.X("by hand:Q"), tooltip=["by hand:Q"])
    return _sized(bars + marks, height=230)


def by_month(readings: Mapping[str, Any]) -> Any:
    return _sized(
        _over(readings["feedback"]["rows_drawn"])
        .mark_bar()
        .encode(
            x=alt.X("yearmonth(month):O", title=None, axis=alt.Axis(labelAngle=0, format="%b")),
            y=alt.Y("count():Q", title="rows"),
            color=alt.Color("label:N", scale=LABEL_COLOUR, sort=LABELS, title=None),
            order=alt.Order("label:N"),
            tooltip=["yearmonth(month):O", "label:N", "count():Q"],
        ),
        height=260,
    )


def confusion(readings: Mapping[str, Any]) -> Any:
    base = _over(readings["feedback"]["confusion"]).encode(
        x=alt.X("label:N", sort=LABELS, title="label in the database", axis=alt.Axis(labelAngle=-30)),
        y=alt.Y("expected:N", sort=LABELS, title="by hand"),
        tooltip=["expected:N", "label:N", "rows:Q"],
    )
    cells = base.mark_rect(cornerRadius=3).encode(
        color=alt.Color("rows:Q", scale=alt.Scale(range=["#4f8edc33", "#2f6fc4"]), legend=None)
    )
    counts = base.mark_text(fontWeight="bold").encode(text="rows:Q")
    return _sized(cells + counts, height=300)


def stars(readings: Mapping[str, Any]) -> Any:
    rated = [row for row in readings["feedback"]["rows_drawn"] if row["stars"]]
    return _sized(
        _over(rated)
        .mark_bar()
        .encode(
            y=alt.Y("label:N", sort=LABELS, title=None),
            x=alt.X("count():Q", stack="normalize", title="share of rows", axis=alt.Axis(format="%")),
            color=alt.Color("stars:O", scale=alt.Scale(scheme="redyellowgreen"), title="stars"),
            tooltip=["label:N", "stars:O", "count():Q"],
        ),
        height=230,
    )


def by_product(readings: Mapping[str, Any]) -> Any:
    return _sized(
        _over(readings["feedback"]["rows_drawn"])
        .mark_bar()
        .encode(
            y=alt.Y("product:N", sort="-x", title=None),
            x=alt.X("count():Q", title="rows"),
            color=alt.Color("label:N", scale=LABEL_COLOUR, sort=LABELS, legend=None),
            order=alt.Order("label:N"),
            tooltip=["product:N", "label:N", "count():Q"],
        ),
        height=300,
    )


def ticket_times(readings: Mapping[str, Any]) -> Any:
    parts = [
        {"case": f"case {ticket['case']}", "part": part, "ms": milliseconds, "tool calls": ticket["tool_calls"]}
        for ticket in readings["tickets"]
        for part, milliseconds in ((MODEL, ticket["model_ms"]), (REST, ticket["overhead_ms"]))
    ]
    return _sized(
        _over(parts)
        .mark_bar(cornerRadiusEnd=3)
        .encode(
            y=alt.Y("case:N", title=None),
            x=alt.X("ms:Q", title="milliseconds"),
            color=alt.Color("part:N", scale=alt.Scale(domain=[MODEL, REST], range=["#b07cd8", "#4f8edc"]), title=None),
            tooltip=["case:N", "part:N", "ms:Q", "tool calls:Q"],
        ),
        height=220,
    )


def _over(rows: list[dict[str, Any]]) -> Any:
    return alt.Chart(alt.Data(values=rows))  # type: ignore[no-untyped-call]  # generated code without annotations


def _sized(chart: Any, *, height: int) -> Any:
    return chart.properties(width="container", height=height, background="transparent")


CHARTS = (
    Chart("Feedback by category", "Bars: what the database holds. Marks: what a careful reader counted.", by_category),
    Chart("Feedback by month", "Stored rows by the date their writers gave them.", by_month),
    Chart("Where labels differ", "Off the diagonal the label is not the one given by hand.", confusion),
    Chart("Stars by category", "What people who complain of it also think of the product.", stars),
    Chart("Time a ticket takes", "From the ticket's row in its table to its outcome in the ledger.", ticket_times),
    Chart("Feedback by product", "Stored rows by the label each got; colours as above.", by_product),
)
