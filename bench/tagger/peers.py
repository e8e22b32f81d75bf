"""The peers of the tagger's pool, each as its own process: receive a chunk, ask, store its rows, delete it.

    python -m bench.tagger.peers VARIANT CONFIG_JSON

Runs until it is ended; what it did is counted from outside: deletes by the queue, rows by the database, CPU time by the
system. All of them send the prompts that ours sends and write a chunk's rows with one statement. Imports of a
variant's own library are inside it: peers live in an environment of their own, where ours is not.
"""

import asyncio
import json
import os
import re
import secrets
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

ANSWER = re.compile(r"^(\d+):(\d+)$", re.MULTILINE)
ANSWER_TOKENS_FIRST, ANSWER_TOKENS_PER_ROW = 24, 8
WAIT_SECONDS = 2
COLUMNS = {
    "product_name": "text", "store": "text", "ref_id": "text", "stars": "text", "title": "text", "feedback": "text",
    "label_llm": "text", "create_date": "timestamptz", "execution_id": "text", "run_id": "text", "line_no": "integer",
    "row_identity": "text",
}  # fmt: skip
FIRST_ANSWER = (
    "insert into bench_answer (run_id, chunk_no, input_tokens, output_tokens) values (%s, %s, %s, %s)"
    " on conflict do nothing"
)


@dataclass(frozen=True, slots=True)
class Config:
    """``loops`` run side by side, each with ``at_once`` messages; ``adaptive`` turns on botocore's own limiter.

    ``tokens_per_minute`` 0: no quota is known. ``counts_answers``: the tokens of each first answer are written down.
    """

    queue_url: str
    database_url: str
    model_id: str
    system: str
    categories: Sequence[str]
    loops: int
    at_once: int
    visibility_seconds: int = 60
    adaptive: bool = False
    tokens_per_minute: int = 0
    calls_per_minute: int = 0
    counts_answers: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    input_tokens: int
    output_tokens: int


Ask = Callable[[str, int], Awaitable[Answer]]
"""The user's part of a prompt and the most tokens of its answer."""


def prompt_of(chunk: Mapping[str, Any]) -> tuple[str, int]:
    """The user's part as ours writes it, and the same bound on the answer."""
    mark = secrets.token_hex(4)
    lines = []
    for number, row in enumerate(chunk["rows"], start=1):
        text = f"{row['title']}. {row['feedback']}" if row.get("title") else row["feedback"]
        lines.append(f"{number}|{' '.join(text.split())}")
    body = "\n".join(lines)
    return f"<rows-{mark}>\n{body}\n</rows-{mark}>", ANSWER_TOKENS_FIRST + ANSWER_TOKENS_PER_ROW * len(lines)


def values_of(chunk: Mapping[str, Any], answer: str, categories: Sequence[str]) -> list[list[Any]]:
    """The rows column by column, as one statement takes them."""
    labels = {int(row): int(category) for row, category in ANSWER.findall(answer)}
    rows = []
    for number, row in enumerate(chunk["rows"], start=1):
        category = labels.get(number, 0)
        date = row.get("create_date")
        rows.append(
            {
                **row,
                "label_llm": categories[category - 1] if 0 < category <= len(categories) else "unknown",
                "create_date": datetime.fromisoformat(date) if date else None,
                "execution_id": chunk["run_id"],
                "run_id": chunk["run_id"],
                "line_no": row["line"],
                "row_identity": row["identity"],
            }
        )
    return [[row.get(column) for row in rows] for column in COLUMNS]


def _insert(places: Sequence[str]) -> str:
    names = ", ".join(COLUMNS)
    arrays = ", ".join(f"{place}::{kind}[]" for place, kind in zip(places, COLUMNS.values(), strict=True))
    # Made of the names above alone.
    return (
        f"insert into customer_feedback ({names}) select * from unnest({arrays})"  # noqa: S608
        " on conflict (row_identity) do nothing"
    )


ASYNC_INSERT = _insert([f"${place}" for place in range(1, len(COLUMNS) + 1)])
SYNC_INSERT = _insert(["%s"] * len(COLUMNS))
RECEIVE = {
    "WaitTimeSeconds": WAIT_SECONDS,
    "MessageSystemAttributeNames": ["All"],
    "MessageAttributeNames": ["All"],
}


async def _loops(config: Config, ask: Ask, *, stores: bool = True) -> None:
    """``loops`` times: receive, ask and store side by side, delete together what was stored."""
    import asyncpg  # noqa: PLC0415
    from aiobotocore.config import AioConfig  # noqa: PLC0415
    from aiobotocore.session import get_session  # noqa: PLC0415

    in_flight = config.loops * config.at_once
    async with AsyncExitStack() as stack:
        sqs = await stack.enter_async_context(
            get_session().create_client("sqs", config=AioConfig(max_pool_connections=2 * config.loops + 2))
        )
        pool = await stack.enter_async_context(
            asyncpg.create_pool(config.database_url, min_size=1, max_size=min(in_flight, 60))
        )

        async def answer(message: Mapping[str, Any]) -> None:
            chunk = json.loads(message["Body"])
            given = await ask(*prompt_of(chunk))
            if not stores:
                return
            await pool.execute(ASYNC_INSERT, *values_of(chunk, given.text, config.categories))
            if config.counts_answers:
                statement = FIRST_ANSWER.replace("(%s, %s, %s, %s)", "($1, $2, $3, $4)")
                await pool.execute(statement, chunk["run_id"], chunk["chunk"], given.input_tokens, given.output_tokens)

        async def turn() -> None:
            received = await sqs.receive_message(
                QueueUrl=config.queue_url,
                MaxNumberOfMessages=config.at_once,
                VisibilityTimeout=config.visibility_seconds,
                **RECEIVE,
            )
            messages = received.get("Messages", [])
            ended = await asyncio.gather(*map(answer, messages), return_exceptions=True)
            # What failed comes back by itself once its visibility timeout is over.
            stored = [message for message, end in zip(messages, ended, strict=True) if end is None]
            _tell_first([end for end in ended if end is not None])
            if stored:
                entries = [{"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(stored)]
                await sqs.delete_message_batch(QueueUrl=config.queue_url, Entries=entries)

        async def forever() -> None:
            while True:
                await turn()

        await asyncio.gather(*(forever() for _ in range(config.loops)))


_told: set[str] = set()


def _tell_first(failures: Sequence[BaseException]) -> None:
    """Each kind of failure once: with a quota that is too small, there are thousands."""
    for failure in failures:
        if (kind := type(failure).__name__) not in _told:
            _told.add(kind)
            sys.stderr.write(f"{kind}: {str(failure)[:300]}\n")


async def aiobotocore_loop(config: Config, *, stores: bool = True) -> None:
    """What one writes first with the asynchronous SDK."""
    from aiobotocore.config import AioConfig  # noqa: PLC0415
    from aiobotocore.session import get_session  # noqa: PLC0415

    settings = AioConfig(
        max_pool_connections=config.loops * config.at_once,
        read_timeout=60,
        retries={"mode": "adaptive" if config.adaptive else "standard", "total_max_attempts": 5},
    )
    async with get_session().create_client("bedrock-runtime", config=settings) as bedrock:

        async def ask(user: str, most_tokens: int) -> Answer:
            answer = await bedrock.converse(
                modelId=config.model_id,
                system=[{"text": config.system}],
                messages=[{"role": "user", "content": [{"text": user}]}],
                inferenceConfig={"maxTokens": most_tokens, "temperature": 0.0},
            )
            text = answer["output"]["message"]["content"][0]["text"]
            return Answer(text, answer["usage"]["inputTokens"], answer["usage"]["outputTokens"])

        await _loops(config, ask, stores=stores)


async def ceiling(config: Config) -> None:
    """The most the SDK allows: the same loop without the database."""
    await aiobotocore_loop(config, stores=False)


async def litellm_router(config: Config) -> None:
    """LiteLLM's Router with one deployment; with a quota, its own strategy that counts tokens and calls a minute."""
    import litellm  # type: ignore[import-not-found]  # noqa: PLC0415
    from litellm import Router  # noqa: PLC0415

    litellm.suppress_debug_info = True
    limits = {"tpm": config.tokens_per_minute, "rpm": config.calls_per_minute} if config.tokens_per_minute else {}
    strategy = {"routing_strategy": "usage-based-routing-v2"} if limits else {}
    router = Router(
        model_list=[
            {
                "model_name": "tagger",
                "litellm_params": {
                    "model": f"bedrock/converse/{config.model_id}",
                    "aws_region_name": os.environ["AWS_REGION"],
                    "aws_bedrock_runtime_endpoint": os.environ["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"],
                    "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
                    "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
                    **limits,
                },
            }
        ],
        num_retries=4,
        **strategy,
    )

    async def ask(user: str, most_tokens: int) -> Answer:
        answer = await router.acompletion(
            model="tagger",
            messages=[{"role": "system", "content": config.system}, {"role": "user", "content": user}],
            max_tokens=most_tokens,
            temperature=0.0,
        )
        return Answer(answer.choices[0].message.content, answer.usage.prompt_tokens, answer.usage.completion_tokens)

    await _loops(config, ask)


async def boto3_threads(config: Config) -> None:
    """A thread for each call in flight, with the synchronous SDK and driver."""
    import boto3  # noqa: PLC0415
    import psycopg  # type: ignore[import-not-found]  # noqa: PLC0415
    from botocore.config import Config as BotoConfig  # noqa: PLC0415

    in_flight = config.loops * config.at_once
    settings = BotoConfig(max_pool_connections=in_flight, retries={"mode": "standard", "total_max_attempts": 5})
    sqs, bedrock = boto3.client("sqs", config=settings), boto3.client("bedrock-runtime", config=settings)

    def work() -> None:
        with psycopg.connect(config.database_url, autocommit=True) as connection:
            while True:
                received = sqs.receive_message(
                    QueueUrl=config.queue_url,
                    MaxNumberOfMessages=10,
                    VisibilityTimeout=config.visibility_seconds,
                    **RECEIVE,
                )
                messages = received.get("Messages", [])
                for message in messages:
                    chunk = json.loads(message["Body"])
                    user, most_tokens = prompt_of(chunk)
                    answer = bedrock.converse(
                        modelId=config.model_id,
                        system=[{"text": config.system}],
                        messages=[{"role": "user", "content": [{"text": user}]}],
                        inferenceConfig={"maxTokens": most_tokens, "temperature": 0.0},
                    )
                    text = answer["output"]["message"]["content"][0]["text"]
                    connection.execute(SYNC_INSERT, values_of(chunk, text, config.categories))
                if messages:
                    entries = [
                        {"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(messages)
                    ]
                    sqs.delete_message_batch(QueueUrl=config.queue_url, Entries=entries)

    await asyncio.gather(*(asyncio.to_thread(work) for _ in range(in_flight)))


VARIANTS: dict[str, Callable[[Config], Coroutine[Any, Any, None]]] = {
    "aiobotocore": aiobotocore_loop,
    "ceiling": ceiling,
    "litellm": litellm_router,
    "boto3_threads": boto3_threads,
}


def main(variant: str, config: str) -> None:
    with asyncio.Runner() as runner:
        given = Config(**json.loads(config))
        if variant == "boto3_threads":
            # asyncio's own pool ends at 32 threads; a thread each is what this variant is about.
            from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

            runner.get_loop().set_default_executor(ThreadPoolExecutor(given.loops * given.at_once))
        runner.run(VARIANTS[variant](given))


if __name__ == "__main__":
    main(*sys.argv[1:])
