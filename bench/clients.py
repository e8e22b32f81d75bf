"""The consumers that are compared, each as its own process: one variant's name, a queue, a number of messages.

    python -m bench.clients VARIANT QUEUE_NAME WARM_UP MESSAGES

Reads the endpoint from the ordinary AWS environment, prints one JSON object: the CPU seconds of this process from the
end of the warm-up until everything is handled and deleted, and each message's latency. Imports of a variant's own
library are inside it: the peer lives in another environment, where ours is not.
"""

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

VISIBILITY_SECONDS = 30
WAIT_SECONDS = 1
CEILING_POLLERS = 4


def cpu_seconds() -> float:
    """Of this process, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Work:
    """The same trivial handling for every variant: read the body, note when. Knows when all of it is done."""

    def __init__(self, warm_up: int, messages: int) -> None:
        self._warm_up = warm_up
        self._all = warm_up + messages
        self._handled = 0
        self.latencies: list[float] = []
        self.began_cpu = cpu_seconds()
        self.began_at = time.monotonic()
        self.done = asyncio.Event()

    def handle(self, put_at: float) -> None:
        self.count(1)
        self.latencies.append(time.time() - put_at)

    def count(self, messages: int) -> None:
        before, self._handled = self._handled, self._handled + messages
        if before < self._warm_up <= self._handled:
            self.began_cpu = cpu_seconds()
            self.began_at = time.monotonic()
        if self._handled >= self._all:
            self.done.set()

    def report(self) -> dict[str, Any]:
        return {
            "handled": self._handled,
            "cpu_seconds": cpu_seconds() - self.began_cpu,
            "wall_seconds": time.monotonic() - self.began_at,
            "latencies": self.latencies[self._warm_up :],
        }


async def ours(queue: str, work: Work, *, log_level: str = "WARNING") -> None:
    """Our consumer: heartbeats on, batched deletes, a worker pool."""
    from shared.aws.clients import aws_session, open_client  # noqa: PLC0415
    from shared.logs import configure_logs  # noqa: PLC0415
    from shared.queue.consumer import Consumer, ConsumerSettings  # noqa: PLC0415
    from shared.queue.failures import MemoryFailureCounts  # noqa: PLC0415
    from shared.queue.message import Message  # noqa: PLC0415
    from shared.queue.sqs import SqsQueue  # noqa: PLC0415

    configure_logs("bench", log_level)

    async def handle(message: Message) -> None:
        work.handle(json.loads(message.body)["args"][0])

    async with open_client(aws_session(), "sqs") as sqs:
        url = (await sqs.get_queue_url(QueueName=queue))["QueueUrl"]
        consumer = Consumer(
            queue=SqsQueue(sqs, url),
            dead_letters=SqsQueue(sqs, url + "-dead"),
            handle=handle,
            failures=MemoryFailureCounts(),
            settings=ConsumerSettings(
                workers=10,
                prefetch=30,
                receivers=CEILING_POLLERS,
                visibility_seconds=VISIBILITY_SECONDS,
                wait_seconds=WAIT_SECONDS,
            ),
        )
        await consumer.run(work.done)


async def ours_logging(queue: str, work: Work) -> None:
    """The same with its line of log for each message, as a service runs it."""
    await ours(queue, work, log_level="INFO")


async def taskiq_aio_sqs(queue: str, work: Work) -> None:
    """The peer, with its heartbeats and its own receiver."""
    from taskiq.receiver import Receiver  # type: ignore[import-not-found]  # noqa: PLC0415
    from taskiq_aio_sqs import SQSBroker  # type: ignore[import-not-found]  # noqa: PLC0415

    broker = SQSBroker(
        queue,
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        region_name=os.environ["AWS_REGION"],
        aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        wait_time_seconds=WAIT_SECONDS,
        max_number_of_messages=10,
        visibility_timeout=VISIBILITY_SECONDS,
        enable_heartbeat=True,
    )

    @broker.task(task_name="bench")  # type: ignore[untyped-decorator]
    async def bench(put_at: float) -> None:
        work.handle(put_at)

    broker.is_worker_process = True
    await broker.startup()
    # 100 is what its own command line starts with.
    await Receiver(broker, max_async_tasks=100, run_startup=False).listen(work.done)
    await broker.shutdown()


async def plain_loop(queue: str, work: Work) -> None:
    """What one writes first: receive ten, handle and delete one after the other."""
    async with _sqs() as sqs:
        url = (await sqs.get_queue_url(QueueName=queue))["QueueUrl"]
        while not work.done.is_set():
            for message in await _receive(sqs, url):
                work.handle(json.loads(message["Body"])["args"][0])
                await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


async def client_ceiling(queue: str, work: Work) -> None:
    """The most that the client allows: receive ten, delete ten, nothing else; several at once."""
    async with _sqs() as sqs:
        url = (await sqs.get_queue_url(QueueName=queue))["QueueUrl"]

        async def poll() -> None:
            while not work.done.is_set():
                messages = await _receive(sqs, url)
                if not messages:
                    continue
                await sqs.delete_message_batch(
                    QueueUrl=url,
                    Entries=[{"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(messages)],
                )
                work.count(len(messages))

        await asyncio.gather(*(poll() for _ in range(CEILING_POLLERS)))


def _sqs() -> Any:
    from aiobotocore.config import AioConfig  # noqa: PLC0415
    from aiobotocore.session import get_session  # noqa: PLC0415

    return get_session().create_client("sqs", config=AioConfig(max_pool_connections=32))


async def _receive(sqs: Any, url: str) -> list[dict[str, Any]]:
    answer = await sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=WAIT_SECONDS,
        VisibilityTimeout=VISIBILITY_SECONDS,
        MessageSystemAttributeNames=["All"],
        MessageAttributeNames=["All"],
    )
    return list(answer.get("Messages", []))


VARIANTS: dict[str, Callable[[str, Work], Awaitable[None]]] = {
    "ours": ours,
    "ours_logging": ours_logging,
    "taskiq_aio_sqs": taskiq_aio_sqs,
    "plain_loop": plain_loop,
    "client_ceiling": client_ceiling,
}


async def main(variant: str, queue: str, warm_up: str, messages: str) -> None:
    work = Work(int(warm_up), int(messages))
    await VARIANTS[variant](queue, work)
    sys.stdout.write("\n" + json.dumps(work.report()) + "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
