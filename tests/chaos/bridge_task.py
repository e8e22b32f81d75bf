"""One task of the bridge: the stream of a Ticket table into a FIFO queue, composed as a service composes it.

python -m tests.chaos.bridge_task     settings from the environment; prints {"ready": PID} when signals are handled
"""

import asyncio
import json
import os
import sys
import time
import uuid
from collections.abc import Sequence

from shared.aws.clients import aws_session, open_client
from shared.health import Health
from shared.lifecycle import Loop, run_loops, stop_on_signals
from shared.logs import configure_logs
from shared.queue.message import Outgoing
from shared.queue.port import Queue
from shared.queue.sending import send_all
from shared.queue.sqs import SqsQueue
from shared.settings import Settings
from shared.stream.consumer import StreamConsumer
from shared.stream.dynamodb import DynamoDbStream
from shared.stream.dynamodb_leases import DynamoDbLeases
from shared.stream.record import Record
from shared.stream.settings import StreamSettings
from tests.chaos.broken import bridge_delivery
from tests.chaos.saying import say


class BridgeTaskSettings(Settings):
    """What one task needs; ``lease_seconds`` 0 means the consumer's own defaults."""

    task_id: str
    stream_arn: str
    queue_url: str
    lease_table: str
    drain_seconds: float
    lease_seconds: float = 0.0
    build: str = "sound"
    show_repeats: bool = False
    log_level: str = "WARNING"


def stream_settings(lease_seconds: float) -> StreamSettings:
    """The defaults, or leases that a short run sees expire."""
    if not lease_seconds:
        return StreamSettings()
    return StreamSettings(lease_seconds=lease_seconds, take_seconds=lease_seconds / 6, deliver_at_most=20)


async def hand_on(queue: Queue, records: Sequence[Record], *, by: str, show_repeats: bool) -> None:
    """Send each record's key and version, in order per ticket; the event id makes a repeat within minutes vanish.

    Not so with ``show_repeats``, for whoever counts them.
    """
    await send_all(
        queue,
        [
            Outgoing(
                body=json.dumps(
                    {
                        "ticketId": record.keys["ticketId"],
                        "version": int((record.new or {}).get("statusVersion", 0)),
                        "sequenceNumber": record.sequence_number,
                        "putAt": str((record.new or {}).get("putAt", "")),
                        "by": by,
                    }
                ),
                group_id=record.keys["ticketId"],
                deduplication_id=uuid.uuid4().hex if show_repeats else record.event_id,
            )
            for record in records
        ],
    )


async def main() -> None:
    settings = BridgeTaskSettings.from_environment(os.environ)
    configure_logs("chaos_bridge", settings.log_level)
    stop = asyncio.Event()
    stop_on_signals(stop)
    say({"ready": os.getpid()})
    session = aws_session()
    health = Health(time.monotonic)
    async with (
        open_client(session, "sqs") as sqs,
        open_client(session, "dynamodb") as dynamodb,
        open_client(session, "dynamodbstreams") as streams,
    ):
        queue = SqsQueue(sqs, settings.queue_url)
        consumer = StreamConsumer(
            source=DynamoDbStream(streams, settings.stream_arn),
            leases=DynamoDbLeases(dynamodb, settings.lease_table, consumer="bridge"),
            deliver=bridge_delivery(
                settings.build,
                lambda records: hand_on(queue, records, by=settings.task_id, show_repeats=settings.show_repeats),
            ),
            # A restarted task is another owner: its earlier life may still be believed alive.
            owner=f"{settings.task_id}-{os.getpid()}",
            settings=stream_settings(settings.lease_seconds),
            beat=health.watch("bridge", stalled_after=60),
        )
        await run_loops([Loop("bridge", consumer.run)], stop=stop, drain_seconds=settings.drain_seconds)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
