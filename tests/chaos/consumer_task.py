"""One task that consumes a FIFO and a standard queue, composed as a service composes it; each message has one effect.

python -m tests.chaos.consumer_task     settings from the environment; prints {"ready": PID} when signals are handled
"""

import asyncio
import json
import os
import sys
import time

from shared.aws.clients import Client, aws_session, open_client
from shared.backoff import Backoff
from shared.clock import wall_clock
from shared.errors import PermanentError, TransientError
from shared.health import Health
from shared.idempotency.dynamodb import DynamoDbIdempotency
from shared.idempotency.once import once
from shared.idempotency.port import Claimed
from shared.lifecycle import Loop, run_loops, stop_on_signals
from shared.logs import configure_logs
from shared.queue.consumer import Consumer, ConsumerSettings
from shared.queue.dynamodb_failures import DynamoDbFailureCounts
from shared.queue.message import Message
from shared.queue.sqs import SqsQueue
from shared.settings import Settings
from tests.chaos.broken import dead_letter_queue, effects_of, source_queue
from tests.chaos.saying import say


class ConsumerTaskSettings(Settings):
    """What one task needs. Claims live as long as visibility does."""

    task_id: str
    fifo_queue_url: str
    fifo_dead_queue_url: str
    standard_queue_url: str
    standard_dead_queue_url: str
    idempotency_table: str
    effect_table: str
    drain_seconds: float
    visibility_seconds: int = 3
    workers: int = 8
    prefetch: int = 8
    build: str = "sound"
    log_level: str = "WARNING"


class Handler:
    """Does what the message says: fails as poison, fails once, or takes its time and has its effect."""

    def __init__(self, settings: ConsumerTaskSettings, dynamodb: Client) -> None:
        self._settings = settings
        self._claims = DynamoDbIdempotency(dynamodb, settings.idempotency_table)
        self._effects = effects_of(settings.build, dynamodb, settings.effect_table, settings.idempotency_table)

    async def __call__(self, message: Message) -> None:
        body = json.loads(message.body)
        say({"begun": body["id"]})
        match body["kind"]:
            case "poison":
                raise PermanentError("it can never be done")
            case "bug":
                raise ValueError("nobody expected this")
            case "flaky" if message.receive_count == 1:
                raise TransientError("not this time")

        async def work(claimed: Claimed) -> str:
            await asyncio.sleep(body["seconds"])
            await self._effects.apply(claimed, lane=body["lane"], message_id=body["id"])
            return "applied"

        await once(
            self._claims,
            body["id"],
            work,
            owner=self._settings.task_id,
            now=wall_clock,
            ttl_seconds=self._settings.visibility_seconds,
        )


def consumer_settings(settings: ConsumerTaskSettings) -> ConsumerSettings:
    """Timeouts so short that a run of seconds sees them pass; a third failure is the last."""
    return ConsumerSettings(
        workers=settings.workers,
        prefetch=settings.prefetch,
        visibility_seconds=settings.visibility_seconds,
        wait_seconds=1,
        deadline_seconds=20,
        max_failures=3,
        retry=Backoff(base=0.1, cap=1.0),
    )


async def main() -> None:
    settings = ConsumerTaskSettings.from_environment(os.environ)
    configure_logs("chaos_consumer", settings.log_level)
    stop = asyncio.Event()
    stop_on_signals(stop)
    say({"ready": os.getpid()})
    session = aws_session()
    health = Health(time.monotonic)
    async with open_client(session, "sqs") as sqs, open_client(session, "dynamodb") as dynamodb:
        handler = Handler(settings, dynamodb)

        def loop(name: str, url: str, dead_url: str) -> Loop:
            consumer = Consumer(
                queue=source_queue(settings.build, SqsQueue(sqs, url)),
                dead_letters=dead_letter_queue(settings.build, SqsQueue(sqs, dead_url)),
                handle=handler,
                failures=DynamoDbFailureCounts(dynamodb, settings.idempotency_table),
                settings=consumer_settings(settings),
                beat=health.watch(name, stalled_after=60),
            )
            return Loop(name, consumer.run)

        await run_loops(
            [
                loop("fifo", settings.fifo_queue_url, settings.fifo_dead_queue_url),
                loop("standard", settings.standard_queue_url, settings.standard_dead_queue_url),
            ],
            stop=stop,
            drain_seconds=settings.drain_seconds,
        )


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
