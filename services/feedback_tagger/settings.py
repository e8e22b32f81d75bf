"""What the feedback tagger reads from its environment."""

from typing import Literal, TypeAlias

from pydantic import Field, ValidationInfo, field_validator

from services.feedback_tagger.domain.headers import read_aliases
from services.feedback_tagger.domain.unpacking import LARGEST_FILE_BYTES
from services.feedback_tagger.planner.agreement import LEAST, SHARE
from services.feedback_tagger.planner.examples import PER_CATEGORY, TOKENS
from services.feedback_tagger.planner.prompt import PROMPT_TOKENS
from services.feedback_tagger.tasks.email_routing import DEFAULT_DEPARTMENTS, departments_in
from services.feedback_tagger.tasks.product_facts import REQUIRED, required_in
from services.feedback_tagger.tasks.sentiment import ASPECTS, aspects_in
from shared.model.settings import ModelSettings
from shared.settings import Secret, Settings
from shared.tracing import TracingSettings

DatabaseAuth: TypeAlias = Literal["url", "iam", "secret"]


class DatabaseSettings(Settings):
    """How the database is reached; every command that reaches it reads these."""

    database_url: Secret = Field(
        description="postgresql://user:password@host:port/database, or mysql:// for MySQL and MariaDB"
    )
    database_auth: DatabaseAuth = Field(
        default="url",
        description="where the password comes from: the URL, an IAM token, or the secret DATABASE_SECRET_ARN",
    )
    database_secret_arn: str = Field(
        default="", validate_default=True, description="Secrets Manager: JSON with username and password"
    )
    database_ca_file: str = Field(
        default="", description="PEM file with the authorities of the server's certificate; empty: the system's"
    )

    @field_validator("database_secret_arn")
    @classmethod
    def _named_where_it_is_needed(cls, arn: str, others: ValidationInfo) -> str:
        if others.data.get("database_auth") == "secret" and not arn:
            raise ValueError("must be given, because DATABASE_AUTH is secret")
        return arn


class TaggerSettings(DatabaseSettings, ModelSettings, TracingSettings):
    """AWS region, credentials and endpoints are not here: botocore reads the ordinary AWS environment itself."""

    feedback_files_queue_url: str = Field(description="notifications of S3 about uploaded files")
    feedback_files_dead_queue_url: str
    feedback_chunks_queue_url: str = Field(description="rows on their way from ingest to the pool")
    feedback_chunks_dead_queue_url: str
    feedback_items_queue_url: str = Field(description="rows that users send alone")
    feedback_items_dead_queue_url: str
    ticket_outcomes_queue_url: str = Field(description="notifications of what became of tickets, for the dashboards")
    ticket_outcomes_dead_queue_url: str
    idempotency_table: str = Field(description="DynamoDB table in which failures of messages are counted")
    uploads_bucket: str = Field(description="files come in under uploads/, reports are left under runs/ and rejects/")
    run_results_topic_arn: str
    feedback_model_id: str = Field(description="a Bedrock model or inference profile that answers Converse")
    rows_per_prompt: int = Field(default=20, ge=1, le=200)
    prompt_tokens: int = Field(
        default=PROMPT_TOKENS, ge=0, description="of one prompt, by estimate; 0: only rows_per_prompt bounds it"
    )
    feedback_unsure_model_id: str | None = Field(
        default=None, description="a stronger model that is asked once about rows without a sure answer"
    )
    feedback_deadline_minutes: float | None = Field(
        default=None, gt=0, description="when a run's result is needed; with time to spare it is asked at the flex tier"
    )
    batch_role_arn: str | None = Field(
        default=None,
        pattern="^arn:aws(-[^:]+)?:iam::([0-9]{12})?:role/.+$",
        description="what Bedrock reads and writes the bucket as in batch jobs; none: no file is asked by batch jobs",
    )
    batch_timeout_hours: int = Field(
        default=24, ge=24, le=168, description="after so long Bedrock ends a batch job; what is open is asked at once"
    )
    batch_look_seconds: float = Field(
        default=15, gt=0, le=600, description="between two looks at a young batch job; at an old one they are rarer"
    )
    agreement_share: float = Field(
        default=SHARE,
        ge=0,
        le=1,
        description="of a run's rows, asked again alone to see whether the label stays; 0: none",
    )
    agreement_least: float = Field(
        default=LEAST,
        ge=0,
        le=1,
        description="prompts get fewer rows while fewer answers than this share stay the same",
    )
    largest_file_bytes: int = Field(
        default=LARGEST_FILE_BYTES, ge=1024, description="of an uploaded file, unpacked; a larger one is not read"
    )
    header_aliases: str = Field(
        default="", description='more names of columns: {"Review text": "feedback"}, or Review text=feedback,Shop=store'
    )
    sentiment_aspects: str = Field(
        default=",".join(ASPECTS), description="what the task sentiment looks for, separated by commas"
    )
    sentiment_votes: int = Field(
        default=1,
        ge=1,
        le=9,
        description="how often sentiment asks about each row, in other orders; beyond 1 it knows its confidence",
    )
    email_departments: str = Field(
        default=DEFAULT_DEPARTMENTS,
        description="where the task email_routing may send e-mails: name: description; name: description",
    )
    product_facts_required: str = Field(
        default=",".join(REQUIRED),
        description="a product page whose marks lack one of these facts is asked about; separated by commas",
    )
    pool_workers: int = Field(default=8, ge=1, le=512, description="prompts of files under way at once in this task")
    singles_workers: int = Field(
        default=40,
        ge=1,
        le=512,
        description="rows sent alone that are under way at once in this task, in slots of their own: two full prompts",
    )
    lease_table: str | None = Field(
        default=None, description="DynamoDB table in which tasks share the model's quota; none: each has all of it"
    )
    feedback_usd_per_day: float = Field(
        default=50.0, gt=0, description="what all runs and single rows together may cost a UTC day; then rows wait"
    )
    run_usd: float | None = Field(
        default=None, gt=0, description="no further row of a run is asked about once it has cost so many dollars"
    )
    embedding_model_id: str = Field(
        default="amazon.titan-embed-text-v2:0", description="what texts without a category are compared by"
    )
    discovery_seconds: float = Field(
        default=60, gt=0, le=86400, description="between two looks for new categories among rows without one"
    )
    discovery_texts: int = Field(
        default=5000, ge=1, le=50_000, description="distinct texts that one such look takes on at most"
    )
    discovery_distance: float = Field(
        default=0.75, gt=0, lt=1, description="mean cosine distance up to which texts are of one proposal"
    )
    discovery_least_texts: int = Field(default=10, ge=2, description="fewer texts than this are no proposal")
    discovery_accept_rows: int | None = Field(
        default=None, ge=1, description="proposals with so many rows are accepted by themselves; none: people decide"
    )
    examples_per_category: int = Field(
        default=PER_CATEGORY, ge=0, le=50, description="corrected rows that a prompt shows of each category; 0: none"
    )
    examples_tokens: int = Field(
        default=TOKENS, ge=0, le=20_000, description="of all examples of a prompt, by estimate"
    )
    examples_tenant_column: Literal["", "product_name", "store"] = Field(
        default="",
        description="rows that differ in it share neither examples nor a prompt; empty: all of them may",
    )
    sweep_seconds: float = Field(default=30, gt=0, le=3600)
    stuck_run_seconds: float = Field(
        default=24 * 3600,
        gt=0,
        description="a run that stood still for so long is given up: it closes, short of the rows that went missing",
    )
    long_poll_seconds: int = Field(
        default=20, ge=1, le=20, description="how long an empty receive waits; also how long a drain may wait for one"
    )
    visibility_seconds: int = Field(
        default=60,
        ge=3,
        le=900,
        description="how long what a killed task held waits for another; kept up while it works",
    )
    health_port: int = Field(default=8080, ge=0, le=65535, description="0: any free port")
    # ECS kills after stopTimeout, at most 120 s on Fargate: stopTimeout = this + 10.
    drain_seconds: float = Field(default=110, gt=0, le=110)
    deployment: str = Field(
        default="deskhand",
        pattern="^[A-Za-z0-9_-]{1,64}$",
        description="the installation's name; tells its metrics from another's in one account",
    )
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    @field_validator("sentiment_aspects")
    @classmethod
    def _aspects_can_be_read(cls, text: str) -> str:
        aspects_in(text)
        return text

    @field_validator("email_departments")
    @classmethod
    def _departments_can_be_read(cls, text: str) -> str:
        departments_in(text)
        return text

    @field_validator("product_facts_required")
    @classmethod
    def _facts_can_be_read(cls, text: str) -> str:
        required_in(text)
        return text

    @field_validator("header_aliases")
    @classmethod
    def _aliases_can_be_read(cls, text: str) -> str:
        read_aliases(text)
        return text


class MigrationSettings(DatabaseSettings):
    """What bringing the database up to date needs; a deployment runs it without the rest."""

    application_user: str = Field(default="", description="made, or brought up to date, with the rights of the service")
    dashboard_user: str = Field(default="", description="made, or brought up to date, with the right to read the views")
    dashboard_secret_arn: str = Field(
        default="",
        description="Secrets Manager: holds DASHBOARD_USER's password; filled with a new one if it is empty",
    )
    deployment: str = Field(
        default="deskhand",
        pattern="^[A-Za-z0-9_-]{1,64}$",
        description="the installation's name; tells its metrics from another's in one account",
    )
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
