"""Our Terraform in a copy of its own: folders, running terraform in them, what the whole would make of an account.

Needs ``terraform`` and the provider hashicorp/aws, but no account: the providers are mocked. Every run works on a copy,
so that neither lock files nor modules are left in the tree.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TREE = ROOT / "infra" / "terraform"
REQUIRED = "DESKHAND_TERRAFORM_REQUIRED"
"""Set where missing Terraform is a failure and no reason to leave tests out."""
ABSENT = "terraform 1.11 or newer is not on the PATH: https://developer.hashicorp.com/terraform/install"
NO_PROVIDER = "terraform init failed; the provider hashicorp/aws comes from its registry or a mirror of it:"
NOT_COPIED = shutil.ignore_patterns(".terraform", ".terraform.lock.hcl", "*.tfstate*")


class TerraformFailed(Exception):
    """The command's own words."""


def is_there() -> bool:
    return shutil.which("terraform") is not None


def folders(tree: Path = TREE) -> list[Path]:
    """Every folder that terraform can be run in, relative to ``tree``; the smallest first."""
    found = {file.parent.relative_to(tree) for file in tree.rglob("*.tf") if ".terraform" not in file.parts}
    order = {"modules": 0, "stack": 1, "envs": 2}
    return sorted(found, key=lambda folder: (order.get(folder.parts[0], 3), -len(folder.parts), str(folder)))


def copy_of(tree: Path, to: Path) -> Path:
    """``tree`` in a new folder ``to``, at its place beside the sources, which some of its files read."""
    (to / "infra").mkdir(parents=True)
    beside = [entry for entry in (ROOT / "infra").iterdir() if entry != TREE]
    for entry in (ROOT / "services", ROOT / "shared", *beside):
        (to / entry.relative_to(ROOT)).symlink_to(entry)
    return Path(shutil.copytree(tree, to / "infra" / "terraform", ignore=NOT_COPIED))


def terraform(folder: Path, *arguments: str) -> str:
    """What terraform prints; raises `TerraformFailed` with it if it fails."""
    finished = subprocess.run(
        ["terraform", *arguments], cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    if finished.returncode != 0:
        raise TerraformFailed(finished.stdout + finished.stderr)
    return finished.stdout


def init(folder: Path) -> None:
    terraform(folder, "init", "-backend=false", "-no-color", "-input=false")


def _environment() -> dict[str, str]:
    plugins = ROOT / "build" / "terraform-plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    # The provider is fetched once and not once a folder; the copies have no lock file that this could break.
    ours = {"TF_PLUGIN_CACHE_DIR": str(plugins), "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE": "1"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TF_VAR_", "TF_CLI_ARGS"))}
    return {**ours, **kept, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}


@dataclass(frozen=True, slots=True)
class Made:
    """One resource or data source of the whole, after a mocked apply."""

    address: str
    mode: str
    type: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Whole:
    """All that ``stack`` makes with every option on."""

    made: tuple[Made, ...]

    def of(self, kind: str) -> list[Made]:
        return [made for made in self.made if made.mode == "managed" and made.type == kind]

    def one(self, kind: str, **values: Any) -> Made:
        found = [made for made in self.of(kind) if values.items() <= made.values.items()]
        assert len(found) == 1, f"{len(found)} {kind} with {values}: {[made.address for made in found]}"
        return found[0]

    def documents(self) -> list[Made]:
        """Every ``aws_iam_policy_document``, whose ``statement`` is what it says."""
        return [made for made in self.made if made.type == "aws_iam_policy_document"]


def whole_kept(source: Path, variables: str, apply: Callable[[], Whole]) -> Whole:
    """What ``apply`` makes of ``source``, from a file if these very sources were applied before.

    An apply takes a minute and more, and each worker of a test run would make its own: the first one writes the file,
    the others wait for it. What may be read by Terraform is part of the file's name.
    """
    folder = ROOT / "build" / "terraform-whole"
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{_digest(source, variables)}.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            whole = apply()
            for old in folder.glob("*.json"):
                old.unlink()
            written = folder / "new"
            written.write_text(json.dumps([asdict(made) for made in whole.made]))
            written.replace(kept)
    return Whole(tuple(Made(**made) for made in json.loads(kept.read_text())))


def _digest(source: Path, variables: str) -> str:
    digest = hashlib.sha256(variables.encode())
    for top in (source, ROOT / "infra", ROOT / "services", ROOT / "shared"):
        for file in sorted(top.rglob("*")):
            if file.is_file() and not {".terraform", "__pycache__"} & set(file.parts):
                digest.update(f"{file.relative_to(top)}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:32]


def whole_of(tree: Path, variables: str, folder: str = "stack") -> Whole:
    """Apply ``folder`` of ``tree``, a copy, against mocks, with ``variables`` as HCL."""
    stack = tree / folder
    mocks = "../" * len(Path(folder).parts) + "mocks"
    test = stack / "tests" / "agreement.tftest.hcl"
    test.parent.mkdir(exist_ok=True)
    test.write_text(
        f'mock_provider "aws" {{\n  source = "{mocks}"\n}}\n\nvariables {{\n{variables}}}\n\nrun "all" {{}}\n'
    )
    init(stack)
    try:
        printed = terraform(stack, "test", "-json", "-verbose", "-filter=tests/agreement.tftest.hcl")
    except TerraformFailed as failure:
        raise TerraformFailed("\n".join(_complaints(str(failure)))) from None
    messages = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    [state] = [message["test_state"] for message in messages if message["type"] == "test_state"]
    return Whole(tuple(_made(state["root_module"])))


def _complaints(printed: str) -> Iterator[str]:
    for message in (json.loads(line) for line in printed.splitlines() if line.startswith("{")):
        if "diagnostic" in message:
            said = message["diagnostic"]
            place = said.get("range", {})
            yield f"{place.get('filename')}:{place.get('start', {}).get('line')}: {said['summary']}: {said['detail']}"


def _made(module: Mapping[str, Any]) -> Iterator[Made]:
    for resource in module.get("resources", []):
        yield Made(resource["address"], resource["mode"], resource["type"], resource["values"])
    for child in module.get("child_modules", []):
        yield from _made(child)
