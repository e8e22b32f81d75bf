"""Where Deskhand's resources are in an account: names by convention, so that a command needs no list of addresses."""

import re
from dataclasses import dataclass

DEFAULT_NAME = "deskhand"
ACCEPTED_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True)
class Names:
    """``name`` is the prefix of one installation; several may share an account."""

    name: str
    account: str
    region: str

    def queue(self, short: str) -> str:
        return f"{self.name}-{short}"

    def table(self, short: str) -> str:
        return f"{self.name}-{short}"

    @property
    def bucket(self) -> str:
        return f"{self.name}-uploads-{self.account}-{self.region}"


def is_name(text: str) -> bool:
    """A prefix that all services take: the bucket's rules are the narrowest."""
    return ACCEPTED_NAME.fullmatch(text) is not None and not text.endswith("-")
