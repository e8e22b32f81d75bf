"""A new category as its users meet it: a file goes in, a subject is proposed, a person accepts it, charts follow."""

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.app import app
from local.bedrock_endpoint import BedrockEndpoint
from local.cloud import FEEDBACK_MODEL_ID
from local.emulator import Emulator
from local.postgres import Postgres
from local.provisioning import Provisioned, provision
from tests.support.databases import Sql
from tests.support.feedback import a_file, a_row
from tests.support.tagger_process import Analyst, running_tagger
from tests.support.themes import WISH, other_texts, texts_about
from tests.support.waiting import wait_until

THEME = texts_about(WISH, 20)


@pytest.fixture
def resources(emulator: Emulator) -> Provisioned:
    return provision(emulator.environment(), f"test-{secrets.token_hex(4)}")


def deskhand(resources: Provisioned, *arguments: str) -> Any:
    """What `deskhand feedback categories` prints."""
    command = ["feedback", "categories", *arguments, "--cloud", "aws", "--name", resources.name, "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def labels(database: str) -> dict[str, str]:
    """The label that counts, by text."""
    rows = asyncio.run(Sql(database).rows("select feedback, label from feedback_latest"))
    return {str(text): str(label) for text, label in rows}


def members(database: str, proposal: int) -> set[str]:
    rows = asyncio.run(
        Sql(database).rows(
            "select found.feedback from customer_feedback found"
            " join feedback_unknown_row seen on seen.row_id = found.id"
            f" join feedback_membership member using (text_digest) where member.proposal_id = {proposal}"
        )
    )
    return {str(text) for (text,) in rows}


def test_a_subject_in_five_percent_of_a_file_becomes_a_category_of_exactly_its_rows(
    resources: Provisioned, postgres: Postgres, bedrock: BedrockEndpoint, tmp_path: Path
) -> None:
    database, analyst = postgres.create_database(resources.name), Analyst(resources)
    settings = resources.feedback_tagger(
        DATABASE_URL=database,
        FEEDBACK_MODEL_ID=FEEDBACK_MODEL_ID,
        DRAIN_SECONDS="30",
        DISCOVERY_SECONDS="1",
        **bedrock.environment(),
    )
    others = other_texts()
    texts = [*others[:150], *THEME, *others[150:], *(f"{text} Again." for text in others[:60])]
    rows = [a_row(id=f"r-{number}", title="", feedback=text) for number, text in enumerate(texts)]

    def proposal_about_colours() -> dict[str, Any] | None:
        try:
            found = json.loads(analyst.object("runs/proposals.json"))["proposals"]
        except resources.client("s3").exceptions.NoSuchKey:
            return None
        return next((each for each in found if each["name"] and "colour" in str(each["examples"])), None)

    def relabelled() -> bool:
        return sum(label == "Colours" for label in labels(database).values()) >= len(belonging)

    def told() -> bool:
        return any(each["kind"] == "accepted" for each in deskhand(resources, "history"))

    def listed() -> bool:
        return "Colours" in {each["category"] for each in deskhand(resources, "list")}

    with running_tagger(settings, tmp_path):
        assert analyst.result_of(analyst.upload("reviews.csv", a_file(rows)))["stored"] == len(rows)
        proposal = wait_until(proposal_about_colours, within=60, what="a proposal about colours")
        assert proposal is not None
        before, belonging = labels(database), members(database, proposal["proposal"])
        answer = deskhand(resources, "accept", str(proposal["proposal"]), "--as", "Colours", "--by", "an analyst")
        wait_until(relabelled, within=30, what="the rows of the proposal under their category")
        wait_until(told, within=30, what="the acceptance in the history")
        wait_until(listed, within=30, what="the new category in the list")

    after = labels(database)
    unknown_of_theme = {text for text in THEME if before[text] == "unknown"}
    assert (answer["status"], answer["category"], answer["new"]) == ("done", "Colours", True)
    assert len(unknown_of_theme) >= 0.8 * len(THEME)
    assert len(belonging & unknown_of_theme) >= 0.8 * len(unknown_of_theme)
    assert len(belonging - set(THEME)) <= 0.1 * len(belonging)
    assert {text for text in after if after[text] != before[text]} == belonging
