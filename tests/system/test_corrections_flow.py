"""Corrections as their users meet them: a label is wrong, somebody says so, the next file is labelled better."""

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from local.bedrock_endpoint import BedrockEndpoint
from local.cloud import FEEDBACK_MODEL_ID
from local.emulator import Emulator
from local.postgres import Postgres
from local.provisioning import Provisioned, provision
from tests.support.databases import Sql
from tests.support.feedback import a_file, a_row
from tests.support.tagger_process import Analyst, running_tagger
from tests.support.waiting import wait_until

ODD = ("The flumox would not grindle", "My flumox grindled all night", "Why does the flumox never grindle")


@pytest.fixture
def resources(emulator: Emulator) -> Provisioned:
    return provision(emulator.environment(), f"test-{secrets.token_hex(4)}")


def odd_rows(day: int) -> bytes:
    rows = [
        a_row(id=f"d{day}-{n}", title="", feedback=f"{text} on day {day}.", date=f"2024-03-0{day}")
        for n, text in enumerate(ODD, start=1)
    ]
    return a_file(rows)


def test_a_person_s_labels_teach_the_next_run_from_the_command_line(
    resources: Provisioned, postgres: Postgres, bedrock: BedrockEndpoint, tmp_path: Path
) -> None:
    database, analyst = postgres.create_database(resources.name), Analyst(resources)
    settings = resources.feedback_tagger(
        DATABASE_URL=database, FEEDBACK_MODEL_ID=FEEDBACK_MODEL_ID, DRAIN_SECONDS="30", **bedrock.environment()
    )

    def deskhand(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["feedback", *arguments, "--cloud", "aws", "--name", resources.name])

    def said(*arguments: str) -> Any:
        result = deskhand(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    corrections, names = tmp_path / "corrections.csv", tmp_path / "set.json"
    corrections.write_text(
        "ref_id,label_correction\nd1-1,grindling\nd1-2,Grindling\nd1-9,Grindling\n", encoding="utf-8"
    )
    names.write_text(json.dumps(["Payment", "Package shipment", "Grindling"]), encoding="utf-8")
    with running_tagger(settings, tmp_path / "tagger"):
        assert analyst.result_of(analyst.upload("one.csv", odd_rows(1)))["unknown"] == len(ODD)
        refused = deskhand("accuracy")
        assert refused.exit_code == 1
        assert "nobody has corrected" in refused.stderr

        made = said("categories", "set", str(names), "--by", "an analyst", "--reason", "a new product")
        assert made["added"] == ["Grindling"]
        assert made["deleted"] == ["Application issues", "Cloud backup issues", "Hardware failures"]

        with_faults = deskhand("correct", str(corrections), "--json")
        document = json.loads(with_faults.stdout)
        assert with_faults.exit_code == 1
        assert (document["status"], document["changed"], document["not_found"]) == ("failed", 2, 1)
        one = said("correct", "--ref-id", "d1-3", "--label", "GRINDLING")
        assert (one["status"], one["changed"]) == ("complete", 1)
        assert said("correct", "--ref-id", "d1-3", "--label", "Grindling")["unchanged"] == 1
        nothing = deskhand("correct", "--ref-id", "d1-3", "--label", "Application issues")
        assert nothing.exit_code == 1
        assert "invalid" in nothing.stdout

        figures = said("accuracy")
        assert (figures["corrected"], figures["agreed"]) == (3, 0)
        assert "Grindling" in deskhand("accuracy").stdout

        # Tasks look at the categories every few seconds, and then show them.
        wait_until(lambda: "Grindling" in analyst.object("runs/taxonomy.json").decode(), what="the new categories")
        assert analyst.result_of(analyst.upload("two.csv", odd_rows(2)))["by_label"] == {"Grindling": 3}
    rows = asyncio.run(Sql(database).rows("select distinct label from feedback_latest"))
    assert [tuple(row) for row in rows] == [("Grindling",)]
