"""`make quality`: every task on public data, beside whoever always gives the most frequent answer.

    python -m bench.quality [--sets "telecom chat" ...] [--limit 100]

Offline the stand-in of the local endpoint answers; no figure here says anything about a model. The rows go through the
tagger's own reading, packing, asking and agreement check, as with `deskhand feedback evaluate`; that asks AWS too.

Results: bench/results/quality.json, and pages in build/quality/. A run of some sets keeps the others' figures;
``--limit`` writes no results.
"""

import argparse
import html
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.quality.reading import read_emails
from bench.quality.sets import DATA_SETS, LABEL, DataSet
from bench.running_task import machine
from bench.tagger.dataset import NoData
from cli.asked_models import STAND_IN, Wish, ask_models
from cli.quality import labelled_file
from services.feedback_tagger.domain.headers import Headers
from services.feedback_tagger.evaluation.labelled import drawn
from services.feedback_tagger.evaluation.report import Report, as_html, model_as_json, table
from services.feedback_tagger.evaluation.run import question_of
from services.feedback_tagger.tasks import TASKS
from shared.model.prices import PRICES

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results" / "quality.json"
PAGES = ROOT / "build" / "quality"
ROWS_PER_PROMPT = 20


def main() -> int:
    options = _arguments()
    PAGES.mkdir(parents=True, exist_ok=True)
    print(STAND_IN, flush=True)
    found: dict[str, Any] = {}
    for data in DATA_SETS:
        if options.sets and data.name not in options.sets:
            continue
        print(data.name, flush=True)
        try:
            found[data.name] = _measured(data, options.limit)
        except NoData as missing:
            print(f"  left out: {missing}", flush=True)
            found[data.name] = {"left_out": str(missing)}
            continue
        for name, figures in found[data.name]["fields"].items():
            print(f"  {name}: {_line(figures)}", flush=True)
    if options.limit is None:
        # What no model is in is counted whenever all is.
        _write(found, None if options.sets else _reading())
    return 1 if any("left_out" in each for each in found.values()) else 0


def _measured(data: DataSet, limit: int | None) -> dict[str, Any]:
    task = TASKS.named(data.task)
    file = PAGES / f"{_slug(data.name)}{data.suffix}"
    data.write(file)
    labelled = labelled_file(file, Headers(), task, LABEL)
    question = question_of(task, drawn(labelled.rows, limit), judge=data.judge)
    wish = Wish(models=(), rows_per_prompt=ROWS_PER_PROMPT, offline=True, logs=PAGES / "logs")
    (result,) = ask_models(wish, question, lambda line: print(line, flush=True))
    report = Report(
        file=data.name,
        task=data.task,
        label=data.about,
        source=wish.source,
        stand_in=wish.stand_in,
        unlabelled=labelled.unlabelled,
        rejected=labelled.rejected,
        prices_as_of=PRICES.as_of.isoformat(),
        models=(replace(result, model_id="stand-in"),),
    )
    (PAGES / f"{_slug(data.name)}.html").write_text(as_html(report), encoding="utf-8")
    return {"task": data.task, "data": data.about, "rejected": labelled.rejected, **model_as_json(result)}


def _reading() -> dict[str, Any]:
    try:
        found = read_emails()
    except NoData as missing:
        return {"left_out": str(missing)}
    print(f"raw e-mails: {found['read']} of {found['emails']} can be read, {found['ms_each']} ms each")
    return found


def _write(found: Mapping[str, Any], emails_read: Mapping[str, Any] | None) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    written_before = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    before = written_before.get("sets", {})
    sets = {data.name: {**before, **found}[data.name] for data in DATA_SETS if data.name in {**before, **found}}
    written = {
        "command": " ".join(["python -m bench.quality", *sys.argv[1:]]),
        "machine": machine(),
        "stand_in": STAND_IN,
        "sets": sets,
        "emails_read": written_before.get("emails_read") if emails_read is None else emails_read,
    }
    RESULTS.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (PAGES / "index.html").write_text(_index(sets), encoding="utf-8")
    print(f"\n  {RESULTS.relative_to(ROOT)}\n  {(PAGES / 'index.html').relative_to(ROOT)}")


def _index(sets: Mapping[str, Any]) -> str:
    rows = [
        (name, each["task"], field, str(figures["rows"]), *_shown(figures))
        for name, each in sets.items()
        for field, figures in each.get("fields", {}).items()
    ]
    head = (
        "data",
        "task",
        "field",
        "rows",
        "accuracy",
        "majority",
        "no answer",
        "right if answered",
        "majority of those",
    )
    about = {name: html.escape(each.get("data") or each["left_out"]) for name, each in sets.items()}
    links = "".join(
        f'<li><a href="{_slug(name)}.html">{html.escape(name)}</a>: {said}</li>' for name, said in about.items()
    )
    style = (
        ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:1120px;margin:32px auto;"
        "padding:0 20px}table{border-collapse:collapse}th,td{padding:6px 12px;text-align:left;"
        "border-bottom:1px solid #8884}.n{text-align:right}.wide{overflow-x:auto}"
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Quality on public data</title>'
        f'<link rel="icon" href="data:,"><style>{style}</style><h1>Quality on public data</h1>'
        f"<p><strong>No model answered.</strong> {html.escape(STAND_IN)}</p>"
        f"{table(head, rows, figures_from=3)}<ul>{links}</ul></html>\n"
    )


def _shown(figures: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    return (
        _percent(figures["accuracy"]),
        _percent((figures["majority"] or {}).get("accuracy")),
        _percent(figures["unknown_rate"]),
        _percent(figures["accuracy_of_answered"]),
        _percent(figures["majority_of_answered"]),
    )


def _line(figures: Mapping[str, Any]) -> str:
    accuracy, majority, unknown, answered, majority_there = _shown(figures)
    return (
        f"{accuracy} of {figures['rows']} right (always the most frequent: {majority}); "
        f"no answer {unknown}, right if answered {answered} (there {majority_there})"
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", choices=[data.name for data in DATA_SETS])
    parser.add_argument("--limit", type=int, help="rows of each set; writes no results")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
