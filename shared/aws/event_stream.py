"""Reading an answer that comes as an event stream: to its end, or not at all."""

from typing import Any

from botocore.eventstream import ParserError

from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.errors import TransientError


async def whole(stream: Client) -> tuple[dict[str, Any], ...]:
    """Every event of ``stream``, once its end has come.

    Raises what an exception event in the stream stands for, and TransientError if the stream broke off or was garbled:
    what had arrived by then is dropped, so that nobody acts on half an answer. A connection that ends in good form in
    the middle of a frame looks like an end; whether the last event is one that may be last is the caller's to judge.
    """
    try:
        with aws_errors():
            return tuple([event async for event in stream])
    except ParserError as error:
        raise TransientError(f"garbled event stream: {error}") from error
    finally:
        # Of a stream that was not read to its end, the connection is in no state for another request.
        stream.close()
