"""What commands print: output on stdout (a table for people, JSON for programs), everything said about it on stderr."""

import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

PIPED_WIDTH = 120
# JSON itself escapes the others. These rewrite a terminal too, or are no text that it could be sent.
_UNPRINTED = re.compile("[\x7f-\x9f\ud800-\udfff]")


def printable(text: object) -> str:
    """Texts come from strangers: a control sequence in one could rewrite the reader's terminal."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _controls(character) else character for character in str(text))


def _controls(character: str) -> bool:
    return character not in "\n\t" and unicodedata.category(character) in {"Cc", "Cs"}


def console() -> Console:
    """No markup: ``[red]`` in a ticket is text. Made anew each time, as tests replace stdout."""
    width = None if sys.stdout.isatty() else PIPED_WIDTH
    return Console(markup=False, emoji=False, highlight=False, width=width)


def say(line: str) -> None:
    """One line on stderr, never wrapped: it may hold a path or a command to copy."""
    typer.echo(printable(line), err=True)


def print_json(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    typer.echo(_UNPRINTED.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str = "",
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> None:
    """``right`` names the columns of figures, ``whole`` those that are never broken: ids to copy."""
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        figures = name in right
        kept = figures or name in whole
        table.add_column(name, justify="right" if figures else "left", no_wrap=kept, overflow="fold")
    for row in rows:
        table.add_row(*(printable(cell) for cell in row))
    console().print(table)


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Name and value, one a line and never cut: a value may be a path or an address to copy."""
    shown = [(name, printable(value).strip()) for name, value in fields]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        typer.echo(f"{name:{width}}  {value}")
