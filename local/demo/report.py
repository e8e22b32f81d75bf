"""The demo's report: one HTML file with its charts and its chart library inside, so that it opens offline.

python -m local.demo.report READINGS.json REPORT.html
"""

import html
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import vl_convert

from local.demo.charts import CHARTS

TEMPLATE = Path(__file__).with_name("report.html")


def main() -> None:
    source, target = map(Path, sys.argv[1:3])
    readings = json.loads(source.read_text(encoding="utf-8"))
    library = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its argument is optional, against its stub
    target.write_text(report(readings, library), encoding="utf-8")


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
        "new_category": _new_category(readings.get("new_category")),
        "tasks": _table(
            ("task", "file", "finds", "rows", "stored", "no model asked", "as by hand"),
            [_task(task) for task in readings.get("tasks", ())],
            right=3,
        ),
        "task_examples": "".join(_examples(task) for task in readings.get("tasks", ())),
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


def _new_category(category: Mapping[str, Any] | None) -> str:
    if category is None:
        return '<p class="lead">None was accepted in this run.</p>'
    said = (
        f"Discovery found rows without a category that are about one subject and proposed “{category['proposed']}”. "
        f"Accepted as “{category['accepted']}”, it changed {category['changed']} rows: {category['changed_planted']} "
        f"of the {category['planted']} planted ones, and {category['changed_with_a_label']} that had a category."
    )
    rows = [
        [html.escape(label), str(category["before"].get(label, 0)), str(rows)]
        for label, rows in category["after"].items()
    ]
    return f'<p class="lead">{html.escape(said)}</p>' + _table(("label", "rows before", "rows after"), rows, right=1)


def _task(task: Mapping[str, Any]) -> list[str]:
    figures = [task["rows"], task["stored"], task["known"], f"{task['right']} of {task['by_hand']}"]
    return [html.escape(str(cell)) for cell in (task["task"], task["file"], task["what"], *figures)]


def _examples(task: Mapping[str, Any]) -> str:
    shown = "".join(f"<li>{html.escape(example)}</li>" for example in task["examples"])
    return f'<p class="lead">{html.escape(task["task"])}, for example:</p><ul class="lead">{shown}</ul>'


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
