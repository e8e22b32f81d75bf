"""The Python environments of a checkout, made and kept like their lock files: `.venv`, `.venv-emulator`, `.venv-bench`.

The last one only with ``--bench``: it holds the peers that a benchmark runs beside ours. So `.venv-infra` with
``--infra``: it holds what looks over our Terraform.

Standard library only: it runs before anything is installed, under any Python from 3.11 on. Each environment carries a
stamp of what it was made from, written last, so that a second run does nothing and an interrupted one starts afresh.
"""

import fcntl
import hashlib
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SERVICES = ROOT / ".venv"
EMULATOR = ROOT / ".venv-emulator"
BENCH = ROOT / ".venv-bench"
INFRA = ROOT / ".venv-infra"
MADE_FROM = {
    SERVICES: ("locks/bootstrap.txt", "locks/dev.txt", "pyproject.toml"),
    EMULATOR: ("locks/emulator.txt",),
    BENCH: ("locks/bench.txt",),
    INFRA: ("locks/infra.txt",),
}
SIGN_OF_LIFE_SECONDS = 1.5
# The caller's pip and uv settings would make them install elsewhere, or something else than the lock says; only those
# that say from where and over which connection are kept.
INSTALLER_SETTINGS = re.compile(r"(PIP|UV)_")
KEPT_SETTINGS = re.compile(
    r"INDEX|FIND_LINKS|CERT|TLS|PROXY|HOST|KEYRING|TIMEOUT|RETRIES|OFFLINE|CACHE|CONFIG_FILE|LINK_MODE"
)
PYTHON_SETTINGS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX")


class SetupFailed(Exception):
    """A step failed; its own output says why, the text what to do."""


def main() -> int:
    """Bring the environments up to date, silent if they are; ``--check`` only says so by the exit status."""
    if sys.argv[1:] == ["--check"]:
        return 0 if _is_current(SERVICES) and _is_current(EMULATOR) else 1
    (ROOT / "build").mkdir(exist_ok=True)
    with (ROOT / "build" / "setup.lock").open("w") as lock:
        # Two targets started at once must not install into one folder.
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            _keep_services()
            _keep_emulator()
            if "--bench" in sys.argv[1:]:
                _keep_bench()
            if "--infra" in sys.argv[1:]:
                _keep_infra()
        except SetupFailed as failure:
            print(f"Set-up stopped: {failure}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nSet-up interrupted; the next run starts afresh where it has to.", file=sys.stderr)
            return 130
    return 0


def _keep_services() -> None:
    if _is_current(SERVICES):
        return
    began = _announce(SERVICES, "the services, the tools and the tests")
    _begin(SERVICES, with_pip=True)
    pip = [str(SERVICES / "bin" / "python"), "-I", "-m", "pip", "--disable-pip-version-check", "install", "--no-input"]
    _run("installing uv, which installs the rest", [*pip, "--require-hashes", "-r", "locks/bootstrap.txt"])
    _sync(SERVICES, "locks/dev.txt")
    _uv(SERVICES, "installing the project itself", "install", "--no-deps", "--no-build-isolation", "--editable", ".")
    _finish(SERVICES, began)


def _keep_emulator() -> None:
    if _is_current(EMULATOR):
        return
    began = _announce(EMULATOR, "the AWS emulator, apart because it pins an older SDK")
    _begin(EMULATOR, with_pip=False)
    _sync(EMULATOR, "locks/emulator.txt")
    _finish(EMULATOR, began)


def _keep_bench() -> None:
    if _is_current(BENCH):
        return
    began = _announce(BENCH, "the peers of the benchmarks, apart because no service needs them")
    _begin(BENCH, with_pip=False)
    _sync(BENCH, "locks/bench.txt")
    _finish(BENCH, began)


def _keep_infra() -> None:
    if _is_current(INFRA):
        return
    began = _announce(INFRA, "what looks over our Terraform, apart because nothing else needs it")
    _begin(INFRA, with_pip=False)
    _sync(INFRA, "locks/infra.txt")
    _finish(INFRA, began)


def _ingredients(environment: Path) -> str:
    """A digest of what ``environment`` is made from: files, and its place, which is written into its programs."""
    digest = hashlib.sha256(str(ROOT).encode())
    for file in MADE_FROM[environment]:
        digest.update((ROOT / file).read_bytes())
    return digest.hexdigest()


def _stamp(environment: Path) -> Path:
    return environment / ".deskhand-made-from"


def _unfinished(environment: Path) -> Path:
    return environment / ".deskhand-unfinished"


def _is_current(environment: Path) -> bool:
    stamp = _stamp(environment)
    made_from = stamp.read_text(encoding="utf-8") if stamp.exists() else ""
    return made_from == _ingredients(environment) and _runs(environment)


def _runs(environment: Path, *arguments: str) -> bool:
    """Whether its Python still runs: the one it was made from may have been removed or upgraded."""
    python = environment / "bin" / "python"
    command = [str(python), "-I", *(arguments or ("-c", "import sys; sys.exit(sys.version_info < (3, 11))"))]
    return python.exists() and subprocess.run(command, capture_output=True, check=False).returncode == 0


def _announce(environment: Path, what_for: str) -> float:
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"{environment.name} (Python {version}): {what_for}", flush=True)
    return time.monotonic()


def _begin(environment: Path, *, with_pip: bool) -> None:
    """Have an environment to install into: the one that is there, unless it was left unfinished or is broken."""
    sound = _runs(environment) and (not with_pip or _runs(environment, "-m", "pip", "--version"))
    # An installer that was killed can leave a package that looks complete: such an environment is made again.
    if not sound or _unfinished(environment).exists():
        shutil.rmtree(environment, ignore_errors=True)
        make = [sys.executable, "-I", "-m", "venv", *([] if with_pip else ["--without-pip"]), str(environment)]
        _run("making the environment", make)
    _unfinished(environment).touch()
    _stamp(environment).unlink(missing_ok=True)


def _finish(environment: Path, began: float) -> None:
    draft = _stamp(environment).with_suffix(".draft")
    draft.write_text(_ingredients(environment), encoding="utf-8")
    os.replace(draft, _stamp(environment))
    _unfinished(environment).unlink()
    print(f"  done in {time.monotonic() - began:.0f} s", flush=True)


def _sync(environment: Path, lock: str) -> None:
    """Install what the lock says, and remove what it does not say."""
    packages = sum("==" in line for line in (ROOT / lock).read_text(encoding="utf-8").splitlines())
    _uv(environment, f"installing {packages} packages from {lock}", "sync", "--require-hashes", lock)


def _uv(environment: Path, step: str, command: str, *arguments: str) -> None:
    uv = [str(SERVICES / "bin" / "uv"), "pip", command, "--python", str(environment / "bin" / "python")]
    _run(step, [*uv, *arguments], more=_as_pip_connects(), shows_progress=sys.stderr.isatty())


def _run(
    step: str, command: Sequence[str], *, more: Mapping[str, str] | None = None, shows_progress: bool = False
) -> None:
    """Run one step with a sign of life at least every two seconds; its output is shown if it fails.

    A command that ``shows_progress`` by itself writes to the terminal.
    """
    print(f"  {step}", flush=True)
    environment = {name: value for name, value in os.environ.items() if _is_harmless(name)} | dict(more or {})
    with (ROOT / "build" / "setup.log").open("w+b") as log:
        output = None if shows_progress else log
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            _wait(process, silent=shows_progress)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        if process.returncode != 0:
            log.seek(0)
            sys.stderr.write(log.read().decode("utf-8", errors="replace"))
            raise SetupFailed(f"{step} failed with exit status {process.returncode}; mend what it says and try again.")


def _is_harmless(variable: str) -> bool:
    if INSTALLER_SETTINGS.match(variable):
        return KEPT_SETTINGS.search(variable) is not None
    return variable not in PYTHON_SETTINGS


@cache
def _as_pip_connects() -> dict[str, str]:
    """Variables that make uv reach its index the way that pip was set up to, as uv reads none of pip's settings."""
    settings = {}
    if _has_system_certificates() and "UV_SYSTEM_CERTS" not in os.environ:
        # uv's own list does not know the certificate of a company's proxy; the system's does.
        settings["UV_SYSTEM_CERTS"] = "1"
    listed = _runs_and_prints([str(SERVICES / "bin" / "python"), "-I", "-m", "pip", "config", "list"])
    # Later kinds of file override earlier ones, and variables all of them; the list is not in that order.
    pip = {
        name: value
        for kind in ("global", "user", "site", ":env:")
        for name, value in re.findall(rf"^{kind}\.([a-z-]+)='(.*)'$", listed, re.MULTILINE)
    }
    if "index-url" in pip and not {"UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE"} & set(os.environ):
        settings["UV_DEFAULT_INDEX"] = pip["index-url"]
    if "cert" in pip and "SSL_CERT_FILE" not in os.environ:
        settings["SSL_CERT_FILE"] = pip["cert"]
    return settings


def _has_system_certificates() -> bool:
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())) or sys.platform == "darwin")


def _runs_and_prints(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _wait(process: "subprocess.Popen[bytes]", *, silent: bool) -> None:
    began = time.monotonic()
    while True:
        try:
            process.wait(SIGN_OF_LIFE_SECONDS)
            return
        except subprocess.TimeoutExpired:
            if not silent:
                print(f"    {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
