"""`deskhand policy`: what a policy file decides, before it ships; asks no model and no cloud."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.cloud import JsonOption
from cli.errors import UserError, refuse
from cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from services.ticket_agent.policy.guard import Guard
    from services.ticket_agent.policy.trial import Difference, Question, Ruling

SAME, DIFFERS, UNUSABLE = 0, 1, 2

policy = typer.Typer(help="Try a policy of the ticket agent before it ships.", no_args_is_help=True)


@policy.command("test")
def try_out(
    file: Annotated[Path | None, typer.Option("--policy", help="The policy to try; else the one that ships.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Decide every case of the ground truth, and show which decisions change and which are not the expected ones.

    Status 0: every case is decided as expected and the prose says the same; 1: some are not; 2: no usable policy.
    """
    from services.ticket_agent.evaluation.cases import read_ground_truth  # noqa: PLC0415 (Cedar: slow to load)
    from services.ticket_agent.evaluation.questions import questions  # noqa: PLC0415
    from services.ticket_agent.policy.prose import contradictions, stated_in_package  # noqa: PLC0415
    from services.ticket_agent.policy.trial import differences, rule  # noqa: PLC0415

    shipped = _guard(None)
    tried = shipped if file is None else _guard(file)
    asked = list(questions(read_ground_truth()))
    wrong = [
        (question, got) for question in asked if (got := rule(tried, question.facts)).course is not question.expected
    ]
    changed = list(differences(shipped, tried, asked))
    prose = list(contradictions(tried, stated_in_package()))
    if as_json:
        print_json(
            {
                "policy": tried.version,
                "shipped": shipped.version,
                "cases": len(asked),
                "changed": [_as_document(difference) for difference in changed],
                "unexpected": [_as_wrong(question, got) for question, got in wrong],
                "prose": prose,
            }
        )
    else:
        _show_differences(changed)
        shown = {difference.question.name for difference in changed}
        _show_wrong((question, got) for question, got in wrong if question.name not in shown)
        for sentence in prose:
            say(f"access_policy.md: {sentence}")
        say(
            f"{len(asked)} cases: {len(asked) - len(wrong)} as expected, {len(changed)} decided otherwise than by the "
            f"shipped policy {shipped.version}; this is {tried.version}"
        )
    raise typer.Exit(DIFFERS if wrong or prose else SAME)


@policy.command()
def diff(
    old: Annotated[Path, typer.Argument(help="A policy file.")],
    new: Annotated[Path, typer.Argument(help="Another one.")],
    as_json: JsonOption = False,
) -> None:
    """Show which decisions differ between two policy files: the ground truth, and the facts around every boundary.

    The boundaries follow from the numbers that either file names. Status 0: none differs; 1: some do; 2: unusable.
    """
    from services.ticket_agent.evaluation.cases import read_ground_truth  # noqa: PLC0415 (Cedar: slow to load)
    from services.ticket_agent.evaluation.questions import questions  # noqa: PLC0415
    from services.ticket_agent.policy.trial import boundary_questions, differences  # noqa: PLC0415

    before, after = _guard(old), _guard(new)
    asked = [*questions(read_ground_truth()), *boundary_questions(_read(old), _read(new))]
    changed = list(differences(before, after, asked))
    if as_json:
        print_json(
            {
                "old": before.version,
                "new": after.version,
                "facts": len(asked),
                "changed": [_as_document(difference) for difference in changed],
            }
        )
    else:
        _show_differences(changed)
        say(f"{len(changed)} of {len(asked)} decisions differ between {before.version} and {after.version}")
    raise typer.Exit(DIFFERS if changed else SAME)


def _guard(file: Path | None) -> "Guard":
    """The policy of ``file``, or the one that ships; ends the command where it cannot be used."""
    try:
        from services.ticket_agent.policy.guard import BadPolicy, Guard  # noqa: PLC0415
    except ImportError as missing:
        raise UserError(f"{missing.name} is not installed", "install deskhand with the extra ticket-agent") from None
    if file is None:
        return Guard.from_package()
    try:
        return Guard.with_policy(_read(file))
    except (BadPolicy, ValueError) as error:
        refuse(
            UserError(f"{file} is no usable policy ({error})", "see services/ticket_agent/policy/access.cedarschema")
        )
        raise typer.Exit(UNUSABLE) from None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        refuse(UserError(f"{file} cannot be read ({error})", "name a policy file in Cedar, as UTF-8 text"))
        raise typer.Exit(UNUSABLE) from None


def _show_differences(changed: Sequence["Difference"]) -> None:
    if changed:
        rows = [
            (each.question.name, each.question.about, _said(each.before), _said(each.after), _mark(each))
            for each in changed
        ]
        print_table(("case", "about", "before", "after", "right?"), rows, title="decided otherwise")


def _show_wrong(wrong: Iterable[tuple["Question", "Ruling"]]) -> None:
    rows = [(question.name, question.about, question.expected, _said(got)) for question, got in wrong]
    if rows:
        print_table(("case", "about", "expected", "decided"), rows, title="not as expected")


def _said(ruling: "Ruling") -> str:
    return f"{ruling.course} ({', '.join(ruling.policies)})" if ruling.policies else str(ruling.course)


def _mark(difference: "Difference") -> str:
    expected = difference.question.expected
    return "" if expected is None else "yes" if difference.after.course is expected else f"no: {expected}"


def _as_document(difference: "Difference") -> dict[str, Any]:
    return {
        "case": difference.question.name,
        "about": difference.question.about,
        "before": {"course": difference.before.course, "policies": difference.before.policies},
        "after": {"course": difference.after.course, "policies": difference.after.policies},
        "expected": difference.question.expected,
    }


def _as_wrong(question: "Question", got: "Ruling") -> dict[str, Any]:
    return {"case": question.name, "about": question.about, "expected": question.expected, "decided": got.course}
