"""The promise of batch inference: a file of requests in, one of replies out within hours, at a lower price.

The shapes follow Bedrock's model invocation jobs (user guide, "Process multiple prompts with batch inference").
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from shared.model.port import Reply, Request

ENDED = frozenset({"Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired"})
"""After these a job changes no more. What a job has answered until then lies in its output, whichever of them it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """``token``: the same token is the same job, however often it is created; letters and digits. ``name`` is unique in
    the account. ``input_uri`` names one JSONL object; the output goes under ``output_uri``."""

    name: str
    token: str
    model_id: str
    role_arn: str
    input_uri: str
    output_uri: str
    timeout_hours: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """``status`` is the service's own word; ``ended`` whether it will change again. Counts are of records."""

    status: str
    message: str = ""
    records: int = 0
    processed: int = 0
    succeeded: int = 0
    failed: int = 0

    @property
    def ended(self) -> bool:
        return self.status in ENDED


class BatchJobs(Protocol):
    """Raises TransientError and PermanentError."""

    async def create(self, job: NewJob) -> str:
        """Create the job unless it was created before; its ARN."""
        ...

    async def state(self, arn: str) -> JobState | None:
        """None: the service knows no such job (any more)."""
        ...

    async def stop(self, arn: str) -> None:
        """Ask it to end early; no effect on one that has ended. What it has answered stays."""
        ...

    def as_input(self, request: Request) -> Mapping[str, Any]:
        """A request as the ``modelInput`` of a record."""
        ...

    def as_reply(self, output: Mapping[str, Any]) -> Reply:
        """The ``modelOutput`` of a record as a reply. Raises TransientError for one that is none."""
        ...


def job_id(arn: str) -> str:
    """The folder under a job's output that its files are in."""
    return arn.rpartition("/")[2]
