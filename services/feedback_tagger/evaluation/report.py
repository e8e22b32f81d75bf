"""The quality report: rows for a table, a JSON document, and one HTML page that needs nothing else."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from services.feedback_tagger.domain.spent import NANO
from services.feedback_tagger.evaluation.metrics import ClassFigures, Figures, percentile
from services.feedback_tagger.evaluation.run import FieldResult, ModelResult

COLUMNS = (
    "model",
    "field",
    "rows",
    "accuracy",
    "majority",
    "macro F1",
    "no answer",
    "if answered",
    "majority there",
)
CLASS_COLUMNS = ("class", "rows", "given", "right", "precision", "recall", "F1")
MOST_IN_MATRIX = 40
MOST_CONFUSIONS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """``file`` is the name of what was judged by; ``stand_in`` is the sentence that says that no model answered, empty
    where one did."""

    file: str
    task: str
    label: str
    source: str
    stand_in: str
    unlabelled: int
    rejected: int
    prices_as_of: str
    models: tuple[ModelResult, ...]


def as_rows(report: Report) -> list[tuple[str, ...]]:
    """One row a model and field, in the order of COLUMNS."""
    return [
        (
            model.model_id,
            each.name,
            str(each.figures.rows),
            percent(each.figures.accuracy),
            majority_text(each.figures),
            "" if each.open else _decimal(each.figures.macro_f1),
            percent(each.figures.unknown_rate),
            percent(each.figures.accuracy_of_answered),
            percent(each.figures.majority_of_answered),
        )
        for model in report.models
        for each in model.fields
    ]


def class_rows(figures: Figures) -> list[tuple[str, ...]]:
    """One row a class, in the order of CLASS_COLUMNS."""
    return [
        (
            each.name or "(nothing)",
            str(each.support),
            str(each.given),
            str(each.right),
            percent(each.precision),
            percent(each.recall),
            _decimal(each.f1),
        )
        for each in figures.classes
    ]


def as_sentences(report: Report) -> list[str]:
    """What it cost and how it went, a sentence or two a model."""
    said: list[str] = []
    for model in report.models:
        p50, p99 = percentile(model.latencies_ms, 0.5), percentile(model.latencies_ms, 0.99)
        spent = model.spent
        latency = "" if p50 is None or p99 is None else f", p50 {p50:.0f} ms and p99 {p99:.0f} ms a call"
        said.append(
            f"{model.model_id}: {model.rows} rows in {spent.calls} calls ({model.known} rows needed none, "
            f"{model.refused} were refused){latency}; {spent.input_tokens} tokens in, {spent.output_tokens} out, "
            f"{dollars(model)} by prices of {report.prices_as_of}"
        )
        said += [
            f"{model.model_id}: {each.agreed} of {each.checked} rows kept their answer when asked again alone, "
            f"at {each.rows_per_prompt} rows a prompt"
            for each in model.agreement
            if each.checked
        ]
    if report.unlabelled or report.rejected:
        said.append(f"left out: {report.unlabelled} rows without a label, {report.rejected} that the tagger rejects")
    return said


def as_json(report: Report) -> dict[str, Any]:
    return {
        "file": report.file,
        "task": report.task,
        "label": report.label,
        "source": report.source,
        "stand_in": report.stand_in or None,
        "unlabelled": report.unlabelled,
        "rejected": report.rejected,
        "prices_as_of": report.prices_as_of,
        "models": [model_as_json(model) for model in report.models],
    }


def model_as_json(model: ModelResult) -> dict[str, Any]:
    return {
        "model": model.model_id,
        "rows_per_prompt": model.rows_per_prompt,
        "rows": model.rows,
        "known": model.known,
        "refused": model.refused,
        "fields": {each.name: field_as_json(each) for each in model.fields},
        "agreement": [asdict(each) for each in model.agreement],
        "calls": model.spent.calls,
        "throttles": model.spent.throttles,
        "input_tokens": model.spent.input_tokens,
        "output_tokens": model.spent.output_tokens,
        "usd": None if model.spent.unpriced_calls else model.spent.nano_usd / NANO,
        "latency_ms": {"p50": _rounded(model, 0.5), "p99": _rounded(model, 0.99)},
        "seconds": round(model.seconds, 2),
    }


def field_as_json(each: FieldResult) -> dict[str, Any]:
    figures = each.figures
    majority = figures.majority
    found: dict[str, Any] = {
        "rows": figures.rows,
        "right": figures.right,
        "accuracy": _short(figures.accuracy),
        "majority": None if majority is None else {"answer": majority[0], "accuracy": _short(majority[1])},
        "unknown_rate": _short(figures.unknown_rate),
        "accuracy_of_answered": _short(figures.accuracy_of_answered),
        "majority_of_answered": _short(figures.majority_of_answered),
    }
    if each.open:
        return found
    return found | {
        "macro_f1": _short(figures.macro_f1),
        "classes": [_class_as_json(one) for one in figures.classes],
        "confusion": [
            {"truth": truth, "answer": answer, "rows": rows}
            for (truth, answer), rows in sorted(figures.confusion.items())
        ],
    }


def as_html(report: Report) -> str:
    page = files(__package__).joinpath("report.html").read_text(encoding="utf-8")
    return Template(page).substitute(
        file=escape(report.file),
        task=escape(report.task),
        label=escape(report.label),
        source=escape(report.source),
        note=f'<p class="note"><strong>No model answered.</strong> {escape(report.stand_in)}</p>'
        if report.stand_in
        else "",
        sentences="".join(f"<li>{escape(sentence)}</li>" for sentence in as_sentences(report)),
        overview=table(COLUMNS, as_rows(report), figures_from=2),
        details="".join(_details(model) for model in report.models),
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, figures_from: int) -> str:
    """``figures_from`` is the first column of figures."""

    def cells(tag: str, texts: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=n' if number >= figures_from else ''}>{escape(text)}</{tag}>"
            for number, text in enumerate(texts)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{cells("th", head)}</tr></thead><tbody>{body}</tbody></table></div>'


def dollars(model: ModelResult) -> str:
    if model.spent.unpriced_calls:
        return "at an unknown price (the price file lacks the model)"
    return f"${model.spent.nano_usd / NANO:.4f}"


def percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def majority_text(figures: Figures) -> str:
    most = figures.majority
    return "" if most is None else percent(most[1])


def _details(model: ModelResult) -> str:
    parts = [f"<h2>{escape(model.model_id)}</h2>"]
    for each in model.fields:
        if each.open:
            continue
        parts.append(f"<h3>{escape(each.name)}</h3>")
        parts.append(table(CLASS_COLUMNS, class_rows(each.figures), figures_from=1))
        parts.append(
            _matrix(each.figures) if len(each.figures.classes) <= MOST_IN_MATRIX else _confusions(each.figures)
        )
    return "".join(parts)


def _matrix(figures: Figures) -> str:
    names = [each.name for each in figures.classes]
    head = "".join(f'<th class="up"><span>{escape(name or "(nothing)")}</span></th>' for name in names)
    rows = "".join(
        f"<tr><th>{escape(each.name or '(nothing)')}</th>{''.join(_cell(figures, each, name) for name in names)}</tr>"
        for each in figures.classes
        if each.support
    )
    return (
        '<p class="lead">Rows: the right answer. Columns: the answer given.</p><div class="wide">'
        f'<table class="matrix"><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _cell(figures: Figures, truth: ClassFigures, said: str) -> str:
    rows = figures.confusion.get((truth.name, said), 0)
    if not rows:
        return "<td></td>"
    kind = "hit" if truth.name == said else "miss"
    return f'<td class="n {kind}" style="--share:{rows / truth.support:.2f}">{rows}</td>'


def _confusions(figures: Figures) -> str:
    wrong = [(rows, truth, said) for (truth, said), rows in figures.confusion.items() if truth != said]
    most = sorted(wrong, key=lambda each: (-each[0], each[1], each[2]))[:MOST_CONFUSIONS]
    rows = [(truth, said, str(count)) for count, truth, said in most]
    return table(("right answer", "answer given", "rows"), rows, figures_from=2)


def _class_as_json(each: ClassFigures) -> dict[str, Any]:
    shares = {"precision": _short(each.precision), "recall": _short(each.recall), "f1": _short(each.f1)}
    return {**asdict(each), **shares}


def _rounded(model: ModelResult, share: float) -> float | None:
    value = percentile(model.latencies_ms, share)
    return None if value is None else round(value, 1)


def _short(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def _decimal(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
