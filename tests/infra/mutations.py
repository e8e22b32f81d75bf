"""``make terraform-mutations``: make each mistake of the lists in a copy, and see whether the check it names notices.

``-k WORD`` takes the mutants whose words or file hold it. The exit status says whether all were caught.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.infra import scan
from tests.infra.conftest import OTHER_TREE
from tests.infra.mutants import Mutant
from tests.infra.mutants_ground import GROUND
from tests.infra.mutants_services import SERVICES
from tests.support import terraform
from tests.support.terraform import TerraformFailed

MUTANTS = (*GROUND, *SERVICES)
FILES = {
    "agreement": ("test_ground_agreement.py", "test_services_agreement.py"),
    "policies": ("test_task_policies.py",),
}
"""What each check runs of the tests here: all of them would take minutes for each mutant."""


class NoMutant(Exception):
    """The mistake cannot be made, or would prove nothing."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make terraform-mutations", description=__doc__)
    parser.add_argument("-k", dest="word", default="", help="only the mutants with this word")
    word = parser.parse_args(arguments).word
    if not terraform.is_there():
        print(terraform.ABSENT)
        return 1
    chosen = [mutant for mutant in MUTANTS if word in f"{mutant.what} {mutant.file} {mutant.by}"]
    missed = 0
    with tempfile.TemporaryDirectory(prefix="deskhand-mutants-") as scratch:
        tree = terraform.copy_of(terraform.TREE, Path(scratch) / "tree")
        sound: set[tuple[str, str]] = set()
        for mutant in chosen:
            began = time.monotonic()
            try:
                # The checks of the whole are the same for every place.
                if (check := (mutant.by, "" if mutant.by in FILES else mutant.place)) not in sound:
                    _require_sound(tree, mutant)
                    sound.add(check)
                verdict = "caught" if _is_caught(tree, mutant) else "MISSED"
            except NoMutant as problem:
                verdict = f"BROKEN ({problem})"
            missed += verdict != "caught"
            place = mutant.place if mutant.by in ("validate", "test") else ""
            print(f"{verdict}  {mutant.what}: {mutant.by} {place} {time.monotonic() - began:.0f} s", flush=True)
    print(f"{len(chosen) - missed} caught, {missed} missed")
    return 1 if missed or not chosen else 0


def _require_sound(tree: Path, mutant: Mutant) -> None:
    """Without the mistake the check passes, and so its failing says something."""
    try:
        terraform.init(tree / mutant.place)
    except TerraformFailed as failure:
        raise NoMutant(f"init fails: {failure}") from None
    if complaint := _complaint(tree, mutant):
        raise NoMutant(f"the check fails without it: {complaint[-600:]}")


def _is_caught(tree: Path, mutant: Mutant) -> bool:
    file = tree / mutant.file
    text = file.read_text()
    if text.count(mutant.old) != 1:
        raise NoMutant(f"{mutant.file} holds its text {text.count(mutant.old)} times")
    file.write_text(text.replace(mutant.old, mutant.new))
    try:
        if mutant.by == "test":
            try:
                terraform.terraform(tree / mutant.place, "validate", "-no-color")
            except TerraformFailed as failure:
                raise NoMutant(f"it is not valid: {failure}") from None
        return _complaint(tree, mutant) is not None
    finally:
        file.write_text(text)


def _complaint(tree: Path, mutant: Mutant) -> str | None:
    """What the mutant's check says of ``tree``; None if it is content."""
    if mutant.by in FILES:
        return _disagreement(tree, FILES[mutant.by])
    if mutant.by == "scan":
        explained = set(scan.explanations(tree))
        found, _ = scan.scanned(tree, explained)
        return "; ".join(str(finding) for finding in sorted(set(found) - explained)) or None
    try:
        terraform.terraform(tree / mutant.place, mutant.by, "-no-color")
    except TerraformFailed as failure:
        return str(failure)
    return None


def _disagreement(tree: Path, files: Sequence[str]) -> str | None:
    required = {OTHER_TREE: str(tree), terraform.REQUIRED: "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        *(str(terraform.ROOT / "tests" / "infra" / file) for file in files),
    ]
    finished = subprocess.run(
        command, cwd=terraform.ROOT, env={**os.environ, **required}, capture_output=True, text=True, check=False
    )
    return None if finished.returncode == 0 else finished.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
