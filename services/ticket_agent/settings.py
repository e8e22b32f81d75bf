"""What the ticket agent is told by its environment."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from services.ticket_agent.domain.agenda import Delays
from shared.model.settings import ModelSettings
from shared.settings import Settings
from shared.tracing import TracingSettings

NEEDED_BY = {
    "bedrock_agent_id": "bedrock_agent",
    "bedrock_agent_alias_id": "bedrock_agent",
    "agentcore_harness_arn": "agentcore_harness",
}
"""Which settings make sense of which back end."""


class TicketAgentSettings(ModelSettings, TracingSettings):
    """Each field is the environment variable of its name in capitals."""

    ticket_intake_queue_url: str = Field(description="queue that takes tickets in")
    ticket_intake_dead_queue_url: str = Field(description="its dead-letter queue")
    ticket_decisions_queue_url: str = Field(description="queue that takes people's decisions on tickets in")
    ticket_decisions_dead_queue_url: str = Field(description="its dead-letter queue")
    ticket_work_queue_url: str = Field(description="FIFO queue of tickets to work on")
    ticket_work_dead_queue_url: str = Field(description="its dead-letter queue")
    ticket_updates_queue_url: str = Field(description="FIFO queue of status changes to tell")
    ticket_updates_dead_queue_url: str = Field(description="its dead-letter queue")
    ticket_updates_topic_arn: str = Field(description="SNS topic that tells people")
    user_table: str = Field(description="DynamoDB table of employees")
    environment_table: str = Field(description="DynamoDB table of environments")
    resolver_group_table: str = Field(description="DynamoDB table of the groups that take what is not about access")
    user_access_table: str = Field(description="DynamoDB table of access")
    ticket_table: str = Field(description="DynamoDB table of tickets, with a stream of new and old images")
    ledger_table: str = Field(description="DynamoDB table of what happened")
    lease_table: str = Field(description="DynamoDB table of shard leases")
    idempotency_table: str = Field(description="DynamoDB table of failure counts")
    ticket_model_id: str = Field(description="Bedrock model id or inference profile that works on tickets")
    ticket_backend: Literal["converse", "bedrock_agent", "agentcore_harness"] = Field(
        default="converse", description="what the agent runs on: our own loop, Bedrock Agents, an AgentCore harness"
    )
    bedrock_agent_id: str | None = Field(
        default=None, validate_default=True, pattern="^[0-9A-Za-z]{1,10}$", description="id of the Bedrock agent"
    )
    bedrock_agent_alias_id: str | None = Field(
        default=None, validate_default=True, pattern="^[0-9A-Za-z]{1,10}$", description="id of its alias"
    )
    agentcore_harness_arn: str | None = Field(
        default=None,
        validate_default=True,
        pattern="^arn:[^:]+:bedrock-agentcore:[a-z0-9-]+:[0-9]{12}:harness/[a-zA-Z][a-zA-Z0-9_]{0,39}-[a-zA-Z0-9]{10}$",
        description="ARN of the AgentCore harness",
    )
    trusted_relays: str = Field(default="", description="SenderIds that vouch for their users, comma separated")
    resolver_group: str = Field(default="service-desk", description="group that takes tickets without a known owner")
    knowledge_base_id: str | None = Field(default=None, description="Bedrock knowledge base; none: the documents here")
    knowledge_base_search_type: str | None = Field(
        default=None, pattern="^(HYBRID|SEMANTIC)$", description="sent to the knowledge base only if set"
    )
    dynamodb_streams_endpoint_url: str | None = Field(
        default=None, description="DynamoDB Streams endpoint: its interface endpoint has no private DNS name"
    )
    ticket_workers: int = Field(default=8, ge=1, le=256, description="tickets worked on at a time")
    ticket_run_seconds: float = Field(default=240.0, gt=0, le=900, description="most seconds one run may take")
    ticket_turns: int = Field(default=24, ge=1, description="most turns of the model on one ticket, over all its runs")
    ticket_tokens: int = Field(default=150_000, ge=1, description="most tokens on one ticket, over all its runs")
    ticket_tokens_per_day: int = Field(
        default=20_000_000, ge=1, description="most tokens on all tickets a UTC day; beyond it people get the tickets"
    )
    long_poll_seconds: int = Field(
        default=20, ge=1, le=20, description="how long an empty receive waits; also how long a drain may wait for one"
    )
    visibility_seconds: int = Field(
        default=60, ge=3, le=3600, description="how long a message that a killed task held stays away from the others"
    )
    sweep_seconds: float = Field(default=30.0, gt=0, le=60, description="time between two looks at what is overdue")
    open_ticket_seconds: float = Field(
        default=300.0, gt=0, description="how long a ticket may lie open and unworked before it is sent to work again"
    )
    untold_seconds: float = Field(
        default=300.0, gt=0, description="how long a status may stay untold before it is sent to be told again"
    )
    remind_after_hours: float = Field(default=24.0, gt=0, description="a ticket's assignee is reminded")
    escalate_after_hours: float = Field(default=72.0, gt=0, description="the assignee's manager gets the ticket")
    expire_after_hours: float = Field(default=168.0, gt=0, description="an undecided ticket expires")
    health_port: int = Field(default=0, ge=0, le=65535, description="port of the health check; 0 chooses one")
    drain_seconds: float = Field(default=110.0, gt=0, le=110, description="seconds to finish after SIGTERM")
    deployment: str = Field(
        default="deskhand",
        pattern="^[A-Za-z0-9_-]{1,64}$",
        description="the installation's name; tells its metrics from another's in one account",
    )
    log_level: str = Field(
        default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR"
    )

    @field_validator(*NEEDED_BY)
    @classmethod
    def _is_there_where_the_back_end_needs_it(cls, value: str | None, info: ValidationInfo) -> str | None:
        backend = NEEDED_BY[str(info.field_name)]
        if value is None and info.data.get("ticket_backend") == backend:
            raise ValueError(f"needed with TICKET_BACKEND={backend}")
        return value

    @property
    def delays(self) -> Delays:
        return Delays(
            open=self.open_ticket_seconds,
            run=self.ticket_run_seconds + 60.0,  # and what the worker needs before and after the run
            tell=self.untold_seconds,
            remind=self.remind_after_hours * 3600.0,
            escalate=self.escalate_after_hours * 3600.0,
            expire=self.expire_after_hours * 3600.0,
        )

    @property
    def relays(self) -> tuple[str, ...]:
        return tuple(relay for part in self.trusted_relays.split(",") if (relay := part.strip()))


class SeedSettings(Settings):
    """Each field is the environment variable of its name in capitals, for the task that loads a directory."""

    user_table: str = Field(description="DynamoDB table of employees")
    environment_table: str = Field(description="DynamoDB table of environments")
    resolver_group_table: str = Field(description="DynamoDB table of groups")
    user_access_table: str = Field(description="DynamoDB table of access")
    directory_uri: str = Field(pattern="^s3://[^/]+/.+$", description="s3://BUCKET/KEY of the directory, in YAML")
    deployment: str = Field(default="deskhand", pattern="^[A-Za-z0-9_-]{1,64}$", description="the installation's name")
    log_level: str = Field(
        default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR"
    )

    @property
    def tables(self) -> dict[str, str]:
        return {
            "User": self.user_table,
            "Environment": self.environment_table,
            "ResolverGroup": self.resolver_group_table,
            "UserAccess": self.user_access_table,
        }
