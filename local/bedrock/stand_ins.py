"""Who answers a Converse request: the planner, one of those that judge rows, or a sentence that says what this is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from local.bedrock import emails, namer, pages, planner_variants, prompt, sentiment, slips, tagger, transcript
from local.bedrock.planner import Calls
from local.bedrock.prompt import TaggingPrompt
from local.bedrock.settings import ModelSettings

NAMESPACE = "deskhand-stand-in"
PLANNER, TAGGER, GREETER = f"{NAMESPACE}/planner", f"{NAMESPACE}/tagger", f"{NAMESPACE}/greeter"
SENTIMENT, NAMER = f"{NAMESPACE}/sentiment", f"{NAMESPACE}/namer"
EMAILS, PAGES = f"{NAMESPACE}/emails", f"{NAMESPACE}/pages"
GREETING = "This is a stand-in for offline use, not a language model. It tags rows, and plans tool calls for tickets."


@dataclass(frozen=True, slots=True)
class Answer:
    """``by`` names the stand-in in the reply."""

    by: str
    content: tuple[dict[str, Any], ...]
    stop_reason: str = "end_turn"


def answer(request: Mapping[str, Any], settings: ModelSettings, new_call_id: Callable[[], str]) -> Answer:
    if request.get("toolConfig"):
        return _planned(request, settings, new_call_id)
    if namer.is_asked(request):
        return Answer(NAMER, _text(namer.named(request)))
    asked = prompt.read(request)
    if asked is None:
        return Answer(GREETER, ({"text": GREETING},))
    if asked.kind == "aspects":
        return Answer(SENTIMENT, _text(prompt.written(_judged(asked, settings))))
    if asked.kind == "departments":
        return Answer(EMAILS, _text(prompt.written(_routed(asked, settings))))
    if asked.kind == "facts":
        return Answer(PAGES, _text(prompt.written(_read(asked, settings))))
    if settings.answer == "constant":
        return Answer(TAGGER, _text(prompt.written(dict.fromkeys(asked.rows, 1))))
    tags = tagger.tag(asked.categories, asked.rows, tuple(asked.examples))
    return Answer(TAGGER, _text(prompt.written(slips.slipped(tags, asked, settings.slips, _chance(asked, settings)))))


def _judged(asked: TaggingPrompt, settings: ModelSettings) -> dict[int, str]:
    if settings.answer == "constant":
        return dict.fromkeys(asked.rows, "1+")
    # Slips are made with numbers: an answer's is its place among all that there could be here.
    signed = (f"{number}{sign}" for sign in "+-~" for number in asked.categories)
    return _slipped(asked, settings, sentiment.judge(asked.categories, asked.rows), (sentiment.NOTHING, *signed))


def _routed(asked: TaggingPrompt, settings: ModelSettings) -> dict[int, str]:
    if settings.answer == "constant":
        return dict.fromkeys(asked.rows, "1:2:en")
    others = (emails.NOTHING, *(f"{number}:{emails.NORMAL}:en" for number in asked.categories))
    return _slipped(asked, settings, emails.route(asked.categories, asked.rows), others)


def _read(asked: TaggingPrompt, settings: ModelSettings) -> list[tuple[int, str]]:
    if settings.answer == "constant":
        return [(row, pages.NOTHING) for row in asked.rows]
    found = {row: "\n".join(lines) for row, lines in pages.find(asked.categories, asked.rows).items()}
    slipped = _slipped(asked, settings, found, (pages.NOTHING,))
    return [(row, line) for row, lines in slipped.items() for line in lines.split("\n")]


def _slipped(
    asked: TaggingPrompt, settings: ModelSettings, answers: Mapping[int, str], others: Sequence[str]
) -> dict[int, str]:
    """``answers`` as an erring model would give them; ``others`` are what it could say instead."""
    codes = list(dict.fromkeys((*others, *answers.values())))
    numbered = replace(asked, categories=dict(enumerate(codes)))
    tags = {row: codes.index(answer) for row, answer in answers.items()}
    slipped = slips.slipped(tags, numbered, settings.slips, _chance(asked, settings))
    return {row: codes[code] if code < len(codes) else str(code) for row, code in slipped.items()}


def _chance(asked: TaggingPrompt, settings: ModelSettings) -> Random:
    # By the rows, not by the call: the same prompt slips in the same way, whatever else is asked at the time.
    return Random(f"{settings.seed} {sorted(asked.rows.items())}")  # noqa: S311  repeatable, not secret


def _planned(request: Mapping[str, Any], settings: ModelSettings, new_call_id: Callable[[], str]) -> Answer:
    step = planner_variants.plan(transcript.read(request), settings.planner)
    if not isinstance(step, Calls):
        return Answer(PLANNER, _text(step.text))
    uses = (
        {"toolUse": {"toolUseId": new_call_id(), "name": call.name, "input": dict(call.arguments)}}
        for call in step.calls
    )
    return Answer(PLANNER, (*_text(step.text), *uses), "tool_use")


def _text(text: str) -> tuple[dict[str, Any], ...]:
    # Converse refuses blank text in a request, so a reply with one could not be sent back as history.
    return ({"text": text},) if text.strip() else ()
