"""Rules of the layout that an import contract cannot state: what may be imported at all, and what is never named."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("shared", "services")
CODE = (*SHIPPED, "local", "cli")

# Decisions: they know the standard library and each other, so that a test needs nothing but arguments.
PURE = (
    "shared/backoff.py",
    "shared/clock.py",
    "shared/errors.py",
    "shared/model/allowance.py",
    "shared/model/lanes.py",
    "shared/model/port.py",
    "shared/model/prices.py",
    "shared/model/quota.py",
    "shared/model/tokens.py",
    "shared/queue/message.py",
    "shared/stream/leases.py",
    "shared/stream/lineage.py",
    "shared/stream/record.py",
    "services/*/domain/*.py",
    "services/*/planner/*.py",
)
# These run before anything is installed, or under a Python that is not ours.
ALONE = ("local/environments.py", "local/leash.py")
# What a service runs against is configuration: code that names the stand-in behaves differently there.
STAND_INS = re.compile(
    r"ministack|moto\b|localstack|emulat|embedded cloud|local bedrock|stand-in|if local|//localhost|localhost:", re.I
)


def files(*patterns: str) -> list[Path]:
    return sorted({path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()})


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield f"{'.' * node.level}{node.module or ''}"


def is_standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", files(*PURE), ids=named)
def test_a_decision_imports_the_standard_library_and_other_decisions_only(path: Path) -> None:
    pure = {module_name(other) for other in files(*PURE)}

    assert [module for module in imported_modules(path) if not is_standard(module) and module not in pure] == []


@pytest.mark.parametrize("path", files(*ALONE), ids=named)
def test_what_runs_before_the_set_up_imports_the_standard_library_only(path: Path) -> None:
    assert [module for module in imported_modules(path) if not is_standard(module)] == []


@pytest.mark.parametrize("folder", SHIPPED)
def test_what_ships_names_no_stand_in(folder: str) -> None:
    texts = (path for path in files(f"{folder}/**/*") if path.suffix not in {".pyc", ".so"})
    mentions = [
        f"{named(path)}:{number}: {line.strip()}"
        for path in texts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if STAND_INS.search(line)
    ]

    assert mentions == []


def test_every_module_opens_with_its_one_job() -> None:
    silent = [
        named(path)
        for path in files(*(f"{folder}/**/*.py" for folder in CODE))
        if (tree := ast.parse(path.read_text(encoding="utf-8"))).body and not ast.get_docstring(tree)
    ]

    assert silent == []


def test_only_an_entry_point_reads_the_environment() -> None:
    readers = [
        named(path)
        for path in files(*(f"{folder}/**/*.py" for folder in SHIPPED))
        if re.search(r"\bos\.(environ|getenv)\b", path.read_text(encoding="utf-8")) and path.name != "__main__.py"
    ]

    assert readers == []


def test_the_rules_above_find_their_files() -> None:
    """A pattern that matches nothing, after a file was renamed, would pass for ever."""
    assert [pattern for pattern in (*PURE, *ALONE) if not files(pattern)] == []
