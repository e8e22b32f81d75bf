"""Reading the environment: all problems at once, no secret shown."""

import pytest
from pydantic import Field

from shared.settings import BadSettings, Secret, Settings


class Example(Settings):
    """A service's settings."""

    queue_url: str = Field(description="the work queue")
    workers: int = Field(default=8, ge=1)
    database_url: Secret | None = None
    relays: str = ""


def problems(**environment: str) -> list[str]:
    with pytest.raises(BadSettings) as raised:
        Example.from_environment(environment)
    return raised.value.problems


def test_fields_are_read_from_their_names_in_capitals() -> None:
    read = Example.from_environment({"QUEUE_URL": "http://q", "WORKERS": "3", "PATH": "/bin", "queue_url": "no"})

    assert (read.queue_url, read.workers) == ("http://q", 3)


def test_every_problem_is_told_at_once_with_its_variable() -> None:
    told = problems(WORKERS="many")

    assert len(told) == 2
    assert told[0].startswith("QUEUE_URL: ")
    assert told[0].endswith("(the work queue)")
    assert told[1].startswith("WORKERS: ")


def test_an_empty_value_is_no_value() -> None:
    assert problems(QUEUE_URL="")[0].startswith("QUEUE_URL: ")
    assert Example.from_environment({"QUEUE_URL": "q", "WORKERS": ""}).workers == 8


def test_a_number_out_of_its_range_is_a_problem() -> None:
    assert problems(QUEUE_URL="q", WORKERS="0")[0].startswith("WORKERS: ")


def test_a_secret_is_never_shown() -> None:
    read = Example.from_environment({"QUEUE_URL": "q", "DATABASE_URL": "postgresql://u:hunter2@h/d"})

    assert read.database_url is not None
    assert read.database_url.get_secret_value() == "postgresql://u:hunter2@h/d"
    for shown in (str(read), repr(read), f"{read.database_url}", repr(read.database_url), read.model_dump_json()):
        assert "hunter2" not in shown
    assert "<secret>" in repr(read)


class Strict(Settings):
    """Whose secret must be long."""

    token: Secret = Field(min_length=100)


def test_a_bad_value_is_not_repeated_in_its_problem() -> None:
    with pytest.raises(BadSettings) as raised:
        Strict.from_environment({"TOKEN": "hunter2"})

    assert "hunter2" not in str(raised.value)
    assert "TOKEN: " in str(raised.value)


def test_settings_do_not_change() -> None:
    read = Example.from_environment({"QUEUE_URL": "q"})

    with pytest.raises(ValueError, match="frozen"):
        read.workers = 9


def test_every_variable_can_be_listed() -> None:
    assert Example.environment_names() == ["QUEUE_URL", "WORKERS", "DATABASE_URL", "RELAYS"]
