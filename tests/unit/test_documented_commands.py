"""What the documents tell people to type exists: commands, options and choices of ours, operations of AWS, links."""

import re
from collections.abc import Iterator, Sequence
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import typer
from botocore import xform_name
from botocore.exceptions import UnknownServiceError

from cli.app import app
from tests.support.documented import DOCUMENTS, ROOT, Line, anchors_of, commands, lines_of

LINES = [line for path in DOCUMENTS for line in lines_of(path)]
COMMANDS_OF_THE_CLI_ALONE = {
    ("ecr", "get-login-password"),
    ("logs", "tail"),
    ("s3", "cp"),
    ("s3", "sync"),
    ("s3", "ls"),
}
OPTIONS_OF_THE_CLI = {"query", "output", "region", "profile", "endpoint-url", "max-items", "starting-token"}
# What the CLI calls otherwise than the SDK's model: an address of ours would look like AWS's own.
RENAMED = {"notification-endpoint": "endpoint"}


def found(*names: str) -> list[tuple[Line, list[str]]]:
    return [(line, words) for line in LINES for words in commands(line, *names)]


OURS = found("deskhand", ".venv/bin/deskhand")
AWS = found("aws")
SCRIPTS = [(line, words) for line, words in found("python") if words and words[0].startswith("infra/")]


def named(places: Sequence[tuple[Line, list[str]]]) -> list[Any]:
    return [pytest.param(line, words, id=f"{line.place} {' '.join(words)[:60]}") for line, words in places]


def is_placeholder(word: str) -> bool:
    return word.isupper() or word.startswith("$")


def command_of(words: list[str]) -> Any:
    """The command that ``words`` begin with, which are taken off; a text where there is none."""
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands") and not words[0].startswith("-") and words[0] != "...":
        # approve|decline|reassign: one line about several commands that take the same.
        names = words.pop(0).split("|")
        if unknown := [name for name in names if name not in command.commands]:
            return f"no command {unknown}"
        command = command.commands[names[0]]
    return command


def choices_of(option: Any) -> list[str]:
    annotation = option.type_descriptor.annotation
    if not (isinstance(annotation, type) and issubclass(annotation, Enum)):
        return []
    return [str(each.value) for each in annotation]


def misfits(line: Line, words: Sequence[str]) -> Iterator[str]:
    """What ``deskhand`` would not take of ``words``."""
    rest = [word for raw in words if (word := raw.strip("[],")) and word != "..."]
    command = command_of(rest)
    if isinstance(command, str):
        yield command
        return
    if hasattr(command, "commands"):
        if line.whole:
            yield f"{command.name} is a group of commands"
        return
    options = {name: each for each in command.params for name in each.opts if name.startswith("--")}
    given: dict[str, str] = {}
    arguments = 0
    while rest:
        name, _, value = rest.pop(0).partition("=")
        if not name.startswith("--"):
            arguments += 1
            continue
        takes_value = name in options and not options[name].is_flag and not value
        given[name] = rest.pop(0) if takes_value and rest else value
    yield from (f"no option {name}" for name in given if name not in options and name != "--help")
    for name, option in options.items():
        value = given.get(name, "")
        if name in given and not option.is_flag and not value and "..." not in words:
            yield f"{name} without a value"
        if value and (choices := choices_of(option)) and value not in choices and not is_placeholder(value):
            yield f"{name} takes {choices}"
    yield from _too_many_or_too_few(command, options, given, arguments, whole=line.whole and "..." not in words)


def _too_many_or_too_few(command: Any, options: Any, given: Any, arguments: int, *, whole: bool) -> Iterator[str]:
    taken = [each for each in command.params if each.param_type_name == "argument"]
    if arguments > len(taken):
        yield f"takes {len(taken)} arguments"
    if whole and arguments < sum(each.required for each in taken):
        yield "an argument is missing"
    if whole and (missing := [name for name, each in options.items() if each.required and name not in given]):
        yield f"needs {missing}"


@pytest.mark.parametrize(("line", "words"), named(OURS))
def test_a_command_in_a_document_is_one_of_ours(line: Line, words: list[str]) -> None:
    assert list(misfits(line, words)) == []


@cache
def operations_of(service: str) -> dict[str, set[str]]:
    """Option names by operation, as the AWS CLI makes them of the SDK's model."""
    model = botocore.session.get_session().get_service_model({"s3api": "s3"}.get(service, service))
    operations = {}
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        members = shape.members if shape else {}
        options = {xform_name(member, "-") for member in members}
        switches = {f"no-{xform_name(member, '-')}" for member, each in members.items() if each.type_name == "boolean"}
        operations[xform_name(name, "-")] = options | switches
    return operations


@pytest.mark.parametrize(("line", "words"), named([each for each in AWS if len(each[1]) > 1]))
def test_an_aws_command_in_a_document_is_one_that_the_sdk_knows(line: Line, words: list[str]) -> None:
    service, operation, *rest = words
    if (service, operation) in COMMANDS_OF_THE_CLI_ALONE:
        return
    try:
        operations = operations_of(service)
    except UnknownServiceError:
        pytest.fail(f"{line.place}: AWS has no service {service}")
    assert operation in operations, f"{line.place}: {service} has no {operation}"
    options = {RENAMED.get(word[2:], word[2:]) for word in rest if word.startswith("--")}
    assert options <= operations[operation] | OPTIONS_OF_THE_CLI, line.place


@pytest.mark.parametrize(("line", "words"), named(SCRIPTS))
def test_a_script_of_the_pipeline_takes_the_options_that_a_document_gives_it(line: Line, words: list[str]) -> None:
    taken = set(re.findall(r'add_argument\("(--[a-z-]+)"', (ROOT / words[0]).read_text(encoding="utf-8")))

    assert {word for word in words if word.startswith("--")} <= taken, line.place


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_link_leads_to_a_file_and_to_a_heading_in_it(path: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors_of(target)):
            broken.append(link)

    assert broken == []


def test_the_documents_are_read() -> None:
    assert len(OURS) > 40
    assert len(AWS) > 40
    assert len(SCRIPTS) > 4


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("deskhand tickets send --wait 3", "no command ['send']"),
        ("deskhand tickets show", "an argument is missing"),
        ("deskhand tickets show T-1 T-2", "takes 1 arguments"),
        ("deskhand tickets show T-1 --speed 3", "no option --speed"),
        ("deskhand tickets submit --file x", "needs ['--employee']"),
        ("deskhand feedback upload FILE --cloud mars", "--cloud takes ['auto', 'local', 'aws']"),
        ("deskhand tickets", "tickets is a group of commands"),
        ("A=b deskhand tickets show T-1 --json | jq .x --slurp   # --not-ours", None),
    ],
)
def test_a_command_that_is_none_is_found(text: str, problem: str | None) -> None:
    line = Line("here", text, whole=True)
    (words,) = commands(line, "deskhand")

    assert next(misfits(line, words), None) == problem
