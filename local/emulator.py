"""The AWS emulator: a process of its own, from an environment of its own, on a free loopback port.

It pins an older botocore than the services use, so it lives in ``.venv-emulator`` (``make setup`` builds it from
locks/emulator.txt) and everything talks to it over HTTP alone.
"""

import http.client
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.processes import Command, LeashedProcess, StartFailed, inherited_environment, start_leashed

ROOT = Path(__file__).resolve().parents[1]
REGION = "us-east-1"
LOCAL_ACCOUNT = "000000000000"
START_LIMIT_SECONDS = 60.0
POLL_SECONDS = 0.05
NO_DOCKER = "unix:///nonexistent"


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator; ``url`` serves every AWS API."""

    url: str
    log: Path
    process: LeashedProcess

    def environment(self, access_key: str = LOCAL_ACCOUNT) -> dict[str, str]:
        """The AWS variables that point the SDK and the AWS CLI here and nowhere else.

        A 12-digit access key is the account the caller acts as, and the SenderId of the messages it sends.
        """
        return aws_environment(self.url, access_key)


def aws_environment(url: str, access_key: str = LOCAL_ACCOUNT) -> dict[str, str]:
    """The ordinary AWS variables for an endpoint on this machine, with credentials that open nothing elsewhere."""
    return {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": "local-only",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": url,
        # Neither a profile of the user's nor the network is asked for credentials or settings.
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


@contextmanager
def running_emulator(folder: Path | None = None, *, docker_host: str = NO_DOCKER) -> Iterator[Emulator]:
    """Start the emulator with its state and log under ``folder`` (a temporary one if None); stop it at the end.

    With a ``docker_host`` its ECS runs tasks as containers there; without, tasks are records that always run.
    Raises StartFailed with the remedy if its environment is missing, or with its log if it does not come up.
    """
    with _folder_or_temporary(folder) as home, _listening_socket() as listener:
        port = int(listener.getsockname()[1])
        process = start_leashed(_command(port, listener.fileno(), home, docker_host, temporary=folder is None))
        try:
            listener.close()
            _wait_until_ready(process, port)
            yield Emulator(url=f"http://127.0.0.1:{port}", log=process.log, process=process)
        finally:
            process.stop()


def _command(port: int, listener: int, home: Path, docker_host: str, *, temporary: bool) -> Command:
    # The socket is handed over already bound and listening: no other process can take the port between choosing
    # and using it, and a request that comes early waits instead of being refused.
    serve = ["-m", "hypercorn", "ministack.app:app", "--bind", f"fd://{listener}", "--workers", "0"]
    return Command(
        name="AWS emulator",
        arguments=[str(_emulator_python()), *serve, "--keep-alive", "75", "--log-level", "WARNING"],
        log=home / "emulator.log",
        environment=_emulator_environment(port, home, docker_host),
        folder=home,
        grace_seconds=5.0,
        keep_fds=[listener],
        remove=home if temporary else None,
    )


@contextmanager
def _folder_or_temporary(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="deskhand-emulator-", ignore_cleanup_errors=True) as temporary:
        yield Path(temporary)


def _listening_socket() -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    return listener


def _emulator_python() -> Path:
    python = ROOT / ".venv-emulator" / "bin" / "python"
    if not python.exists():
        raise StartFailed(f"the emulator's environment is missing ({python.parent.parent}): run `make setup`")
    return python


def _emulator_environment(port: int, home: Path, docker_host: str) -> dict[str, str]:
    state = home / "emulator"
    scratch = state / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    return {
        **inherited_environment(),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": LOCAL_ACCOUNT,
        "STATE_DIR": str(state),
        "S3_DATA_DIR": str(state / "s3"),
        "TMPDIR": str(scratch),
        "LOG_LEVEL": "WARNING",
        # Listeners that nothing here uses; some would bind fixed ports.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": docker_host,
    }


def _wait_until_ready(process: LeashedProcess, port: int) -> None:
    until = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < until:
        if process.exit_status() is not None:
            break
        if _answers(port):
            return
        time.sleep(POLL_SECONDS)
    raise StartFailed(f"the AWS emulator did not start (log: {process.log}):\n{process.log_tail()}")


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/_ministack/ready")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
