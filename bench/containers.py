"""What a task of each service takes as a container: seconds to start and to drain, memory idle and under load, size.

    .ci/docker start && .ci/docker images          # or any Docker and `make images`
    DOCKER_HOST=... python -m bench.containers     # on an otherwise idle machine

Both services run under the limits of the smallest tasks that Terraform makes, on the embedded cloud. Wall times are of
this machine; CPU seconds say what they become on another share of a processor. Results: bench/results/containers.json
"""

import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from local.aws import aws_client
from local.cloud import Cloud, running_cloud
from tests.support.containers import (
    SERVICES,
    Task,
    image_of,
    megabytes_beyond_the_base,
    memory_limit_mib,
    migrate,
    running_task,
)
from tests.support.feedback import a_file, many_rows
from tests.support.tagger_process import Analyst
from tests.support.ticket_flow import OutsideDesk
from tests.support.tickets import a_text
from tests.support.waiting import wait_until

RESULTS = Path(__file__).resolve().parent / "results" / "containers.json"
TICKETS, ROWS = 30, 2000
IDLE_SECONDS = 10.0
LIMIT_SECONDS = 900.0
# As on ECS: a drain waits for the long polls under way.
AS_DEPLOYED = {"DRAIN_SECONDS": "110", "LONG_POLL_SECONDS": "20"}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, running_cloud(Path(folder), "bench") as cloud:
        environment = {
            "ticket_agent": {**cloud.ticket_agent(), **AS_DEPLOYED},
            "feedback_tagger": {**cloud.feedback_tagger(), **AS_DEPLOYED},
        }
        migrate(environment["feedback_tagger"], cloud.postgres.socket_folder)
        work: Mapping[str, Callable[[], None]] = {
            "ticket_agent": lambda: decide_tickets(cloud),
            "feedback_tagger": lambda: label_rows(cloud),
        }
        results = {
            "load_average_before": os.getloadavg()[0],
            **{service: measure(service, environment[service], cloud, work[service]) for service in SERVICES},
        }
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=2))


def measure(service: str, environment: Mapping[str, str], cloud: Cloud, work: Callable[[], None]) -> dict[str, Any]:
    image, sockets = image_of(service), cloud.postgres.socket_folder
    found: dict[str, Any] = {
        "image_mb": round(image.attrs["Size"] / 1e6),
        "image_mb_beyond_base": round(megabytes_beyond_the_base(image)),
        "limit_mib": memory_limit_mib(service),
    }
    began = time.monotonic()
    with running_task(service, environment, socket_folder=sockets) as task:
        found["start_s"] = round(time.monotonic() - began, 2)
        found["start_cpu_s"] = cpu_seconds(task)
        time.sleep(IDLE_SECONDS)
        found["memory_idle_mib"] = round(task.memory_mib())
        before = cpu_seconds(task)
        assert task.health_command()[0] == 0
        found["health_command_cpu_s"] = round(cpu_seconds(task) - before, 2)
        found["drain_idle_s"] = timed(task.terminate)
    with running_task(service, environment, socket_folder=sockets) as task:
        began = time.monotonic()
        work()
        found["load_s"] = round(time.monotonic() - began, 1)
        found["memory_most_mib"] = round(task.most_memory_mib())
        found["memory_after_load_mib"] = round(task.memory_mib())
        found["drain_after_load_s"] = timed(task.terminate)
    return found


def timed(stop: Callable[[], int]) -> float:
    began = time.monotonic()
    status = stop()
    assert status == 0, f"ended with {status}"
    return round(time.monotonic() - began, 2)


def cpu_seconds(task: Task) -> float:
    nanoseconds = task.docker.stats(stream=False, one_shot=True)["cpu_stats"]["cpu_usage"]["total_usage"]
    return round(float(nanoseconds) / 1e9, 2)


def decide_tickets(cloud: Cloud) -> None:
    desk = OutsideDesk(lambda service, **_: aws_client(cloud.emulator.environment(), service), cloud.resources)
    desk.import_sample_directory()
    for number in range(TICKETS):
        desk.put("User", employeeId=f"e{number}", manager="@sam")
        desk.submit(f"T-{number}", f"e{number}", a_text())
    for number in range(TICKETS):
        desk.ended(f"T-{number}", within=LIMIT_SECONDS)


def label_rows(cloud: Cloud) -> None:
    analyst = Analyst(cloud.resources)
    run = analyst.upload("many.csv", a_file(many_rows(ROWS)))
    wait_until(lambda: _status(analyst, run) == "complete", within=LIMIT_SECONDS, what="the run's end")


def _status(analyst: Analyst, run: str) -> str:
    client = analyst.resources.client("s3")
    try:
        body = client.get_object(Bucket=analyst.resources.bucket, Key=f"runs/{run}.json")["Body"].read()
    except client.exceptions.NoSuchKey:
        return ""
    return str(json.loads(body)["status"])


if __name__ == "__main__":
    main()
