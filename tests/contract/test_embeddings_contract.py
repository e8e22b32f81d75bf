"""The promise of an embedder, in memory and on the real protocol."""

import math
from collections.abc import AsyncIterator

import pytest

from local.bedrock_endpoint import BedrockEndpoint
from shared.errors import PermanentError, Throttled
from shared.model.embeddings import Embedder
from shared.model.memory import MemoryEmbedder
from shared.model.titan import TitanEmbedder
from tests.support.bedrock_clients import TITAN, opened


@pytest.fixture(params=["memory", "titan"])
async def embedder(request: pytest.FixtureRequest) -> AsyncIterator[Embedder]:
    if request.param == "memory":
        yield MemoryEmbedder()
        return
    async with opened(request.getfixturevalue("bedrock"), "bedrock-runtime") as client:
        yield TitanEmbedder(client)


async def test_a_vector_has_unit_length_and_a_price_in_tokens(embedder: Embedder) -> None:
    embedding = await embedder.embed("The parcel came late")
    assert math.hypot(*embedding.vector) == pytest.approx(1.0, abs=1e-3)
    assert embedding.tokens >= 4


async def test_the_same_text_has_the_same_vector_and_another_text_another(embedder: Embedder) -> None:
    one, again, other = [await embedder.embed(text) for text in ("late parcel", "late parcel", "broken screen")]
    assert one == again
    assert len(one.vector) == len(other.vector)
    assert one.vector != other.vector


@pytest.mark.parametrize("text", ["", "  \n"])
async def test_a_text_without_a_word_is_refused_for_good(embedder: Embedder, text: str) -> None:
    with pytest.raises(PermanentError):
        await embedder.embed(text)


async def test_a_very_long_text_is_cut_and_not_refused(embedder: Embedder) -> None:
    assert (await embedder.embed("late " * 20_000)).tokens > 1000


@pytest.mark.parametrize("dimensions", [256, 512, 1024])
async def test_titan_gives_vectors_of_the_length_asked_for(bedrock: BedrockEndpoint, dimensions: int) -> None:
    async with opened(bedrock, "bedrock-runtime") as client:
        embedding = await TitanEmbedder(client, dimensions=dimensions).embed("late parcel")  # type: ignore[arg-type]
    assert len(embedding.vector) == dimensions


async def test_a_throttle_of_the_service_is_a_throttle(bedrock: BedrockEndpoint) -> None:
    bedrock.control(f"models/{TITAN}/faults", {"kind": "throttled", "next": 1}, method="POST")
    async with opened(bedrock, "bedrock-runtime") as client:
        with pytest.raises(Throttled):
            await TitanEmbedder(client).embed("late parcel")
