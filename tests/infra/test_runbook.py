"""Every alarm has its section in the runbook, every section its alarm, and what a section looks up is there."""

import re
from pathlib import Path

import pytest

from services.feedback_tagger.settings import TaggerSettings
from services.ticket_agent.settings import TicketAgentSettings
from tests.support.documented import ROOT, slug

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
ALARM = re.compile(r'^resource "aws_cloudwatch_(?:metric|composite)_alarm"', re.MULTILINE)
DESCRIPTION = re.compile(r'^\s*(?:alarm_)?description\s*=\s*"(.*)"$', re.MULTILINE)
LINK = re.compile(r"docs/runbook\.md#([a-z-]+)$")
SOURCES = {
    "ticket-agent": ("services/ticket_agent", "shared"),
    "feedback-tagger": ("services/feedback_tagger", "shared"),
    "feedback-migration": ("services/feedback_tagger/store",),
}


def files_with_alarms() -> list[Path]:
    tree = ROOT / "infra" / "terraform"
    files = [path for path in tree.rglob("*.tf") if ".terraform" not in path.parts]
    return [path for path in files if ALARM.search(path.read_text(encoding="utf-8"))]


def descriptions(path: Path) -> list[str]:
    return DESCRIPTION.findall(path.read_text(encoding="utf-8"))


def sections() -> set[str]:
    alarms = RUNBOOK.split("\n## Alarms\n")[1].split("\n## ")[0]
    return {slug(heading) for heading in re.findall(r"^### (.+)$", alarms, re.MULTILINE)}


def test_every_alarm_links_to_a_section_and_every_section_has_an_alarm() -> None:
    linked = {match[1] for path in files_with_alarms() for text in descriptions(path) if (match := LINK.search(text))}

    assert linked == sections()


@pytest.mark.parametrize("path", files_with_alarms(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_alarm_is_without_a_link(path: Path) -> None:
    texts = descriptions(path)

    assert texts
    assert [text for text in texts if not LINK.search(text)] == []


@pytest.mark.parametrize(
    ("unit", "event"), sorted(set(re.findall(r"^ +logged ([a-z-]+) (\w+)", RUNBOOK, re.MULTILINE)))
)
def test_a_line_that_the_runbook_looks_for_is_written_by_that_service(unit: str, event: str) -> None:
    files = [file for folder in SOURCES[unit] for file in (ROOT / folder).rglob("*.py")]
    written = re.compile(rf'log\.\w+\(\s*"{event}"')

    assert any(written.search(file.read_text(encoding="utf-8")) for file in files)


def test_a_setting_that_the_runbook_changes_is_one_of_the_service() -> None:
    for part, settings in (("ticket_agent", TicketAgentSettings), ("feedback_tagger", TaggerSettings)):
        changed = re.findall(rf"{part}_settings\s*= {{ (\w+) = ", RUNBOOK)
        assert changed
        assert set(changed) <= set(settings.model_fields)
