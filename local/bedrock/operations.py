"""The operations: from valid parameters to work with a price, or to a reply that costs nothing."""

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from local.bedrock import agents, catalogue, conversation, converse, harnesses, retrieve, stand_ins, titan, tokens
from local.bedrock.errors import invalid, not_found
from local.bedrock.jobs import Jobs
from local.bedrock.settings import KnowledgeBase, Settings
from local.bedrock.work import STAND_IN_HEADER, Call, Output, Reply, Work


def converse_work(call: Call) -> Work:
    request = call.parameters
    invoked = catalogue.resolve(request["modelId"], call.now)
    if not invoked.model.converses:
        raise invalid("This action doesn't support the model that you provided. Try again with a supported model.")
    input_tokens = tokens.of_request(request)
    conversation.require(request, invoked.model, input_tokens)
    most = (request.get("inferenceConfig") or {}).get("maxTokens") or invoked.model.output_tokens

    def answer() -> Output:
        given = stand_ins.answer(request, call.settings, call.new_id)
        given = converse.bounded(given, request, most)
        if call.fault is not None and call.fault.stop_reason is not None:
            given = converse.ended_with(given, call.fault.stop_reason)
        output_tokens = converse.output_tokens(given)
        usage = converse.Usage(input_tokens, output_tokens)

        def reply(latency_ms: int) -> Reply:
            body = converse.reply(given, usage, latency_ms, request.get("serviceTier"))
            return Reply.of(body, {STAND_IN_HEADER: given.by})

        return Output(output_tokens, given.by, reply)

    return Work(invoked, input_tokens, most, answer)


def invoke_model_work(call: Call) -> Work:
    invoked = catalogue.resolve(call.parameters["modelId"], call.now)
    if invoked.model.converses:
        raise invalid("This endpoint serves InvokeModel for embeddings only; use Converse for text.")
    asked = titan.read(call.parameters["body"])
    input_tokens = tokens.of_text(asked["inputText"])
    if input_tokens > invoked.model.context_tokens:
        raise invalid(f"Too many input tokens. Max input tokens: {invoked.model.context_tokens}.")

    def answer() -> Output:
        body = titan.reply(asked)

        def reply(latency_ms: int) -> Reply:
            headers = {
                STAND_IN_HEADER: titan.BY,
                "X-Amzn-Bedrock-Input-Token-Count": str(input_tokens),
                "X-Amzn-Bedrock-Invocation-Latency": str(latency_ms),
            }
            return Reply.of(body, headers)

        return Output(0, titan.BY, reply)

    return Work(invoked, input_tokens, 0, answer)


def count_tokens_work(call: Call) -> Work:
    # A profile or an ARN is refused here although it may be invoked: CountTokens knows foundation model ids only.
    model = catalogue.BY_ID.get(call.parameters["modelId"])
    if model is None:
        raise invalid("The provided model identifier is invalid.")
    if not model.counts_tokens:
        raise invalid("The provided model doesn't support counting tokens.")
    given = call.parameters["input"]
    if (request := given.get("converse")) is not None:
        counted = tokens.of_request(request)
        conversation.require(request, model, counted)
    else:
        counted = _tokens_of_native(base64.b64decode(given["invokeModel"]["body"]))
    output = Output(0, stand_ins.NAMESPACE, lambda _: Reply.of({"inputTokens": counted}))
    return Work(None, counted, 0, lambda: output)


def _tokens_of_native(body: bytes) -> int:
    try:
        value = json.loads(body)
    except ValueError:
        raise invalid("Malformed input request: the body is not valid JSON.") from None
    return max(1, tokens.of_json(value))


def retrieve_work(call: Call, knowledge_bases: Mapping[str, KnowledgeBase]) -> Work:
    body = retrieve.retrieve(call.parameters, knowledge_bases)
    output = Output(0, titan.BY, lambda _: Reply.of(body, {STAND_IN_HEADER: titan.BY}))
    return Work(None, 0, 0, lambda: output)


def list_foundation_models(asked: Mapping[str, Any], region: str, now: datetime) -> dict[str, Any]:
    def wanted(model: catalogue.Model) -> bool:
        return (
            asked.get("byProvider", model.provider).casefold() == model.provider.casefold()
            and asked.get("byOutputModality", model.outputs[0]) in model.outputs
            and ("byInferenceType" not in asked or asked["byInferenceType"] in model.inference)
            and "byCustomizationType" not in asked  # none of them can be customised here
        )

    shown = [model for model in catalogue.MODELS if wanted(model) and not (model.ended and model.ended <= now)]
    return {"modelSummaries": [catalogue.details(model, region, now) for model in shown]}


def get_foundation_model(asked: Mapping[str, Any], region: str, now: datetime) -> dict[str, Any]:
    found = catalogue.find(asked["modelIdentifier"])
    if found is None or found.by_profile:
        raise not_found("Could not resolve the foundation model from the provided model identifier.")
    return {"modelDetails": catalogue.details(found.model, region, now)}


def get_inference_profile(asked: Mapping[str, Any], region: str, _: datetime) -> dict[str, Any]:
    found = catalogue.find(asked["inferenceProfileIdentifier"])
    if found is None or not found.by_profile:
        raise not_found("Inference profile not found.")
    geography = found.invoked_id.partition(".")[0]
    return catalogue.profile(geography, found.model, region)


def list_inference_profiles(asked: Mapping[str, Any], region: str, _: datetime) -> dict[str, Any]:
    if asked.get("type") == "APPLICATION" or asked.get("typeEquals") == "APPLICATION":
        return {"inferenceProfileSummaries": []}
    profiles = [
        catalogue.profile(geography, model, region)
        for model in catalogue.MODELS
        for geography in catalogue.GEOGRAPHIES
        if model.converses
    ]
    start = _offset(asked.get("nextToken"), len(profiles))
    size = asked.get("maxResults", len(profiles))
    page: dict[str, Any] = {"inferenceProfileSummaries": profiles[start : start + size]}
    if start + size < len(profiles):
        page["nextToken"] = str(start + size)
    return page


def _offset(token: str | None, total: int) -> int:
    if token is None:
        return 0
    if not token.isdecimal() or int(token) >= total:
        raise invalid("The nextToken is not one that this operation has given out.")
    return int(token)


def work(name: str, call: Call, settings: Settings) -> Work:
    """The work of an invocation. Raises what the operation refuses."""
    match name:
        case "Retrieve":
            return retrieve_work(call, settings.knowledge_bases)
        case "InvokeAgent":
            return agents.work(call, settings.agents)
        case "InvokeHarness":
            return harnesses.work(call, settings.harnesses)
        case _:
            return INVOCATIONS[name](call)


INVOCATIONS: Mapping[str, Callable[[Call], Work]] = {
    "Converse": converse_work,
    "InvokeModel": invoke_model_work,
    "CountTokens": count_tokens_work,
}
OnJobs: TypeAlias = Callable[[Mapping[str, Any], str], Awaitable[dict[str, Any]]]
JOBS: Mapping[str, Callable[[Jobs], OnJobs]] = {
    "CreateModelInvocationJob": lambda jobs: jobs.create,
    "GetModelInvocationJob": lambda jobs: jobs.get,
    "StopModelInvocationJob": lambda jobs: jobs.stop,
    "ListModelInvocationJobs": lambda jobs: jobs.listed,
}
LOOK_UPS: Mapping[str, Callable[[Mapping[str, Any], str, datetime], dict[str, Any]]] = {
    "ListFoundationModels": list_foundation_models,
    "GetFoundationModel": get_foundation_model,
    "GetInferenceProfile": get_inference_profile,
    "ListInferenceProfiles": list_inference_profiles,
}
