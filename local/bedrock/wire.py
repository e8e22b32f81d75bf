"""From an HTTP request to an operation's parameters, by what botocore's model says lies where."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import botocore.session
from botocore.model import OperationModel

from local.bedrock import validate
from local.bedrock.errors import invalid

Models: TypeAlias = Mapping[str, OperationModel]


@dataclass(frozen=True, slots=True)
class Arrived:
    """One request as it came: path variables decoded, ``body`` as bytes."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


def operation_models() -> dict[str, OperationModel]:
    """The operations' models by name; no two services here share a name."""
    session = botocore.session.get_session()
    wanted = {
        "bedrock-runtime": ("Converse", "InvokeModel", "CountTokens"),
        "bedrock": (
            "ListFoundationModels",
            "GetFoundationModel",
            "GetInferenceProfile",
            "ListInferenceProfiles",
            "CreateModelInvocationJob",
            "GetModelInvocationJob",
            "StopModelInvocationJob",
            "ListModelInvocationJobs",
        ),
        "bedrock-agent-runtime": ("Retrieve", "InvokeAgent"),
        "bedrock-agentcore": ("InvokeHarness",),
    }
    return {
        name: session.get_service_model(service).operation_model(name)
        for service, names in wanted.items()
        for name in names
    }


def parameters(model: OperationModel, arrived: Arrived) -> dict[str, Any]:
    """The operation's input by member name, valid by its shape. Raises ValidationException."""
    shape = model.input_shape
    assert shape is not None
    payload = shape.serialization.get("payload")
    found: dict[str, Any] = {}  # by wire name, as the walk wants it
    for name, member in shape.members.items():
        wire_name = member.serialization.get("name", name)
        value = _outside_the_body(arrived, member.serialization.get("location"), wire_name)
        if value is not None:
            found[wire_name] = _as_number(value) if member.type_name in ("integer", "long") else value
    if not payload:
        found |= {name: value for name, value in _json_object(arrived.body).items() if value is not None}
    validate.require(found, shape)
    by_name = {
        name: found[wire_name]
        for name, member in shape.members.items()
        if (wire_name := member.serialization.get("name", name)) in found
    }
    if payload:
        by_name[payload] = arrived.body
    return by_name


def _outside_the_body(arrived: Arrived, location: str | None, wire_name: str) -> str | None:
    match location:
        case "uri":
            return arrived.path[wire_name]
        case "querystring":
            return arrived.query.get(wire_name)
        case "header":
            return arrived.headers.get(wire_name)
        case _:
            return None


def _as_number(value: str) -> int | str:
    return int(value) if value.lstrip("-").isdecimal() else value


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body, parse_constant=_no_number) if body else {}
    except (ValueError, RecursionError) as error:
        raise invalid(f"The request body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise invalid("The request body must be a JSON object")
    return value


def _no_number(word: str) -> None:
    """Python reads NaN and Infinity; JSON has neither, and no bound catches them."""
    raise ValueError(f"{word} is no JSON")
