"""What a mutant is: one small mistake in our Terraform, and the check that has to see it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Mutant:
    """``old``, which ``file`` holds once, becomes ``new``; the check ``by`` must then fail.

    ``validate`` and ``test`` run terraform in ``folder``, by default the module or stack that the file lies in;
    ``test`` also requires that the mutant is valid, or it would prove nothing about the tests. ``agreement`` runs
    the tests here that compare the whole with the code, ``policies`` those that compare roles with the calls of
    running services; ``scan`` runs checkov.
    """

    what: str
    file: str
    old: str
    new: str
    by: Literal["validate", "test", "agreement", "policies", "scan"] = "test"
    folder: str = ""

    @property
    def place(self) -> str:
        return self.folder or self.file.rpartition("/")[0]
