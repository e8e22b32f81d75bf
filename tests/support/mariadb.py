"""A MariaDB or MySQL server from the programs on this machine: a fresh data folder, a Unix socket, a loopback port."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from local.processes import Command, LeashedProcess, StartFailed, inherited_environment, start_leashed

UNPRIVILEGED_USER = "nobody"
START_LIMIT_SECONDS = 90.0
POLL_SECONDS = 0.05
SERVERS = ("mariadbd", "mysqld")
# Debian keeps servers where ordinary users do not look.
SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def server_program() -> str | None:
    """The first of mariadbd and mysqld that this machine has."""
    return next((found for name in SERVERS if (found := shutil.which(name, path=SEARCH))), None)


@dataclass(frozen=True, slots=True)
class MariaDb:
    """A running server; ``root_password`` opens the account ``root`` through the socket and the port alike."""

    socket_path: Path
    port: int
    log: Path
    root_password: str
    process: LeashedProcess
    pid_file: Path

    def dsn(
        self, database: str = "", *, user: str = "root", password: str | None = None, host: str | None = None
    ) -> str:
        """Through the socket; through the port if ``host`` is given."""
        login = f"{quote(user, safe='')}:{quote(self.root_password if password is None else password, safe='')}"
        if host is not None:
            return f"mysql://{login}@{host}:{self.port}/{database}"
        return f"mysql://{login}@/{database}?socket={quote(str(self.socket_path), safe='')}"


@contextmanager
def running_mariadb(
    log_folder: Path | None = None,
    *,
    options: Sequence[str] = (),
    readable: Sequence[Path] = (),
    data: Path | None = None,
) -> Iterator[MariaDb]:
    """Start a server; stop it and delete its data at the end.

    The account ``root`` may come through the port too. ``readable`` are files that the server must be
    able to read: copies of them lie in its folder, under their names. Raises StartFailed with the log.
    """
    program = server_program()
    if program is None:
        raise StartFailed("neither mariadbd nor mysqld is on this machine")
    user = UNPRIVILEGED_USER if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="deskhand-my-", dir="/tmp", ignore_cleanup_errors=True) as temporary:
        home = Path(temporary)
        log = (log_folder or home) / "mariadb.log"
        for each in readable:
            shutil.copy(each, home / each.name)
        if user is not None:
            entry = pwd.getpwnam(user)
            for path in (home, *home.iterdir()):
                os.chown(path, entry.pw_uid, entry.pw_gid)
        password = secrets.token_hex(8)
        _create_data(program, home, user, log, password)
        port = _free_port()
        pid_file = home / "server.pid"
        process = start_leashed(_server(program, home, user, log, port, pid_file, options))
        running = MariaDb(home / "s.sock", port, log, password, process, pid_file)
        try:
            _wait_until_ready(running)
            yield running
        finally:
            process.stop()


def _create_data(program: str, home: Path, user: str | None, log: Path, password: str) -> None:
    (home / "start.sql").write_text(
        # The first line names the one account for the socket and the port; the server runs it before it takes anybody.
        f"alter user 'root'@'localhost' identified by '{password}';\n"
        f"create user if not exists 'root'@'127.0.0.1';\n"
        f"alter user 'root'@'127.0.0.1' identified by '{password}';\n"
        "grant all privileges on *.* to 'root'@'127.0.0.1' with grant option;\n",
        encoding="utf-8",
    )
    entry = pwd.getpwnam(user) if user else None
    if entry is not None:
        os.chown(home / "start.sql", entry.pw_uid, entry.pw_gid)
    if Path(program).name == "mariadbd" or shutil.which("mariadb-install-db"):
        install = [shutil.which("mariadb-install-db") or "mariadb-install-db", "--no-defaults"]
        arguments = [*install, f"--datadir={home / 'data'}", "--auth-root-authentication-method=normal"]
        arguments += ["--skip-test-db", "--skip-name-resolve"]
    else:
        arguments = [program, "--no-defaults", "--initialize-insecure", f"--datadir={home / 'data'}"]
    with log.open("ab") as output:
        created = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=inherited_environment(),
            cwd=home,
            user=entry.pw_uid if entry else None,
            group=entry.pw_gid if entry else None,
            extra_groups=() if entry else None,
            timeout=START_LIMIT_SECONDS,
            check=False,
        )
    if created.returncode != 0:
        raise StartFailed(f"no data folder:\n{log.read_text(encoding='utf-8', errors='replace')}")


def _server(
    program: str, home: Path, user: str | None, log: Path, port: int, pid_file: Path, options: Sequence[str]
) -> Command:
    return Command(
        name="MariaDB",
        arguments=[
            program,
            "--no-defaults",
            f"--datadir={home / 'data'}",
            f"--socket={home / 's.sock'}",
            f"--pid-file={pid_file}",
            f"--init-file={home / 'start.sql'}",
            "--bind-address=127.0.0.1",
            f"--port={port}",
            "--skip-name-resolve",
            "--max-connections=200",
            "--innodb-buffer-pool-size=64M",
            # A crash of the machine loses this data anyway; a crash of the server alone loses nothing.
            "--innodb-flush-log-at-trx-commit=2",
            *(option.replace("HOME/", f"{home}/") for option in options),
        ],
        log=log,
        environment=inherited_environment(),
        folder=home,
        stop_signal="TERM",
        grace_seconds=20.0,
        user=user,
        remove=home,
    )


def _free_port() -> int:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(running: MariaDb) -> None:
    until = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < until and running.process.exit_status() is None:
        # It writes its id after the start file has run and just before it takes connections.
        if "ready for connections" in running.process.log_tail() or _answers(running):
            return
        time.sleep(POLL_SECONDS)
    raise StartFailed(f"MariaDB did not start (log: {running.log}):\n{running.process.log_tail()}")


def _answers(running: MariaDb) -> bool:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", running.port)) == 0
