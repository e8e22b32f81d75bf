"""Which cloud a command means, how its input is judged, and what it says when something is wrong."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from typer.testing import CliRunner

from cli.app import app
from cli.cloud import CloudChoice, embedded_cloud, uses_embedded
from cli.directory import read_directory
from cli.embedded import AlreadyRunning, holder_pid, is_held, read_state, sole_holder, write_state
from cli.errors import UserError, aws_problem
from cli.feedback import category_counts, changes
from cli.names import Names, is_name
from cli.output import print_json, printable
from local.demo.sample import DIRECTORY


def run(*arguments: str, **environment: str) -> Any:
    return CliRunner().invoke(app, list(arguments), env=environment)


@pytest.mark.parametrize(
    ("choice", "running", "environ", "embedded"),
    [
        (CloudChoice.AUTO, True, {}, True),
        (CloudChoice.AUTO, False, {}, False),
        (CloudChoice.AUTO, True, {"AWS_PROFILE": "work"}, False),
        (CloudChoice.AUTO, True, {"AWS_ACCESS_KEY_ID": "AKIA"}, False),
        (CloudChoice.LOCAL, False, {"AWS_PROFILE": "work"}, True),
        (CloudChoice.AWS, True, {}, False),
    ],
)
def test_the_embedded_cloud_is_meant_where_it_runs_and_no_credentials_say_otherwise(
    choice: CloudChoice, running: bool, environ: dict[str, str], embedded: bool
) -> None:
    assert uses_embedded(choice, running=running, environ=environ) is embedded


def test_resources_are_found_by_name() -> None:
    names = Names(name="desk", account="123456789012", region="eu-west-1")

    assert names.queue("ticket-intake") == "desk-ticket-intake"
    assert names.bucket == "desk-uploads-123456789012-eu-west-1"


@pytest.mark.parametrize("name", ["", "Desk", "-desk", "desk-", "a" * 33, "desk_1", "1desk"])
def test_a_name_that_some_service_would_refuse_is_none(name: str) -> None:
    assert not is_name(name)


def test_one_process_at_a_time_holds_the_embedded_cloud(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    with sole_holder(tmp_path):
        assert is_held(tmp_path)
        with pytest.raises(AlreadyRunning), sole_holder(tmp_path):
            pass
    assert not is_held(tmp_path)


HOLDER = """
import sys, time
from pathlib import Path
from cli.embedded import sole_holder, write_state
with sole_holder(Path(sys.argv[1])):
    write_state(Path(sys.argv[1]), {"name": "deskhand"})
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_holder_that_was_killed_does_not_look_alive(tmp_path: Path) -> None:
    """SIGKILL leaves its state file behind; the lock is gone with the process, so nobody believes the file."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert holder_pid(tmp_path) == holder.pid
        holder.kill()
        holder.wait()

    assert read_state(tmp_path) is not None
    assert not is_held(tmp_path)
    with pytest.raises(UserError, match="no embedded cloud is up"):
        embedded_cloud(tmp_path, "deskhand")


def test_an_embedded_cloud_that_is_still_starting_says_so(tmp_path: Path) -> None:
    with sole_holder(tmp_path), pytest.raises(UserError, match="still starting"):
        embedded_cloud(tmp_path, "deskhand")


def test_an_embedded_cloud_of_another_name_is_not_taken_for_it(tmp_path: Path) -> None:
    with sole_holder(tmp_path):
        write_state(tmp_path, {"name": "other", "account": "0", "environment": {"AWS_REGION": "us-east-1"}})
        with pytest.raises(UserError, match="'other'"):
            embedded_cloud(tmp_path, "third")


def test_without_region_or_credentials_the_remedy_names_both_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # Other tests of the same run point this process at the embedded cloud.
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    result = run("tickets", "list", "--cloud", "aws")

    assert result.exit_code == 1
    assert "AWS_REGION" in result.stderr
    assert "deskhand up" in result.stderr
    assert "Traceback" not in result.output


def test_missing_credentials_are_said_in_words() -> None:
    assert "deskhand up" in aws_problem(NoCredentialsError()).remedy


def test_a_clock_that_is_off_is_not_taken_for_wrong_credentials() -> None:
    said = "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z"
    error = ClientError({"Error": {"Code": "SignatureDoesNotMatch", "Message": said}}, "GetCallerIdentity")

    assert "clock" in aws_problem(error).problem


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("ExpiredToken", "expired"),
        ("InvalidClientTokenId", "does not know"),
        ("AccessDeniedException", "may not"),
        ("ResourceNotFoundException", "not there"),
        ("SomethingNew", "SomethingNew"),
    ],
)
def test_what_aws_refuses_is_said_in_words(code: str, word: str) -> None:
    error = ClientError({"Error": {"Code": code, "Message": "m"}}, "Scan")

    assert word in aws_problem(error).problem


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("tickets", "submit", "--employee", "111"), "exactly one text"),
        (("tickets", "submit", "--employee", "111", "--text", "a", "--file", "b"), "exactly one text"),
        (("tickets", "submit", "--employee", "111", "--file", "/no/such/ticket"), "there is no file"),
        (("tickets", "submit", "--employee", "1 1", "--text", "a"), "employeeId"),
        (("tickets", "submit", "--employee", "111", "--text", " "), "content"),
        (("feedback", "upload", "/no/such/file.csv"), "there is no file"),
        (("feedback", "upload", "/"), "cannot be read"),
        (("feedback", "upload", "--task", "translate", "x.csv"), "there is no task 'translate'"),
        (("feedback", "quote", "--task", "translate", "x.csv"), "there is no task 'translate'"),
        (("feedback", "upload", __file__), "no header line that we know"),
        (("directory", "import", "/no/such/file.yaml"), "there is no file"),
        (("tickets", "list", "--name", "Not A Name", "--cloud", "aws"), "is no name"),
    ],
)
def test_what_a_user_gets_wrong_ends_with_status_one_and_no_traceback(arguments: tuple[str, ...], problem: str) -> None:
    result = run(*arguments)

    assert result.exit_code == 1
    assert problem in result.stderr
    assert len(result.stderr.splitlines()) == 2, "what is wrong, and what to do about it"
    assert result.stdout == ""


def test_control_sequences_of_strangers_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in printable("\x1b[2Jgone")
    assert printable("two\nlines\t[red]") == "two\nlines\t[red]"


def test_nor_does_a_text_in_json_and_it_stays_the_same_text(capsys: pytest.CaptureFixture[str]) -> None:
    """U+009B begins a control sequence by itself; half a surrogate pair cannot be written at all."""
    text = "\x9b2J\x7f\ud83d\x1b caf\u00e9"
    print_json({"text": text})
    out = capsys.readouterr().out

    assert not set(out) & set("\x9b\x7f\ud83d\x1b")
    assert "caf\u00e9" in out
    assert json.loads(out) == {"text": text}


def test_categories_come_in_their_order_and_other_labels_after_them() -> None:
    taxonomy = {"categories": [{"id": 1, "name": "Payment"}, {"id": 2, "name": "Hardware failures"}]}

    assert category_counts(taxonomy, {"unknown": 2, "Payment": 1}) == [
        ("Payment", 1),
        ("Hardware failures", 0),
        ("unknown", 2),
    ]


def test_watching_tells_what_changed_and_nothing_else() -> None:
    answers = iter([None, None, {"n": 1}, {"n": 1}, {"n": 2}])
    seen = changes(lambda: next(answers), lambda seconds: None)

    assert [next(seen), next(seen), next(seen)] == [None, {"n": 1}, {"n": 2}]


def test_the_sample_directory_is_one() -> None:
    parts = [row.kind.part for row in read_directory(DIRECTORY)]

    assert (parts.count("employees"), parts.count("environments"), parts.count("access")) == (7, 4, 4)
