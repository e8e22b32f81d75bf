"""Every alarm rings by a fault and stops by its page of the runbook, or is listed with why not."""

import pytest

from services.feedback_tagger.command_line import main as feedback_tagger
from services.ticket_agent.main import main as ticket_agent
from tests.support import alarm_proofs
from tests.support.alarm_proofs import CRASHES, NAME, NOT_PROVOKED, PROVOKED, alarms_named, watching
from tests.support.alarms import Alarms, Metrics, series
from tests.support.documented import ROOT
from tests.support.terraform import Whole


def test_every_alarm_is_provoked_by_a_test_or_listed_with_the_reason_why_not(whole: Whole) -> None:
    assert len(PROVOKED) == len(set(PROVOKED))
    assert not set(PROVOKED) & set(NOT_PROVOKED)
    assert Alarms.of(whole).names == alarms_named(*PROVOKED, *NOT_PROVOKED)
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    assert f"Every alarm but {len(NOT_PROVOKED)} is made to ring" in runbook


def test_each_list_of_alarms_is_watched_by_a_test() -> None:
    lists = {
        name for name, value in vars(alarm_proofs).items() if isinstance(value, tuple) and set(value) <= set(PROVOKED)
    }
    proofs = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests" / "infra").glob("test_alarms*.py"))
    assert {name for name in lists - {"PROVOKED"} if f"watching(whole, *{name}" not in proofs} == set()


@pytest.mark.parametrize(
    ("values", "rings"),
    [
        ([301, 301, 301, 301, 301], True),
        ([301, 301, 301, 301, 300], False),
        ([301, 301, None, 301, 301], False),
        ([None, None, None, None, None], False),
    ],
)
def test_five_of_five_minutes_must_be_above_the_threshold_and_a_silent_one_is_none(
    whole: Whole, values: list[float | None], rings: bool
) -> None:
    metrics = Metrics()
    age = series("Deskhand", "IteratorAge", {"deployment": NAME, "service": "ticket_agent"})
    for minute, value in enumerate(values):
        if value is not None:
            metrics.add(age, minute, 1.0, value)
    assert Alarms.of(whole).rings(f"{NAME}-stream-late", metrics, 4) is rings


@pytest.mark.parametrize(("minutes", "rings"), [((0, 2, 4), True), ((0, 4), False), ((0, 1, 2), True)])
def test_three_of_five_minutes_are_enough_where_the_alarm_says_so(
    whole: Whole, minutes: tuple[int, ...], rings: bool
) -> None:
    metrics = Metrics()
    alarms = Alarms.of(whole)
    alarm = alarms.metric[f"{NAME}-model-throttled-tickets"]
    for minute in minutes:
        metrics.add(series(alarm["namespace"], alarm["metric_name"], alarm["dimensions"]), minute, 21.0)
    assert alarms.rings(alarm["alarm_name"], metrics, 4) is rings


def test_tasks_that_crash_ring_their_alarm_until_the_settings_are_mended(
    whole: Whole, capsys: pytest.CaptureFixture[str]
) -> None:
    """Starts both services with settings that cannot be read, twice; then nothing starts wrongly any more."""
    starts = {"ticket-agent": ticket_agent, "feedback-tagger": feedback_tagger}
    with watching(whole, *CRASHES) as watch:
        for _ in range(2):
            for name, start in starts.items():
                assert start([], {"LOG_LEVEL": "LOUD"}) in (1, 2)
                printed = capsys.readouterr().err
                watch.printed(f"/deskhand/{NAME}-{name}", printed)
            watch.minute_passes()
        assert watch.ringing == alarms_named(*CRASHES)
        # The page: the line names every setting at fault.
        assert "LOG_LEVEL" in printed
        for name in starts:
            watch.printed(f"/deskhand/{NAME}-{name}", '{"event": "started"}')
        watch.minutes_pass(5)
