"""The task that loads a directory, run as ECS runs it: from an object of the bucket into the tables."""

import json
import subprocess
import sys

from local.demo.sample import DIRECTORY
from local.provisioning import Provisioned
from shared.aws.items import to_item


def seeded(resources: Provisioned, key: str) -> tuple[int, dict[str, object]]:
    """The task's exit status and the last line of its log."""
    told = {**resources.ticket_agent(), "DIRECTORY_URI": f"s3://{resources.bucket}/{key}"}
    finished = subprocess.run(
        [sys.executable, "-m", "services.ticket_agent", "seed"], env=told, capture_output=True, text=True, check=False
    )
    said: dict[str, object] = json.loads((finished.stdout + finished.stderr).splitlines()[-1])
    return finished.returncode, said


def test_a_directory_in_the_bucket_becomes_rows_and_what_else_a_row_holds_stays(resources: Provisioned) -> None:
    dynamodb, table = resources.client("dynamodb"), resources.tables["User"]
    dynamodb.put_item(TableName=table, Item=to_item({"employeeId": "111", "senderId": "AIDA"}))
    key = "directory/directory.yaml"
    resources.client("s3").put_object(Bucket=resources.bucket, Key=key, Body=DIRECTORY.read_bytes())

    status, said = seeded(resources, key)

    assert (status, said["event"]) == (0, "seeded")
    assert said["employees"] == {"added": 6, "changed": 1, "unchanged": 0}
    assert said["access"] == {"added": 4, "changed": 0, "unchanged": 0}
    row = dynamodb.get_item(TableName=table, Key=to_item({"employeeId": "111"}))["Item"]
    assert row == to_item({"employeeId": "111", "senderId": "AIDA", "manager": "@sam"})


def test_a_file_that_is_not_there_ends_the_task_with_what_to_do(resources: Provisioned) -> None:
    status, said = seeded(resources, "directory/none.yaml")

    assert (status, said["event"]) == (1, "not_seeded")
    assert "aws s3 cp FILE s3://" in str(said["reason"])
