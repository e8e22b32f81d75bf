"""The local Bedrock endpoint as a process: started, controlled over HTTP, and stopped with its holder."""

import http.client
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.processes import Command, LeashedProcess, StartFailed, inherited_environment, start_leashed

ROOT = Path(__file__).resolve().parents[1]
START_LIMIT_SECONDS = 60.0
POLL_SECONDS = 0.02
CONTROL_TIMEOUT_SECONDS = 30.0
# The control plane, the runtime, agents with Retrieve, and harnesses are four services to the SDK.
BEDROCK_SERVICES = ("BEDROCK", "BEDROCK_RUNTIME", "BEDROCK_AGENT_RUNTIME", "BEDROCK_AGENTCORE")


class ControlFailed(Exception):
    """The endpoint refused a control request; the text says why."""


@dataclass(frozen=True, slots=True)
class BedrockEndpoint:
    """A running endpoint; only Bedrock clients are to be pointed at ``url``."""

    url: str
    log: Path
    process: LeashedProcess

    def environment(self) -> dict[str, str]:
        """The variables that point the SDK's Bedrock clients here, and no other client."""
        return {f"AWS_ENDPOINT_URL_{service}": self.url for service in BEDROCK_SERVICES}

    def control(self, path: str, body: Mapping[str, Any] | None = None, *, method: str | None = None) -> Any:
        """Ask ``/_control/PATH``: GET, or POST where there is a body; returns the answer's JSON.

        Raises ControlFailed with the endpoint's words for any status but success.
        """
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=CONTROL_TIMEOUT_SECONDS)
        try:
            connection.request(
                method or ("GET" if body is None else "POST"),
                f"/_control/{path}",
                body=None if body is None else json.dumps(body),
                headers={"Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            text = answer.read().decode("utf-8")
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise ControlFailed(f"{path}: {answer.status} {text}")
        return json.loads(text) if text else None

    def reset(self) -> None:
        """Forget every latency, quota, fault and record set since the start."""
        self.control("reset", {})


@contextmanager
def running_bedrock(
    folder: Path, config: Mapping[str, Any] | None = None, *, port: int = 0
) -> Iterator[BedrockEndpoint]:
    """Start the endpoint with its log under ``folder``; ``config`` sets latency, quotas and faults from the start.

    ``port`` 0 lets it choose a free one. Raises StartFailed with the log if it does not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    announcement = folder.resolve() / "bedrock.ready"
    process = start_leashed(_command(folder.resolve(), config, port, announcement))
    try:
        yield BedrockEndpoint(url=_announced_url(process, announcement), log=process.log, process=process)
    finally:
        process.stop()


def _command(folder: Path, config: Mapping[str, Any] | None, port: int, announcement: Path) -> Command:
    arguments = [sys.executable, "-m", "local.bedrock", "--port", str(port)]
    if config is not None:
        file = folder / "bedrock.json"
        file.write_text(json.dumps(config, indent=2), encoding="utf-8")
        arguments += ["--config", str(file)]
    return Command(
        name="local Bedrock endpoint",
        arguments=arguments,
        log=folder / "bedrock.log",
        output=announcement,
        environment={**inherited_environment(), "PYTHONUNBUFFERED": "1"},
        folder=ROOT,
        grace_seconds=5.0,
    )


def _announced_url(process: LeashedProcess, announcement: Path) -> str:
    """The URL from the one line of JSON that the endpoint prints when it is ready."""
    until = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < until and process.exit_status() is None:
        if (line := announcement.read_bytes()).endswith(b"\n"):
            return str(json.loads(line)["url"])
        time.sleep(POLL_SECONDS)
    raise StartFailed(f"the local Bedrock endpoint did not start (log: {process.log}):\n{process.log_tail()}")
