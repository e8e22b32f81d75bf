"""What runs in the account: each service's settings and tasks, from ECS or from the embedded cloud's own state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cli.cloud import Cloud
from local.provisioning import AGENT, TAGGER
from services.feedback_tagger.settings import TaggerSettings
from services.ticket_agent.settings import TicketAgentSettings
from shared.settings import Settings

SERVICES = (AGENT, TAGGER)
SETTINGS: Mapping[str, type[Settings]] = {AGENT: TicketAgentSettings, TAGGER: TaggerSettings}


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """``wanted`` and ``running`` tasks are None where nobody counts them (the embedded cloud)."""

    name: str
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    wanted: int | None = None
    running: int | None = None

    @property
    def stopped(self) -> bool:
        """Somebody stopped it: the tagger sleeps at no task, the ticket agent never does."""
        return self.wanted == 0 and self.name == AGENT

    def setting(self, name: str) -> Any:
        """A setting as the service reads it: its text, or its default."""
        return self.environment.get(name.upper()) or SETTINGS[self.name].model_fields[name].default


@dataclass(frozen=True, slots=True)
class Deployed:
    """``unknown`` says why nothing is known about the services; empty if it is."""

    services: Mapping[str, Service]
    unknown: str = ""

    def __getitem__(self, name: str) -> Service:
        return self.services.get(name) or Service(name=name)


def deployed(cloud: Cloud) -> Deployed:
    """Never raises for what ECS refuses: a look at the rest is worth something without it."""
    if cloud.environment is not None:
        return Deployed({name: Service(name=name, environment=env) for name, env in cloud.services.items()})
    names = {f"{cloud.names.name}-{service.replace('_', '-')}": service for service in SERVICES}
    try:
        ecs = cloud.client("ecs")
        found = ecs.describe_services(cluster=cloud.names.name, services=list(names))["services"]
        services = {
            names[each["serviceName"]]: _service(ecs, names[each["serviceName"]], each)
            for each in found
            if each["status"] == "ACTIVE"  # ECS goes on telling of a deleted one, which wants no tasks and has none.
        }
    except ClientError as error:
        return Deployed({}, f"ECS: {error.response.get('Error', {}).get('Code', '')}")
    except BotoCoreError as error:
        return Deployed({}, f"ECS: {error}")
    missing = [name for name, service in names.items() if service not in services]
    return Deployed(services, f"ECS has no service {', '.join(missing)}" if missing else "")


def _service(ecs: Any, name: str, found: Mapping[str, Any]) -> Service:
    definition = ecs.describe_task_definition(taskDefinition=found["taskDefinition"])["taskDefinition"]
    containers = definition["containerDefinitions"]
    environment = {each["name"]: each["value"] for each in containers[0].get("environment", ())}
    return Service(name=name, environment=environment, wanted=found["desiredCount"], running=found["runningCount"])
