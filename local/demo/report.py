"""The demo's report: one HTML file with its charts and its chart library inside, so that it opens offline.

python -m local.demo.report READINGS.json REPORT.html
"""

import html
import json
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import vl_convert

from local.demo.charts import CHARTS
from local.demo.sections import change, examples, stories, sum_of_rows

TEMPLATE = Path(__file__).with_name("report.html")
LIBRARIES = Path(__file__).resolve().parents[2] / "build" / "charts"


def main() -> None:
    source, target = map(Path, sys.argv[1:3])
    readings = json.loads(source.read_text(encoding="utf-8"))
    target.write_text(report(readings, chart_library(LIBRARIES)), encoding="utf-8")


def chart_library(folder: Path) -> str:
    """The script that draws charts. Bundling it takes seconds and gives the same each time, so it is done once."""
    file = folder / f"vega-{version('vl-convert-python')}.js"
    if not file.exists():
        library = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its argument is optional, against its stub
        folder.mkdir(parents=True, exist_ok=True)
        # Under another name first: a demo that is stopped here must not leave the next one half a library.
        begun = file.with_suffix(f".{os.getpid()}")
        begun.write_text(library, encoding="utf-8")
        begun.replace(file)
    return file.read_text(encoding="utf-8")


def report(readings: Mapping[str, Any], library: str) -> str:
    """The whole page; ``library`` is the script that defines ``vegaEmbed``."""
    charts = [(chart.title, chart.note, chart.draw(readings).to_dict()) for chart in CHARTS]
    specs = {f"chart-{number}": spec for number, (_, _, spec) in enumerate(charts)}
    figures = "\n".join(
        f"<figure><figcaption><h3>{html.escape(title)}</h3><p>{html.escape(note)}</p></figcaption>"
        f'<div class="chart" id="chart-{number}"></div></figure>'
        for number, (title, note, _) in enumerate(charts)
    )
    feedback = readings["feedback"]
    filled = {
        "verdict": _verdict(readings["problems"]),
        "tiles": _tiles(readings),
        "tickets": _table(
            ("case", "employee", "outcome", "", "owner", "tool calls", "ms without model", "ms in model"),
            [_ticket(ticket) for ticket in readings["tickets"]],
            right=5,
        ),
        "categories": _table(
            ("category", "rows", "share", "by hand", "accuracy"),
            [_category(score, feedback["stored"]) for score in feedback["categories"]],
            right=1,
        ),
        "stories": stories(readings["tickets"]),
        "sum_of_rows": sum_of_rows(feedback),
        "new_category": change(readings.get("new_category")),
        "tasks": _table(
            ("task", "file", "finds", "rows", "stored", "no model asked", "as by hand"),
            [_task(task) for task in readings.get("tasks", ())],
            right=3,
        ),
        "task_examples": examples(readings.get("tasks", ())),
        "figures": figures,
        "stand_in": html.escape(readings["stand_in"]),
        # A closing tag inside a script would end it, wherever it stands.
        "specs": json.dumps(specs).replace("</", "<\\/"),
        "library": library.replace("</script", "<\\/script"),
    }
    page = TEMPLATE.read_text(encoding="utf-8")
    for name, text in filled.items():
        page = page.replace("{{ " + name + " }}", text)
    return page


def _verdict(problems: Sequence[str]) -> str:
    if not problems:
        return '<p class="verdict good">Every ticket ended as expected, and every row is accounted for.</p>'
    listed = "".join(f"<li>{html.escape(problem)}</li>" for problem in problems)
    return f'<div class="verdict bad"><p>The demo did not come out as it should.</p><ul>{listed}</ul></div>'


def _tiles(readings: Mapping[str, Any]) -> str:
    feedback, tickets = readings["feedback"], readings["tickets"]
    right = sum(ticket["as_expected"] for ticket in tickets)
    tiles = (
        (f"{right} of {len(tickets)}", "tickets ended as expected"),
        (f"{feedback['stored']}", f"of {feedback['rows']} feedback rows stored"),
        (f"{feedback['rejected']}", "rows rejected, each with its reason"),
        (f"{feedback['accuracy']:.0%}", "of labels as a careful reader gave them"),
        (f"{readings['notifications']}", "notifications received"),
        (f"{readings['seconds']:.0f} s", "from nothing running to the last outcome"),
    )
    return "\n".join(
        f'<div class="tile"><strong>{html.escape(figure)}</strong><span>{html.escape(what)}</span></div>'
        for figure, what in tiles
    )


def _ticket(ticket: Mapping[str, Any]) -> list[str]:
    mark = '<span class="yes">as expected</span>'
    if not ticket["as_expected"]:
        mark = f'<span class="no">expected: {html.escape(ticket["expected"])}</span>'
    plain = [ticket["outcome"], mark, ticket["owner"], ticket["tool_calls"], ticket["overhead_ms"], ticket["model_ms"]]
    cells = [ticket["case"], ticket["employee"], *plain]
    return [cell if cell is mark else html.escape(str(cell)) for cell in cells]


def _category(score: Mapping[str, Any], stored: int) -> list[str]:
    accuracy = score["accuracy"]
    return [
        html.escape(score["label"]),
        str(score["stored"]),
        f"{score['stored'] / stored:.1%}" if stored else "",
        str(score["expected"]),
        "" if accuracy is None else f"{accuracy:.1%}",
    ]


def _task(task: Mapping[str, Any]) -> list[str]:
    figures = [task["rows"], task["stored"], task["known"], f"{task['right']} of {task['by_hand']}"]
    return [html.escape(str(cell)) for cell in (task["task"], task["file"], task["what"], *figures)]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: int) -> str:
    """``right`` is the first column of figures."""
    columns = "".join(f"<th{' class=n' if number >= right else ''}>{name}</th>" for number, name in enumerate(head))
    body = "".join(
        "<tr>"
        + "".join(f"<td{' class=n' if number >= right else ''}>{cell}</td>" for number, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>'


if __name__ == "__main__":
    main()
