"""Both services as the containers that ship, confined as on ECS, against the embedded cloud.

Nothing of theirs is imported here: they are told what a task definition tells them, and seen as by their users.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import yaml

from tests.support.cloud import AwsClients, Installation
from tests.support.containers import (
    SERVICES,
    Task,
    image_or_skip,
    megabytes_beyond_the_base,
    memory_limit_mib,
    migrate,
    running_task,
)
from tests.support.databases import Sql
from tests.support.feedback import a_file, many_rows
from tests.support.tagger_process import Analyst
from tests.support.ticket_flow import MODEL, SAMPLE, OutsideDesk
from tests.support.tickets import a_text
from tests.support.waiting import eventually, wait_until

# A model of their own for the tests that count its calls.
COUNTED = "amazon.nova-pro-v1:0"
MOST_MEGABYTES = 200
# A kill leaves what the task held invisible for so long.
BRIEF = {"DRAIN_SECONDS": "30", "LONG_POLL_SECONDS": "1", "VISIBILITY_SECONDS": "6"}
ROWS_PER_PROMPT = 5

CLOSED = ("/x", "/app/x", "/app/site/x", "/etc/x", "/var/tmp/x")
# Where the kernel says how much memory a container may use: cgroups 2, cgroups 1.
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
CONFINEMENT = f"""
import json, os
def denied(path):
    try:
        open(path, "w").close()
    except OSError:
        return True
    return False
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
print(json.dumps({{
    "denied": [path for path in {CLOSED} if denied(path)],
    "tmp": not denied("/tmp/x"),
    "user": os.getuid(), "group": os.getgid(),
    "capabilities": {{name: status[name] for name in ("CapEff", "CapPrm", "CapBnd")}},
    "no_new_privileges": status["NoNewPrivs"],
    "memory": int(open(next(filter(os.path.exists, {LIMITS}))).read()),
}}))
"""


def settings_of(service: str, installation: Installation, model: str = MODEL, **more: str) -> dict[str, str]:
    name = {"ticket_agent": "TICKET_MODEL_ID", "feedback_tagger": "FEEDBACK_MODEL_ID"}[service]
    return installation.environment(service, **{name: model}, **BRIEF, **more)


def counts(installation: Installation) -> dict[str, int]:
    """What the endpoint counts of the calls of the counted model."""
    models = installation.bedrock.control("stats")["models"]
    return dict(models.get(COUNTED, {"calls": 0, "answered": 0, "in_flight": 0}))


@pytest.fixture(scope="session", autouse=True)
def images() -> dict[str, Any]:
    """The first to be set up: without images no server needs to be started."""
    return {service: image_or_skip(service) for service in SERVICES}


@pytest.fixture(scope="module")
def installation(images: Any, new_installation: Callable[[], Installation]) -> Installation:
    return new_installation()


@pytest.fixture(scope="module")
def serving(installation: Installation) -> Iterator[dict[str, Task]]:
    """A task of each service, on a database that a third one has migrated."""
    environment = {service: settings_of(service, installation) for service in SERVICES}
    sockets = installation.database_socket
    assert "migrations applied" in migrate(environment["feedback_tagger"], sockets)
    with ExitStack() as stack:
        yield {
            service: stack.enter_context(running_task(service, environment[service], socket_folder=sockets))
            for service in SERVICES
        }


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_is_small_and_says_what_it_is(images: dict[str, Any], service: str) -> None:
    image = images[service]
    assert megabytes_beyond_the_base(image) < MOST_MEGABYTES
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in image.labels.items()}
    assert labels["title"] == f"deskhand-{service.replace('_', '-')}"
    assert labels["licenses"] == "Apache-2.0"
    assert labels["version"]
    assert labels["revision"] not in ("", "unknown")
    config = image.attrs["Config"]
    assert config["Entrypoint"] == ["python3", "-m", f"services.{service}"]
    assert config["User"] == "10001:10001"


def test_six_tickets_and_a_file_of_feedback_are_decided_and_labelled(
    serving: dict[str, Task], installation: Installation, bedrock: Any, aws: AwsClients
) -> None:
    desk, analyst = OutsideDesk(aws, installation.resources), Analyst(installation.resources)
    desk.import_sample_directory()
    run = analyst.upload("feedback.csv", (SAMPLE / "feedback.csv").read_bytes())
    cases = yaml.safe_load((SAMPLE / "tickets.yaml").read_text(encoding="utf-8"))["tickets"]
    for case in cases:
        if case.get("after") is not None:
            desk.ended(f"case-{case['after']}", within=60)
        desk.submit(f"case-{case['case']}", str(case["employee"]), case["content"])
    ended = {case["case"]: desk.ended(f"case-{case['case']}", within=60)["assignStatus"] for case in cases}
    assert ended == {case["case"]: case["expected"]["status"] for case in cases}
    assert {grant["ticketId"] for grant in desk.grants()} == {
        f"case-{case['case']}" for case in cases if case["expected"]["grant"]
    }
    result = analyst.result_of(run, within=60)
    assert result["status"] in ("complete", "partial"), result
    assert result["rows"] == result["stored"] + result["rejected"] + result["duplicates"]
    assert sum(result["by_label"].values()) == result["stored"] > 0


@pytest.mark.parametrize("service", SERVICES)
def test_a_task_is_healthy_and_can_write_nowhere_but_to_tmp(serving: dict[str, Task], service: str) -> None:
    task = serving[service]
    assert task.health_command()[0] == 0
    status, said = task.python(CONFINEMENT)
    assert status == 0, said
    assert json.loads(said) == {
        "denied": list(CLOSED),
        "tmp": True,
        "user": 10001,
        "group": 10001,
        "capabilities": dict.fromkeys(("CapEff", "CapPrm", "CapBnd"), "0000000000000000"),
        "no_new_privileges": "1",
        "memory": memory_limit_mib(service) * 2**20,
    }


@pytest.fixture
def counted(images: Any, bedrock: Any, new_installation: Callable[[], Installation]) -> Installation:
    """An installation that no other task works on, and a model whose answers take long enough to be interrupted."""
    bedrock.control(f"models/{COUNTED}", {"latency": {"fixed_ms": 300}})
    return new_installation()


async def test_rows_survive_a_drain_and_a_kill(counted: Installation) -> None:
    """What does it do: a task gets SIGTERM in the middle of a file, the next one SIGKILL, a third one ends the run.

    How does it do it: the first must end with 0 with all that it has asked the model stored; at the end every row of
    the file is stored once, whatever was asked twice.
    """
    calm = {"POOL_WORKERS": "4", "AGREEMENT_SHARE": "0", "DISCOVERY_LEAST_TEXTS": "100000"}
    settings = settings_of("feedback_tagger", counted, COUNTED, ROWS_PER_PROMPT=str(ROWS_PER_PROMPT), **calm)
    migrate(settings, counted.database_socket)
    rows, sql, analyst = many_rows(400), Sql(counted.database), Analyst(counted.resources)

    async def stored() -> int:
        return int(await sql.value("select count(*) from customer_feedback"))

    async def under_way(beyond: int) -> bool:
        return counts(counted)["in_flight"] > 0 and await stored() >= beyond

    with running_task("feedback_tagger", settings, socket_folder=counted.database_socket) as first:
        run = analyst.upload("long.csv", a_file(rows))
        await eventually(lambda: under_way(20), within=60, what="work in flight")
        assert first.terminate() == 0, first.log()
    seen, drained = counts(counted), await stored()
    assert drained < len(rows)
    assert seen["in_flight"] == 0
    assert seen["calls"] == seen["answered"], "no call was broken off"
    assert drained == seen["answered"] * ROWS_PER_PROMPT, "what was answered is stored"

    with running_task("feedback_tagger", settings, socket_folder=counted.database_socket) as second:
        await eventually(lambda: under_way(drained + 20), within=60, what="work in flight again")
        second.kill()
    assert await stored() < len(rows)

    with running_task("feedback_tagger", settings, socket_folder=counted.database_socket) as third:
        result = analyst.result_of(run, within=90)
        assert third.terminate() == 0, third.log()
    assert (result["status"], result["stored"], result["failed"]) == ("complete", len(rows), 0)
    references = [reference for (reference,) in await sql.rows("select ref_id from customer_feedback")]
    assert sorted(references) == sorted(row["id"] for row in rows)


def test_tickets_survive_a_drain_and_a_kill(counted: Installation, aws: AwsClients) -> None:
    """What does it do: as with the rows, by the ticket agent: SIGTERM, SIGKILL, and a task that ends the work.

    How does it do it: at the end every ticket has ended once, with its one grant.
    """
    desk, settings = OutsideDesk(aws, counted.resources), settings_of("ticket_agent", counted, COUNTED)
    desk.import_sample_directory()
    tickets = [f"T-{number}" for number in range(12)]

    def turns() -> int:
        return sum(row["entry"].startswith("turn#") for row in desk.rows("Ledger"))

    def under_way(beyond: int) -> bool:
        return counts(counted)["in_flight"] > 0 and turns() >= beyond

    with running_task("ticket_agent", settings) as first:
        for number, ticket in enumerate(tickets[:6]):
            desk.put("User", employeeId=f"e{number}", manager="@sam")
            desk.submit(ticket, f"e{number}", a_text())
        wait_until(lambda: under_way(6), within=60, what="tickets being worked on")
        assert first.terminate() == 0, first.log()
    seen = counts(counted)
    assert seen["in_flight"] == 0
    assert seen["calls"] == seen["answered"], "no call was broken off"

    with running_task("ticket_agent", settings) as second:
        for number, ticket in enumerate(tickets[6:], start=6):
            desk.put("User", employeeId=f"e{number}", manager="@sam")
            desk.submit(ticket, f"e{number}", a_text())
        before = turns()
        wait_until(lambda: under_way(before + 6), within=60, what="tickets being worked on again")
        second.kill()

    with running_task("ticket_agent", settings) as third:
        ended = {ticket: desk.ended(ticket, within=90)["assignStatus"] for ticket in tickets}
        assert third.terminate() == 0, third.log()
    assert ended == dict.fromkeys(tickets, "auto-resolved")
    assert sorted(grant["ticketId"] for grant in desk.grants()) == sorted(tickets)
