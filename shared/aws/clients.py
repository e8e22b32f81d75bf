"""Opening aiobotocore clients the one way both services do.

Region, credentials and endpoints come from the ordinary AWS environment (``AWS_REGION``, ``AWS_ENDPOINT_URL_*`` and
their like), which botocore reads by itself: nothing here differs between a laptop and AWS.
"""

from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

import aiobotocore
import botocore
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

USER_AGENT = f"aiobotocore/{aiobotocore.__version__} botocore/{botocore.__version__} deskhand"
"""Said once: left to itself, botocore puts the same words together anew for each request, for a tenth of its time."""

Client: TypeAlias = Any
"""An aiobotocore client; botocore makes its methods from the service's model at run time."""


def aws_session() -> AioSession:
    """One a process: it caches credentials and parsed service models."""
    # botocore alone among the SDKs reads only the second of the two.
    return AioSession(session_vars={"region": ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)})


def open_client(
    session: AioSession,
    service: str,
    *,
    connections: int = 32,
    read_timeout: float = 30.0,
    attempts: int = 3,
    endpoint_url: str | None = None,
) -> AbstractAsyncContextManager[Client]:
    """A client of ``service``.

    ``connections`` is the most calls in flight (aiobotocore's default of 10 would queue the eleventh).
    ``read_timeout`` in seconds must exceed the longest answer: 20 s for an SQS long poll, minutes for a model.
    ``attempts`` counts the first try; callers with a retry policy of their own pass 1.
    """
    client: AbstractAsyncContextManager[Client] = session.create_client(
        service,
        endpoint_url=endpoint_url,
        config=AioConfig(
            user_agent=USER_AGENT,
            max_pool_connections=connections,
            connect_timeout=5,
            read_timeout=read_timeout,
            retries={"mode": "standard", "total_max_attempts": attempts},
            tcp_keepalive=True,
        ),
    )
    return client
