"""Where contract suites ask the real protocol for its promise: on the embedded cloud, and on your AWS if you say so.

    DESKHAND_CONTRACT_AWS=1 make test ARGS=tests/contract

then also runs every suite with the AWS environment that the command was given: its region, credentials, profile, and
endpoint if it names one. The suites make queues and tables of their own there, named ``contract-...``, and delete them.
"""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shared.aws.clients import Client

# Read at import: a fixture forgets the AWS environment, so that no other test can reach an account.
CALLERS_ENVIRONMENT = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}

EMULATOR = "emulator"
AWS = "aws"
CLOUDS = (EMULATOR, *([AWS] if os.environ.get("DESKHAND_CONTRACT_AWS") else []))


def use_cloud(cloud: str, request: pytest.FixtureRequest) -> None:
    """Point this process's AWS environment at ``cloud`` for the rest of the test."""
    if cloud == EMULATOR:
        request.getfixturevalue("emulator")
        return
    patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        patch.delenv(name)
    for name, value in CALLERS_ENVIRONMENT.items():
        patch.setenv(name, value)


@asynccontextmanager
async def contract_table(
    dynamodb: Client, partition_key: str, sort_key: str | None = None, *, streams: bool = False
) -> AsyncIterator[dict[str, Any]]:
    """A new table with keys of type string, as CreateTable describes it; deleted at the end."""
    keys = [(partition_key, "HASH"), *([(sort_key, "RANGE")] if sort_key else [])]
    stream = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}}
    created = await dynamodb.create_table(
        TableName=f"contract-{secrets.token_hex(6)}",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
        **(stream if streams else {}),
    )
    table = dict(created["TableDescription"])
    try:
        await dynamodb.get_waiter("table_exists").wait(
            TableName=table["TableName"], WaiterConfig={"Delay": 1, "MaxAttempts": 120}
        )
        yield table
    finally:
        await dynamodb.delete_table(TableName=table["TableName"])
