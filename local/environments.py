"""The two Python environments of a checkout, made and kept like their lock files: `.venv` and `.venv-emulator`.

Standard library only: it runs before anything is installed, under any Python from 3.11 on. Each environment carries a
stamp of what it was made from, written last, so that a second run does nothing and an interrupted one starts afresh.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SERVICES = ROOT / ".venv"
EMULATOR = ROOT / ".venv-emulator"
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
    """Bring both environments up to date; silent if they are."""
    (ROOT / "build").mkdir(exist_ok=True)
    with (ROOT / "build" / "setup.lock").open("w") as lock:
        # Two targets started at once must not install into one folder.
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            _keep_services()
            _keep_emulator()
        except SetupFailed as failure:
            print(f"Set-up stopped: {failure}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nSet-up interrupted; the next run starts afresh where it has to.", file=sys.stderr)
            return 130
    return 0


def _keep_services() -> None:
    wanted = _digest("locks/bootstrap.txt", "locks/dev.txt", "pyproject.toml")
    if _is_current(SERVICES, wanted):
        return
    began = _announce(SERVICES, "the services, the tools and the tests")
    _begin(SERVICES, with_pip=True)
    python, uv = str(SERVICES / "bin" / "python"), str(SERVICES / "bin" / "uv")
    pip = [python, "-I", "-m", "pip", "--disable-pip-version-check", "install", "--no-input", "--progress-bar", "off"]
    _run("installing uv, which installs the rest", [*pip, "--require-hashes", "-r", "locks/bootstrap.txt"], quiet=True)
    sync = [uv, "pip", "sync", "--python", python, "--require-hashes", "locks/dev.txt"]
    _run(f"installing {_count('locks/dev.txt')} packages from locks/dev.txt", sync)
    project = [uv, "pip", "install", "--python", python, "--no-deps", "--no-build-isolation", "--editable", "."]
    _run("installing the project itself", project)
    _finish(SERVICES, wanted, began)


def _keep_emulator() -> None:
    wanted = _digest("locks/emulator.txt")
    if _is_current(EMULATOR, wanted):
        return
    began = _announce(EMULATOR, "the AWS emulator, apart because it pins an older SDK")
    _begin(EMULATOR, with_pip=False)
    sync = [str(SERVICES / "bin" / "uv"), "pip", "sync", "--python", str(EMULATOR / "bin" / "python")]
    _run(
        f"installing {_count('locks/emulator.txt')} packages from locks/emulator.txt",
        [*sync, "--require-hashes", "locks/emulator.txt"],
    )
    _finish(EMULATOR, wanted, began)


def _digest(*files: str) -> str:
    """What an environment is made from: these files, and the place, which is written into its programs."""
    digest = hashlib.sha256(str(ROOT).encode())
    for file in files:
        digest.update((ROOT / file).read_bytes())
    return digest.hexdigest()


def _stamp(environment: Path) -> Path:
    return environment / ".deskhand-made-from"


def _unfinished(environment: Path) -> Path:
    return environment / ".deskhand-unfinished"


def _is_current(environment: Path, wanted: str) -> bool:
    stamp = _stamp(environment)
    return stamp.exists() and stamp.read_text(encoding="utf-8") == wanted and _runs(environment)


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
        _run("making the environment", make, quiet=True)
    _unfinished(environment).touch()
    _stamp(environment).unlink(missing_ok=True)


def _finish(environment: Path, made_from: str, began: float) -> None:
    draft = _stamp(environment).with_suffix(".draft")
    draft.write_text(made_from, encoding="utf-8")
    os.replace(draft, _stamp(environment))
    _unfinished(environment).unlink()
    print(f"  done in {time.monotonic() - began:.0f} s", flush=True)


def _count(lock: str) -> int:
    return sum("==" in line for line in (ROOT / lock).read_text(encoding="utf-8").splitlines())


def _run(step: str, command: Sequence[str], *, quiet: bool = False) -> None:
    """Run one step, with a sign of life at least every two seconds; ``quiet`` shows its output only if it fails."""
    print(f"  {step}", flush=True)
    shows_progress = sys.stderr.isatty() and not quiet  # uv does, on a terminal
    environment = {name: value for name, value in os.environ.items() if _is_harmless(name)}
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
