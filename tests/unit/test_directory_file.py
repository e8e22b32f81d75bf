"""A directory as people write it: what is taken, what is refused and where, and what a row asks of its table."""

from typing import Any

import pytest

from services.ticket_agent.domain.directory_file import directory_rows
from services.ticket_agent.settings import SeedSettings
from services.ticket_agent.store.seeding import rows_in, update_request, written
from shared.errors import BadInput
from shared.settings import BadSettings

AN_EMPLOYEE = {"id": "111", "manager": "@sam"}


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (None, "holds no directory"),
        ({"people": []}, "people is no part"),
        ({"employees": {"id": "111"}}, "is no list"),
        ({"employees": ["111"]}, "is no set of fields"),
        ({"employees": [{"id": "111", "boss": "@sam"}]}, "boss is not a field"),
        ({"employees": [{"manager": "@sam"}]}, "id is missing"),
        ({"employees": [{"id": "111", "manager": None}]}, "manager has no text"),
        ({"employees": [{"id": "11#1"}]}, "is no id"),
        ({"environments": [{"id": "1#grant#x", "owner": "@sam"}]}, "is no id"),
        ({"environments": [{"id": "1"}]}, "owner is missing"),
        ({"access": [{"employee": "111", "environment": "1", "type": "Root"}]}, "no access type"),
        ({"employees": [AN_EMPLOYEE, AN_EMPLOYEE]}, "twice"),
    ],
)
def test_a_directory_that_cannot_be_taken_names_the_place(document: Any, problem: str) -> None:
    with pytest.raises(BadInput, match=problem) as refused:
        directory_rows(document, "directory.yaml")

    assert refused.value.remedy


def test_a_directory_s_numbers_are_ids_too() -> None:
    (row,) = directory_rows({"employees": [{"id": 111, "manager": "@sam"}]}, "directory.yaml")

    assert (row.key, row.values) == ({"employeeId": "111"}, {"manager": "@sam"})


def test_a_file_may_be_json_as_well() -> None:
    (row,) = rows_in(b'{"employees": [{"id": "111"}]}', "directory.json")

    assert row.key == {"employeeId": "111"}


@pytest.mark.parametrize("body", [b"employees: [", b"employees: [\xff]"])
def test_a_file_that_is_no_yaml_is_refused_by_its_name(body: bytes) -> None:
    with pytest.raises(BadInput, match=r"directory\.yaml: is not YAML"):
        rows_in(body, "directory.yaml")


def test_a_row_without_values_is_made_by_its_key_alone() -> None:
    (row,) = directory_rows({"employees": [{"id": "111"}]}, "directory.yaml")

    # DynamoDB refuses an update expression that sets nothing.
    assert "UpdateExpression" not in update_request(row, "desk-User")


def test_a_row_is_unchanged_only_if_all_it_names_was_there() -> None:
    (row,) = directory_rows({"employees": [AN_EMPLOYEE]}, "directory.yaml")
    there = {"employeeId": {"S": "111"}, "manager": {"S": "@sam"}, "contact": {"S": "desk 4"}}

    assert written(row, {}) == "added"
    assert written(row, {"Attributes": there}) == "unchanged"
    assert written(row, {"Attributes": {**there, "manager": {"S": "@kirk"}}}) == "changed"


@pytest.mark.parametrize("uri", ["", "directory.yaml", "s3://bucket", "s3:///directory.yaml"])
def test_the_seeding_task_refuses_what_names_no_object(uri: str) -> None:
    tables = {f"{table}_TABLE": "desk" for table in ("USER", "ENVIRONMENT", "RESOLVER_GROUP", "USER_ACCESS")}

    with pytest.raises(BadSettings, match="DIRECTORY_URI"):
        SeedSettings.from_environment({**tables, "DIRECTORY_URI": uri})
