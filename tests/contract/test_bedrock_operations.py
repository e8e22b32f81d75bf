"""Each operation of the local Bedrock endpoint, asked by the SDK over HTTP."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.bedrock import validate, wire
from local.bedrock.stand_ins import GREETER, PLANNER, TAGGER
from local.bedrock_endpoint import BedrockEndpoint
from tests.support.bedrock_clients import HAIKU, NOVA, PROFILE, PROFILE_ONLY, TITAN, asked, opened, plain
from tests.unit.bedrock_sentences import CATEGORIES

TOOL = {"toolSpec": {"name": "checkEmployeeAccess", "inputSchema": {"json": {"type": "object"}}}}
TICKET = "<ticket>\nTitle: a\nEnvironmentId: 1\nJustification: b\nAccess duration: 8 days\nAccess Type: Read\n</ticket>"
KNOWLEDGE_BASE = "ABCDEFGHIJ"


@pytest.fixture
async def runtime(bedrock: BedrockEndpoint) -> AsyncIterator[Any]:
    async with opened(bedrock, "bedrock-runtime") as client:
        yield client


@pytest.fixture
async def catalogue(bedrock: BedrockEndpoint) -> AsyncIterator[Any]:
    async with opened(bedrock, "bedrock") as client:
        yield client


@pytest.fixture
async def agent_runtime(bedrock: BedrockEndpoint) -> AsyncIterator[Any]:
    async with opened(bedrock, "bedrock-agent-runtime") as client:
        yield client


def text_of(reply: Any) -> str:
    return "".join(block.get("text", "") for block in reply["output"]["message"]["content"])


def by(reply: Any) -> str:
    assert (
        reply["ResponseMetadata"]["HTTPHeaders"]["x-deskhand-stand-in"]
        == reply["trace"]["promptRouter"]["invokedModelId"]
    )
    return str(reply["trace"]["promptRouter"]["invokedModelId"])


async def refusal(call: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        await call
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def tagging(*rows: str) -> dict[str, Any]:
    listed = "\n".join(f"{number} {name}" for number, name in CATEGORIES.items())
    numbered = "\n".join(f"{number}|{row}" for number, row in enumerate(rows, start=1))
    return asked(
        f"<rows-5eed>\n{numbered}\n</rows-5eed>", system=[{"text": f"Tag.\n<categories>\n{listed}\n</categories>"}]
    )


async def test_rows_are_tagged_by_a_stand_in_that_says_so(runtime: Any) -> None:
    reply = await runtime.converse(**tagging("The parcel never arrived", "Mein Akku ist kaputt", "Great!"))
    assert text_of(reply) == "1:4\n2:5\n3:0"
    assert by(reply) == TAGGER
    assert reply["stopReason"] == "end_turn"
    assert reply["usage"]["totalTokens"] == reply["usage"]["inputTokens"] + reply["usage"]["outputTokens"]


async def test_a_ticket_with_tools_is_planned_and_its_result_read(runtime: Any) -> None:
    first = await runtime.converse(**asked(TICKET, toolConfig={"tools": [TOOL]}))
    (use,) = [block["toolUse"] for block in first["output"]["message"]["content"]]
    assert (first["stopReason"], by(first)) == ("tool_use", PLANNER)
    assert (use["name"], use["input"]) == ("checkEmployeeAccess", {"environmentId": "1"})

    answer = {"toolResult": {"toolUseId": use["toolUseId"], "content": [{"json": {"sufficient": True}}]}}
    messages = [
        *asked(TICKET)["messages"],
        first["output"]["message"],
        {"role": "user", "content": [answer]},
    ]
    second = await runtime.converse(modelId=NOVA, messages=messages, toolConfig={"tools": [TOOL]})
    assert second["stopReason"] == "end_turn"
    assert "autoResolveTicket" in text_of(second)


@pytest.mark.parametrize("choice", [{"any": {}}, {"tool": {"name": "checkEmployeeAccess"}}])
async def test_a_tool_choice_binds(runtime: Any, choice: dict[str, Any]) -> None:
    reply = await runtime.converse(**asked("no ticket", toolConfig={"tools": [TOOL], "toolChoice": choice}))
    assert reply["stopReason"] == "tool_use"


async def test_anything_else_is_told_that_this_is_a_stand_in(runtime: Any) -> None:
    reply = await runtime.converse(**asked())
    assert by(reply) == GREETER
    assert "stand-in" in text_of(reply)


async def test_the_token_limit_and_stop_sequences_cut_the_answer(runtime: Any) -> None:
    cut = await runtime.converse(**asked(inferenceConfig={"maxTokens": 3}))
    assert (cut["stopReason"], cut["usage"]["outputTokens"], text_of(cut)) == ("max_tokens", 3, "This is a st")
    stopped = await runtime.converse(**asked(inferenceConfig={"stopSequences": ["offline"]}))
    assert (stopped["stopReason"], text_of(stopped)) == ("stop_sequence", "This is a stand-in for ")


async def test_a_service_tier_comes_back(runtime: Any) -> None:
    reply = await runtime.converse(**asked(serviceTier={"type": "flex"}))
    assert reply["serviceTier"] == {"type": "flex"}


@pytest.mark.parametrize(
    ("model_id", "code"),
    [
        ("amazon.nova-nonesuch-v1:0", "ValidationException"),
        (PROFILE_ONLY, "ValidationException"),
        (TITAN, "ValidationException"),
        (f"mars.{PROFILE_ONLY}", "ValidationException"),
        ("anthropic.claude-3-sonnet-20240229-v1:0", "ResourceNotFoundException"),
    ],
)
async def test_a_model_that_cannot_be_invoked_is_refused(runtime: Any, model_id: str, code: str) -> None:
    assert (await refusal(runtime.converse(**asked(modelId=model_id))))[0] == code


@pytest.mark.parametrize(
    "model_id",
    [
        NOVA,
        PROFILE,
        f"arn:aws:bedrock:eu-central-1::foundation-model/{NOVA}",
        f"arn:aws:bedrock:eu-central-1:000000000000:inference-profile/{PROFILE}",
    ],
)
async def test_a_model_is_invoked_by_id_profile_or_arn(runtime: Any, model_id: str) -> None:
    assert by(await runtime.converse(**asked(modelId=model_id))) == GREETER


async def test_the_rules_of_a_conversation_are_checked_behind_the_wire(runtime: Any) -> None:
    code, message = await refusal(
        runtime.converse(modelId=NOVA, messages=[{"role": "assistant", "content": [{"text": "a"}]}])
    )
    assert (code, message) == ("ValidationException", "A conversation must start with a user message.")


@pytest.mark.parametrize("dimensions", [256, 512, 1024])
@pytest.mark.parametrize("normalize", [True, False])
async def test_a_text_is_embedded(runtime: Any, dimensions: int, normalize: bool) -> None:
    body = {"inputText": "parcel", "dimensions": dimensions, "normalize": normalize}
    answer = json.loads(await (await runtime.invoke_model(modelId=TITAN, body=json.dumps(body)))["body"].read())
    length = sum(number**2 for number in answer["embedding"]) ** 0.5
    assert len(answer["embedding"]) == dimensions
    assert answer["embeddingsByType"] == {"float": answer["embedding"]}
    assert answer["inputTextTokenCount"] == 2
    assert length == pytest.approx(1 if normalize else (dimensions / 256) ** 0.5, abs=1e-5)


async def test_texts_of_one_meaning_are_near_in_either_language(runtime: Any) -> None:
    async def vector(text: str) -> list[float]:
        answer = await runtime.invoke_model(modelId=TITAN, body=json.dumps({"inputText": text}))
        return list(json.loads(await answer["body"].read())["embedding"])

    german, english, other = [await vector(text) for text in ("Mein Paket", "my parcel", "a sunny garden")]
    near, far = (sum(a * b for a, b in zip(german, one, strict=True)) for one in (english, other))
    assert near > far + 0.2


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"[]",
        b"{}",
        b'{"inputText": ""}',
        b'{"inputText": ["two", "texts"]}',
        b'{"inputText": "a", "dimensions": 300}',
        b'{"inputText": "a", "dimensions": "256"}',
        b'{"inputText": "a", "normalize": "yes"}',
        b'{"inputText": "a", "embeddingTypes": ["int8"]}',
        b'{"inputText": "a", "surprise": 1}',
        json.dumps({"inputText": "word " * 9_000}).encode(),
        json.dumps({"inputText": "a" * 50_001}).encode(),
    ],
)
async def test_a_body_that_titan_does_not_take_is_refused(runtime: Any, body: bytes) -> None:
    assert (await refusal(runtime.invoke_model(modelId=TITAN, body=body)))[0] == "ValidationException"


async def test_tokens_are_counted_as_converse_counts_them(runtime: Any) -> None:
    parameters = tagging("one row", "another")
    del parameters["modelId"]
    counted = await runtime.count_tokens(modelId=HAIKU, input={"converse": parameters})
    used = await runtime.converse(modelId=HAIKU, **parameters)
    assert counted["inputTokens"] == used["usage"]["inputTokens"]


@pytest.mark.parametrize("model_id", [NOVA, f"us.{HAIKU}", PROFILE, "nonesuch.model-v1:0"])
async def test_token_counting_is_refused_for_nova_and_for_profiles(runtime: Any, model_id: str) -> None:
    call = runtime.count_tokens(modelId=model_id, input={"converse": {"messages": asked()["messages"]}})
    assert (await refusal(call))[0] == "ValidationException"


async def test_models_are_listed_with_their_life_cycle(catalogue: Any) -> None:
    listed = (await catalogue.list_foundation_models(byProvider="Anthropic"))["modelSummaries"]
    life = {one["modelId"]: one["modelLifecycle"] for one in listed}
    assert life[HAIKU]["status"] == "LEGACY"
    assert life[HAIKU]["endOfLifeTime"] > life[HAIKU]["legacyTime"]
    assert life[PROFILE_ONLY]["status"] == "ACTIVE"
    assert "anthropic.claude-3-sonnet-20240229-v1:0" not in life


async def test_a_model_and_a_profile_are_described_for_the_caller_s_region(catalogue: Any) -> None:
    arn = f"arn:aws:bedrock:eu-central-1::foundation-model/{PROFILE_ONLY}"
    assert (await catalogue.get_foundation_model(modelIdentifier=PROFILE_ONLY))["modelDetails"]["modelArn"] == arn
    assert (await catalogue.get_foundation_model(modelIdentifier=arn))["modelDetails"]["modelId"] == PROFILE_ONLY
    profile = await catalogue.get_inference_profile(inferenceProfileIdentifier=PROFILE)
    assert profile["models"] == [{"modelArn": arn}]
    again = await catalogue.get_inference_profile(inferenceProfileIdentifier=profile["inferenceProfileArn"])
    assert again["inferenceProfileId"] == PROFILE


async def test_profiles_are_listed_page_by_page(catalogue: Any) -> None:
    pages = catalogue.get_paginator("list_inference_profiles").paginate(PaginationConfig={"PageSize": 7})
    found = [one["inferenceProfileId"] async for page in pages for one in page["inferenceProfileSummaries"]]
    assert PROFILE in found
    assert len(set(found)) == len(found) > 7


async def test_what_is_not_in_the_catalogue_is_not_found(catalogue: Any) -> None:
    model = catalogue.get_foundation_model(modelIdentifier="nonesuch.model-v1:0")
    assert (await refusal(model))[0] == "ResourceNotFoundException"
    profile = catalogue.get_inference_profile(inferenceProfileIdentifier=NOVA)
    assert (await refusal(profile))[0] == "ResourceNotFoundException"


def a_knowledge_base(bedrock: BedrockEndpoint, **other: Any) -> None:
    passages = [
        {"text": "The owner decides on Admin access.", "source": "s3://policies/admin.md", "metadata": {"year": 2026}},
        {
            "text": "The canteen opens at noon.",
            "source": "https://intranet.example/canteen",
            "metadata": {"year": 2020},
        },
        {"text": "Form XR-77 is filed in the cellar.", "source": "memo-3"},
    ]
    bedrock.control(f"knowledge_bases/{KNOWLEDGE_BASE}", {"passages": passages, **other}, method="PUT")


def search(text: str, **configuration: Any) -> dict[str, Any]:
    parameters: dict[str, Any] = {"knowledgeBaseId": KNOWLEDGE_BASE, "retrievalQuery": {"text": text}}
    if configuration:
        parameters["retrievalConfiguration"] = {"vectorSearchConfiguration": configuration}
    return parameters


async def test_the_nearest_passage_comes_first(bedrock: BedrockEndpoint, agent_runtime: Any) -> None:
    a_knowledge_base(bedrock)
    results = (await agent_runtime.retrieve(**search("who decides about administrators?")))["retrievalResults"]
    assert results[0]["content"]["text"] == "The owner decides on Admin access."
    assert results[0]["location"] == {"type": "S3", "s3Location": {"uri": "s3://policies/admin.md"}}
    assert [one["score"] for one in results] == sorted((one["score"] for one in results), reverse=True)


async def test_results_are_as_many_as_asked_for_and_pass_the_filter(
    bedrock: BedrockEndpoint, agent_runtime: Any
) -> None:
    a_knowledge_base(bedrock)
    assert len((await agent_runtime.retrieve(**search("lunch", numberOfResults=2)))["retrievalResults"]) == 2
    recent = {"greaterThan": {"key": "year", "value": 2024}}
    (only,) = (await agent_runtime.retrieve(**search("lunch", filter=recent)))["retrievalResults"]
    assert only["metadata"] == {"year": 2026}


async def test_a_hybrid_search_finds_a_word_and_some_stores_have_none(
    bedrock: BedrockEndpoint, agent_runtime: Any
) -> None:
    a_knowledge_base(bedrock)
    hybrid = await agent_runtime.retrieve(**search("XR-77 cellar", overrideSearchType="HYBRID"))
    assert hybrid["retrievalResults"][0]["content"]["text"].startswith("Form XR-77")
    a_knowledge_base(bedrock, hybrid=False)
    call = agent_runtime.retrieve(**search("XR-77", overrideSearchType="HYBRID"))
    assert (await refusal(call))[0] == "ValidationException"
    assert (await agent_runtime.retrieve(**search("XR-77")))["retrievalResults"]


async def test_a_knowledge_base_that_is_not_there_is_not_found(agent_runtime: Any) -> None:
    call = agent_runtime.retrieve(knowledgeBaseId="NONESUCH00", retrievalQuery={"text": "a"})
    assert (await refusal(call))[0] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("operation", "path", "body"),
    [
        ("Converse", f"/model/{NOVA}/converse", {"messages": asked()["messages"], "serviceTier": {"type": "default"}}),
        ("Converse", f"/model/{NOVA}/converse", {**asked(TICKET, toolConfig={"tools": [TOOL]}), "modelId": None}),
        ("CountTokens", f"/model/{HAIKU}/count-tokens", {"input": {"converse": {"messages": asked()["messages"]}}}),
        ("ListFoundationModels", "/foundation-models", None),
        ("GetFoundationModel", f"/foundation-models/{HAIKU}", None),
        ("GetInferenceProfile", f"/inference-profiles/{PROFILE}", None),
        ("ListInferenceProfiles", "/inference-profiles", None),
        ("Retrieve", "/knowledgebases/DESKHANDKB/retrieve", {"retrievalQuery": {"text": "admin"}}),
    ],
)
def test_every_reply_has_the_shape_that_the_service_model_states(
    bedrock: BedrockEndpoint, operation: str, path: str, body: Any
) -> None:
    shape = wire.operation_models()[operation].output_shape
    assert shape is not None
    found = list(validate.problems(plain(bedrock, path, body), shape))
    # The one deliberate deviation: the stand-in's name is no ARN, so that nobody takes it for a model of AWS.
    assert [problem for problem in found if "trace.promptRouter.invokedModelId" not in problem] == []
