"""What a log line holds, and what it must not."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from shared.logs import configure_logs, logger

SECRET_TEXT = "the customer's own words"


@pytest.fixture(autouse=True)
def _defaults_afterwards() -> Iterator[None]:
    handlers = logging.root.handlers[:]
    level = logging.root.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def fail_over(feedback: str) -> None:
    raise ValueError(f"a row of {len(feedback)} characters")


def test_a_line_is_one_json_object_with_service_component_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("ticket_agent")
    logger("worker").info("ticket_ended", ticket_id="T-1")
    line = json.loads(capsys.readouterr().out)
    assert (line["service"], line["component"], line["level"]) == ("ticket_agent", "worker", "info")
    assert line["ticket_id"] == "T-1"


def test_a_traceback_shows_where_it_failed_and_no_local_variable(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("feedback_tagger")
    try:
        fail_over(SECRET_TEXT)
    except ValueError:
        logger("pool").exception("chunk_failed")
    printed = capsys.readouterr().out
    assert "fail_over" in printed
    assert SECRET_TEXT not in printed


def test_a_warning_of_a_library_becomes_a_line_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("ticket_agent")
    logging.getLogger("botocore").warning("the clock is %d s off", 7)
    line = json.loads(capsys.readouterr().out)
    assert (line["logger"], line["event"]) == ("botocore", "the clock is 7 s off")
    assert line["service"] == "ticket_agent"


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(KeyError):
        configure_logs("ticket_agent", "LOUD")
