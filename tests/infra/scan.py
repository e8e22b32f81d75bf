"""``make terraform-scan``: checkov over our Terraform; each finding is mended, or explained where it stands.

An explanation is a comment ``#checkov:skip=ID:reason`` in the block that it is about. The scan runs on a copy in which
those comments say nothing, so that an explanation of something that checkov no longer finds is a failure too.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import terraform

CHECKOV = terraform.ROOT / ".venv-infra" / "bin" / "checkov"
BLOCK = re.compile(r'(?:resource|data) "(\w+)" "(\w+)"')
EXPLAINED = re.compile(r"#checkov:skip=(\w+):\s*(\S.*)")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One check on one block, wherever and however often the block is called."""

    file: str
    block: str
    check: str

    def __str__(self) -> str:
        return f"{self.check} {self.file} {self.block}"


def main() -> int:
    explained = set(explanations(terraform.TREE))
    found, counts = scanned(terraform.TREE, explained)
    unexplained, outdated = set(found) - explained, explained - set(found)
    for finding in sorted(unexplained):
        print(f"FOUND    {finding}: {found[finding]}")
    for finding in sorted(outdated):
        print(f"OUTDATED {finding}: checkov no longer finds this; delete the comment")
    print(f"checkov: {counts['passed']} passed, {len(explained - outdated)} explained, {len(unexplained)} found")
    return 1 if unexplained or outdated else 0


def explanations(tree: Path) -> Iterator[Finding]:
    for file in sorted(tree.rglob("*.tf")):
        block = ""
        for line in file.read_text().splitlines():
            if begun := BLOCK.match(line):
                block = f"{begun[1]}.{begun[2]}"
            if reason := EXPLAINED.search(line):
                yield Finding(str(file.relative_to(tree)), block, reason[1])


def scanned(of: Path, explained: set[Finding]) -> tuple[dict[Finding, str], Counter[str]]:
    """What checkov finds in a copy of the tree ``of`` whose explanations are struck out."""
    with tempfile.TemporaryDirectory(prefix="deskhand-scan-") as scratch:
        tree = terraform.copy_of(of, Path(scratch) / "tree")
        for finding in explained:
            file = tree / finding.file
            file.write_text(EXPLAINED.sub("#", file.read_text()))
        command = [str(CHECKOV), "--directory", str(tree), "--framework", "terraform", "--skip-path", "tests"]
        finished = subprocess.run(
            [*command, "--compact", "--output", "json"], capture_output=True, text=True, check=False
        )
        if not finished.stdout.lstrip().startswith(("{", "[")):
            sys.exit(f"checkov said no JSON:\n{finished.stdout}{finished.stderr}")
        printed: Any = json.loads(finished.stdout)
    reports = printed if isinstance(printed, list) else [printed]
    counts: Counter[str] = Counter()
    found = {}
    for report in reports:
        counts["passed"] += report["summary"]["passed"]
        counts["unreadable"] += report["summary"]["parsing_errors"]
        for failed in report["results"]["failed_checks"]:
            block = ".".join(re.sub(r"\[.*", "", failed["resource"]).split(".")[-2:])
            found[Finding(failed["file_path"].lstrip("/"), block, failed["check_id"])] = failed["check_name"]
    if counts["unreadable"] or not counts["passed"]:
        sys.exit(f"checkov could not read the tree: {counts}")
    return found, counts


if __name__ == "__main__":
    sys.exit(main())
