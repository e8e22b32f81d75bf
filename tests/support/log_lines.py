"""The lines that our code writes to its log, read from the source: every event, its place, its fields."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEVELS = ("debug", "info", "warning", "error", "exception", "critical")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One call of a logger. ``event`` is None where it is no constant."""

    event: str | None
    level: str
    fields: frozenset[str]
    place: str


def log_lines(*parts: str) -> list[LogLine]:
    """Every line under these folders of the repository."""
    trees = {
        file: ast.parse(file.read_text(encoding="utf-8"))
        for part in parts
        for file in sorted((ROOT / part).rglob("*.py"))
    }
    named = _names(trees.values())
    return [line for file, tree in trees.items() for line in _lines(tree, str(file.relative_to(ROOT)), named)]


def _lines(tree: ast.Module, file: str, named: Mapping[str, frozenset[str]]) -> Iterator[LogLine]:
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        function = call.func
        if not (isinstance(function, ast.Attribute) and function.attr in LEVELS):
            continue
        if not (isinstance(function.value, ast.Name) and function.value.id == "log"):
            continue
        fields = {keyword.arg for keyword in call.keywords if keyword.arg}
        for spread in (keyword.value for keyword in call.keywords if keyword.arg is None):
            # **spent_as_logged(answers), and **{name: ... for name in LOGGED}: what the names stand for.
            for name in (node.id for node in ast.walk(spread) if isinstance(node, ast.Name)):
                fields |= named.get(name, frozenset())
        first = call.args[0]
        event = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
        yield LogLine(event, function.attr, frozenset(fields), f"{file}:{call.lineno}")


def _names(trees: Iterable[ast.Module]) -> dict[str, frozenset[str]]:
    """Constants that are tuples of texts, and the keys of what functions return."""
    found: dict[str, frozenset[str]] = {}
    for tree in trees:
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found[node.targets[0].id] = _texts(node.value)
            elif isinstance(node, ast.FunctionDef):
                found[node.name] = frozenset().union(
                    *(
                        _texts(ast.Tuple([key for key in returned.value.keys if key is not None]))
                        for returned in ast.walk(node)
                        if isinstance(returned, ast.Return) and isinstance(returned.value, ast.Dict)
                    )
                )
    return found


def _texts(node: ast.AST) -> frozenset[str]:
    parts = node.elts if isinstance(node, ast.Tuple | ast.List) else []
    return frozenset(part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str))
