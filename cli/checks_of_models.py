"""What `deskhand doctor` asks about models and the database: access, end of life, price, quota, login, schema."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from pydantic import ValidationError

from cli.checks import Line, Patient, fail, ok, unreachable, warn
from cli.environment import process_environment
from cli.errors import aws_problem
from local.provisioning import AGENT, TAGGER
from services.feedback_tagger.database import database_state
from services.feedback_tagger.settings import DatabaseSettings
from services.feedback_tagger.store.address import address_of
from services.feedback_tagger.store.inspection import DatabaseState
from shared.errors import BadInput, DeskhandError
from shared.model.prices import PRICES, BadPrices, Prices
from shared.settings import BadSettings

SOON = timedelta(days=90)
MODEL_SETTINGS = (
    (AGENT, "TICKET_MODEL_ID"),
    (TAGGER, "FEEDBACK_MODEL_ID"),
    (TAGGER, "FEEDBACK_UNSURE_MODEL_ID"),
    (TAGGER, "EMBEDDING_MODEL_ID"),
)
NO_SUCH_MODEL = ("ResourceNotFoundException", "ValidationException")
CHANGE = "name another model in the settings and deploy (docs/runbook.md, 'Change a setting')"


def used_models(patient: Patient) -> list[tuple[str, str]]:
    """(setting, model id) of every model that the deployed settings name; the embedding model has a default."""
    found = []
    for service, name in MODEL_SETTINGS:
        if service in patient.deployed.services and (model := patient.deployed[service].setting(name.lower())):
            found.append((name, str(model)))
    return found


def models(patient: Patient) -> Iterator[Line]:
    prices = _prices(patient)
    for setting, model_id in used_models(patient):
        price = prices.of(model_id)
        if price is None:
            remedy = "give it a line in a price file of your own (MODEL_PRICES_FILE): its calls are held to no budget"
            yield warn("models", f"{setting}: {model_id} has no price", remedy)
        elif line := ending(setting, model_id, price.end_of_life, patient.now.date(), "the price file"):
            yield line
        yield from _known_to_bedrock(patient, setting, model_id)
        if patient.ask:
            yield _asked(patient, setting, model_id)
    if prices.region != patient.cloud.names.region and not patient.embedded:
        said = f"prices are those of {prices.region} on {prices.as_of}, you are in {patient.cloud.names.region}"
        yield warn("models", said, "name a price file of your region (MODEL_PRICES_FILE), or bear the difference")


def ending(setting: str, model_id: str, end: date | None, today: date, source: str) -> Line | None:
    """What to say of a model's end of life; None if it is far off or unknown."""
    if end is None:
        return None
    said = f"{setting}: {model_id} ends on {end}, says {source}"
    if end <= today:
        return fail("models", said, CHANGE)
    return warn("models", said, CHANGE) if end - today < SOON else None


def _known_to_bedrock(patient: Patient, setting: str, model_id: str) -> Iterator[Line]:
    bedrock = patient.cloud.client("bedrock")
    try:
        bare, cycle = _life_cycle(bedrock, model_id)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code not in NO_SUCH_MODEL:
            raise
        yield fail("models", f"{setting}: {model_id} is not there in {patient.cloud.names.region} ({code})", CHANGE)
        return
    end = cycle.get("endOfLifeTime")
    if end is not None and (line := ending(setting, model_id, _moment(end).date(), patient.now.date(), "Bedrock")):
        yield line
    elif cycle.get("status") == "LEGACY":
        yield warn("models", f"{setting}: {model_id} is a legacy model", CHANGE)
    else:
        yield ok("models", f"{setting}: {model_id} is there and {str(cycle.get('status', 'ACTIVE')).lower()}")
    if not patient.embedded:
        yield from _access(bedrock, setting, model_id, bare)


def _life_cycle(bedrock: Any, model_id: str) -> tuple[str, Mapping[str, Any]]:
    """The foundation model that is asked in the end, and where it is in its life. A profile is looked up first."""
    bare = model_id
    try:
        found = bedrock.get_foundation_model(modelIdentifier=bare)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in NO_SUCH_MODEL:
            raise
        profile = bedrock.get_inference_profile(inferenceProfileIdentifier=model_id)
        bare = str(profile["models"][0]["modelArn"].rpartition("/")[2])
        found = bedrock.get_foundation_model(modelIdentifier=bare)
    return bare, found["modelDetails"].get("modelLifecycle", {})


def _access(bedrock: Any, setting: str, model_id: str, bare: str) -> Iterator[Line]:
    found = bedrock.get_foundation_model_availability(modelId=bare)
    said = {
        "authorizationStatus": (found.get("authorizationStatus"), "AUTHORIZED"),
        "entitlementAvailability": (found.get("entitlementAvailability"), "AVAILABLE"),
        "regionAvailability": (found.get("regionAvailability"), "AVAILABLE"),
        "agreementAvailability": (found.get("agreementAvailability", {}).get("status"), "AVAILABLE"),
    }
    wrong = [f"{name} {value}" for name, (value, wanted) in said.items() if value != wanted]
    if wrong:
        remedy = "give this account access to the model in the Bedrock console; --ask tries a call of one token"
        yield warn("models", f"{setting}: {model_id}: {', '.join(wrong)}", remedy)


def _asked(patient: Patient, setting: str, model_id: str) -> Line:
    """A call of one token, as the services make it."""
    runtime = patient.cloud.client("bedrock-runtime")
    try:
        if setting == "EMBEDDING_MODEL_ID":
            runtime.invoke_model(modelId=model_id, body=b'{"inputText": "a"}', contentType="application/json")
        else:
            message = {"role": "user", "content": [{"text": "a"}]}
            runtime.converse(modelId=model_id, messages=[message], inferenceConfig={"maxTokens": 1})
    except ClientError as error:
        problem = aws_problem(error)
        return fail("models", f"{setting}: {model_id}: {problem.problem}", problem.remedy)
    return ok("models", f"{setting}: {model_id} answered")


def quotas(patient: Patient) -> Iterator[Line]:
    if patient.embedded:
        yield ok("quotas", "the embedded cloud has none: its models are held back by their own endpoint")
        return
    prices = _prices(patient)
    for service, name in MODEL_SETTINGS[:3]:
        there = patient.deployed[service]
        model_id = there.environment.get(name)
        if not model_id:
            continue
        price = prices.of(model_id)
        code = there.setting("model_quota_code") or (price.quota_codes.tokens_per_minute if price else None)
        ours = there.setting("model_tokens_per_minute")
        given = None if ours is None else float(ours)
        yield quota_line(name, model_id, given, _published(patient, code), from_aws=_reads_quotas(there.environment))


def quota_line(name: str, model_id: str, ours: float | None, published: float | None, *, from_aws: bool) -> Line:
    """What the settings say of a model's tokens a minute beside what AWS gives."""
    if published is None:
        if ours is not None:
            return ok("quotas", f"{name}: {ours:,.0f} tokens a minute by setting; Service Quotas does not say")
        said = f"{name}: the quota of {model_id} is not known to Service Quotas: it is learned from throttles"
        return warn("quotas", said, "set MODEL_TOKENS_PER_MINUTE, or MODEL_QUOTA_CODE")
    if ours is not None and ours > published:
        said = f"{name}: the setting says {ours:,.0f} tokens a minute, Service Quotas {published:,.0f}"
        return warn("quotas", said, "lower MODEL_TOKENS_PER_MINUTE, or ask AWS for more: calls are throttled")
    if ours is None and not from_aws:
        said = f"{name}: {published:,.0f} tokens a minute, of which the service knows nothing"
        return warn("quotas", said, "set MODEL_QUOTAS=service-quotas: without it the limit is learned from throttles")
    used = published if ours is None else ours
    return ok("quotas", f"{name}: {used:,.0f} of {published:,.0f} tokens a minute")


def _reads_quotas(environment: Mapping[str, str]) -> bool:
    return environment.get("MODEL_QUOTAS") == "service-quotas"


def _published(patient: Patient, code: str | None) -> float | None:
    if code is None:
        return None
    try:
        answer = patient.cloud.client("service-quotas").get_service_quota(ServiceCode="bedrock", QuotaCode=code)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "NoSuchResourceException":
            raise
        return None
    quota = answer["Quota"]
    # A wrong code would compare with a limit of something else altogether.
    return float(quota["Value"]) if "tokens per minute" in str(quota.get("QuotaName", "")).lower() else None


def database(patient: Patient) -> Iterator[Line]:
    """With the tagger's own settings, or DATABASE_URL and its siblings of this process, which win."""
    own = {name.upper() for name in DatabaseSettings.model_fields}
    here = {name: os.environ[name] for name in own if os.environ.get(name)}
    there = patient.deployed[TAGGER].environment
    environment = here if "DATABASE_URL" in here else {name: there[name] for name in own if there.get(name)} | here
    if "DATABASE_URL" not in environment:
        yield warn("database", "its address is not known", "set DATABASE_URL, or let ecs:DescribeServices tell it")
        return
    try:
        address = address_of(environment["DATABASE_URL"])
        if address.host and not address.socket and (problem := unreachable(address.host, address.port)):
            said = f"{address.host}:{address.port} cannot be reached from here: {problem}"
            remedy = (
                "it lets only the services in: `deskhand status` shows whether they work; or run this inside the VPC"
            )
            yield (fail if patient.embedded else warn)("database", said, remedy)
            return
        settings = DatabaseSettings.from_environment(environment)
        with process_environment(patient.cloud.environment or os.environ):
            yield from database_lines(asyncio.run(database_state(settings)), local=not address.tls)
    except (BadInput, BadSettings, ValidationError) as error:
        yield fail("database", str(error), "mend the setting that it names")
    except DeskhandError as error:
        yield fail("database", f"no login: {error}", "docs/runbook.md, 'Database away'")


def database_lines(state: DatabaseState, *, local: bool) -> Iterator[Line]:
    yield ok("database", f"{state.engine}, signed in as {state.user}")
    if not local:
        yield ok("database", "TLS, certificate and name verified")
    if state.missing:
        yield fail(
            "database", f"migrations are missing: {', '.join(state.missing)}", "run the migration (docs/deploy.md)"
        )
    elif state.newer:
        said = f"its schema is newer than this command: {', '.join(str(number) for number in state.newer)}"
        yield warn("database", said, "use the command of the build that is deployed")
    else:
        yield ok("database", "every migration of this build is applied")


def _prices(patient: Patient) -> Prices:
    """The price file that comes with the code, or the one that the tagger's settings name, if it is here."""
    file = patient.deployed[TAGGER].environment.get("MODEL_PRICES_FILE")
    try:
        return Prices.load(file) if file else PRICES
    except BadPrices:
        return PRICES


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value)).astimezone(UTC)
