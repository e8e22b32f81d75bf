"""``make terraform``: formatting, then validate and test of every folder, in a copy of the tree.

Folders are named by arguments (``modules/queue``), or all are taken. The exit status says whether all passed.
"""

import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.support import terraform
from tests.support.terraform import TerraformFailed

AT_ONCE = 2
"""Each takes about a CPU."""
PASSED = re.compile(r"(\d+) passed")


@dataclass(frozen=True, slots=True)
class Verdict:
    folder: Path
    runs: int
    seconds: float
    complaint: str | None

    def __str__(self) -> str:
        said = "FAILED" if self.complaint else f"{self.runs} runs" if self.runs else "valid"
        return f"{self.folder!s:<28} {self.seconds:5.0f} s  {said}"


def main(chosen: list[str]) -> int:
    if not terraform.is_there():
        print(terraform.ABSENT)
        return 1
    failures = 0
    try:
        terraform.terraform(terraform.TREE, "fmt", "-check", "-diff", "-recursive", "-no-color")
    except TerraformFailed as unformatted:
        print(f"{unformatted}\nNot in terraform's format; `terraform fmt -recursive infra/terraform` mends it.")
        failures += 1
    with tempfile.TemporaryDirectory(prefix="deskhand-terraform-") as scratch:
        tree = terraform.copy_of(terraform.TREE, Path(scratch) / "tree")
        folders = [Path(name) for name in chosen] or terraform.folders(tree)
        verdicts = []
        with ThreadPoolExecutor(AT_ONCE) as workers:
            for verdict in workers.map(lambda folder: checked(tree, folder), folders):
                print(verdict, flush=True)
                if verdict.complaint:
                    print(verdict.complaint, flush=True)
                verdicts.append(verdict)
    failures += sum(1 for verdict in verdicts if verdict.complaint)
    runs = sum(verdict.runs for verdict in verdicts)
    print(f"{runs} runs passed in {len(verdicts)} folders; {failures or 'nothing'} failed")
    return 1 if failures else 0


def checked(tree: Path, folder: Path) -> Verdict:
    """Initialise, validate and test one folder."""
    began = time.monotonic()
    runs, complaint = 0, None
    try:
        terraform.init(tree / folder)
        terraform.terraform(tree / folder, "validate", "-no-color")
        if list((tree / folder / "tests").glob("*.tftest.hcl")):
            printed = terraform.terraform(tree / folder, "test", "-no-color")
            runs = sum(int(count) for count in PASSED.findall(printed))
    except TerraformFailed as failure:
        complaint = str(failure)
    return Verdict(folder, runs, time.monotonic() - began, complaint)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
