"""The services' images run as ECS runs them: read-only, without a privilege, under the limits that Terraform sets.

Containers share the machine's network, because the embedded cloud listens on loopback alone, and see of its disk only
the folder of PostgreSQL's socket. What is checked here of an image, Docker says; nothing of ours is asked.
"""

import http.client
import os
import re
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import ImageNotFound
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
TERRAFORM = ROOT / "infra" / "terraform"
TAG = "DESKHAND_TEST_IMAGE_TAG"
REQUIRED = "DESKHAND_DOCKER_REQUIRED"
SERVICES = ("ticket_agent", "feedback_tagger")
# Where the kernel says the most memory that a container has used: cgroups 2, cgroups 1.
MOST_MEMORY = ("/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/memory/memory.max_usage_in_bytes")
# What the task definition adds to DRAIN_SECONDS before ECS kills.
KILL_AFTER_DRAIN_SECONDS = 10
START_LIMIT_SECONDS = 60.0
DEFAULT_HOST = "unix:///var/run/docker.sock"

# Its container that removes others after a crash comes from a registry; here whoever starts a container removes it.
testcontainers_config.ryuk_disabled = True


class Unavailable(Exception):
    """Docker or an image is not there; the text says what to do."""


def image_of(service: str) -> Any:
    """The image of this checkout's commit, or of the tag in DESKHAND_TEST_IMAGE_TAG. Raises Unavailable."""
    tag = os.environ.get(TAG) or _revision()
    _need_a_daemon()
    client = docker.from_env()
    try:
        return client.images.get(f"deskhand-{service}:{tag}")
    except ImageNotFound:
        raise Unavailable(
            f"no image deskhand-{service}:{tag}: run `make images`, or set {TAG} to a tag that is there"
        ) from None
    finally:
        client.close()


def image_or_skip(service: str) -> Any:
    """As ``image_of``; without it the test is skipped with the remedy, or fails if DESKHAND_DOCKER_REQUIRED is set."""
    try:
        return image_of(service)
    except Unavailable as missing:
        if os.environ.get(REQUIRED):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


def megabytes_beyond_the_base(image: Any) -> float:
    """What the image adds to the one it is built on."""
    client = docker.from_env()
    try:
        base = client.images.get(image.labels["org.opencontainers.image.base.name"])
    finally:
        client.close()
    return float(image.attrs["Size"] - base.attrs["Size"]) / 1e6


def memory_limit_mib(service: str) -> int:
    """The smallest task that Terraform makes of ``service``."""
    values = "".join(file.read_text(encoding="utf-8") for file in TERRAFORM.glob("envs/*/values.tf"))
    return min(int(size) for size in re.findall(rf"\b{service}\b\s*=\s*\{{[^}}]*\bmemory_mib\s*=\s*(\d+)", values))


class Task:
    """One container of a service."""

    def __init__(self, service: str, container: DockerContainer, health_port: int, drain_seconds: int) -> None:
        self.service = service
        self.container = container
        self._health_port = health_port
        self._drain_seconds = drain_seconds

    @property
    def docker(self) -> Any:
        return self.container.get_wrapped_container()

    def healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._health_port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def log(self) -> str:
        output: bytes = self.docker.logs()
        return output.decode(errors="replace")

    def python(self, code: str) -> tuple[int, str]:
        """Exit status and output of Python code that runs beside the service, with its rights."""
        return self._command("python3", "-c", code)

    def health_command(self) -> tuple[int, str]:
        return self._command("python3", "-m", f"services.{self.service}", "health")

    def most_memory_mib(self) -> float:
        """The most that ever counted, files in memory and all; the limit itself means little."""
        status, said = self.python(f"print(open(next(filter(__import__('os').path.exists, {MOST_MEMORY}))).read())")
        assert status == 0, said
        return float(said) / 2**20

    def memory_mib(self) -> float:
        """What counts against the limit and cannot be given back: without the files that Linux keeps in memory."""
        memory = self.docker.stats(stream=False)["memory_stats"]
        of_files = memory["stats"].get("total_inactive_file", memory["stats"].get("inactive_file"))  # cgroups 1 and 2
        return float(memory["usage"] - of_files) / 2**20

    def terminate(self) -> int:
        """SIGTERM, SIGKILL after the task's stop timeout, and the exit status: 137 if it came to that."""
        self.docker.stop(timeout=self._drain_seconds + KILL_AFTER_DRAIN_SECONDS)
        return self.container.wait()

    def kill(self) -> None:
        self.docker.kill()
        self.container.wait()

    def _command(self, *command: str) -> tuple[int, str]:
        ended = self.container.exec(list(command))
        assert ended.exit_code is not None
        return ended.exit_code, ended.output.decode(errors="replace")


@contextmanager
def running_task(
    service: str,
    environment: Mapping[str, str],
    *,
    arguments: tuple[str, ...] = (),
    socket_folder: Path | None = None,
    processors: float | None = None,
    waits: bool = True,
) -> Iterator[Task]:
    """A container of ``service`` that is healthy, unless it is not waited for; removed at the end, however it ended."""
    health_port = _free_port()
    limit = f"{memory_limit_mib(service)}m"
    container = DockerContainer(
        image_of(service).id,
        command=list(arguments) or None,  # type: ignore[arg-type]  # the SDK takes both
        env={**environment, "HEALTH_PORT": str(health_port)},
    ).with_kwargs(
        network_mode="host",
        # Terraform's task definition, in Docker's words.
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        init=True,
        mem_limit=limit,
        memswap_limit=limit,
        nano_cpus=None if processors is None else int(processors * 1e9),
    )
    container.with_tmpfs_mount("/tmp", "rw,noexec,nosuid,nodev,mode=1777")
    if socket_folder is not None:
        # Closed to other users, and the container's user is one. Whoever can reach the socket is let in.
        socket_folder.chmod(0o711)
        container.with_volume_mapping(socket_folder, str(socket_folder), "ro")
    with container:
        task = Task(service, container, health_port, int(environment.get("DRAIN_SECONDS", "110")))
        if waits:
            wait_until_healthy(task)
        yield task


def wait_until_healthy(task: Task) -> None:
    def healthy_or_ended() -> bool:
        if task.healthy():
            return True
        task.docker.reload()
        assert task.docker.status in ("created", "running"), task.log()
        return False

    wait_until(healthy_or_ended, within=START_LIMIT_SECONDS, what=f"a healthy {task.service}")


def migrate(environment: Mapping[str, str], socket_folder: Path) -> str:
    """Bring the tagger's database up to date, as a deployment does before it changes the service; what it said."""
    migration = running_task(
        "feedback_tagger", environment, arguments=("migrate",), socket_folder=socket_folder, waits=False
    )
    with migration as task:
        status = task.container.wait()
        assert status == 0, task.log()
        return task.log()


def _need_a_daemon() -> None:
    """Asked first, because the client leaves a socket open where nobody answers."""
    host = os.environ.get("DOCKER_HOST", DEFAULT_HOST)
    if not host.startswith("unix://"):
        return
    with socket.socket(socket.AF_UNIX) as door:
        try:
            door.connect(host.removeprefix("unix://"))
        except OSError as error:
            raise Unavailable(f"no Docker daemon answers at {host} ({error}): start one, or set DOCKER_HOST") from None


def _revision() -> str:
    asked = ["git", "rev-parse", "--short=12", "HEAD"]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
