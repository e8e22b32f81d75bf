"""A conversation that the service keeps: which session it is in, and what a failure leaves of it.

A service that refused a request for its rate alone has not begun it: the same request may come again on the same
session. After any other failure nobody on this side knows whether the session has moved on, so it is left behind and
the next step begins a new one with the ticket alone. Nothing is lost with it: the tools answer from the stores, where
everything that was done is written.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from shared.errors import PermanentError, Throttled, TransientError
from shared.logs import logger

log = logger("agent")

AwaitsT = TypeVar("AwaitsT")
NewId: TypeAlias = Callable[[], str]
"""Gives 32 letters and digits, never the same twice."""

MOST_REFUSED_SESSIONS = 3
"""How often a session may be refused in its middle before the refusal is believed to be about the request itself."""


@dataclass(slots=True)
class HostedSession(Generic[AwaitsT]):
    """``awaits`` is what the service asked for in its last answer; None before the first one of a session."""

    ticket_id: str
    ticket_text: str = field(repr=False)
    session_id: str
    awaits: AwaitsT | None = None
    refused: int = 0


def session_id(ticket_id: str, new_id: NewId) -> str:
    """An id that names its ticket to whoever reads the service's own logs.

    AgentCore wants 33 to 100 letters, digits and dashes, Bedrock Agents no more than 100.
    """
    ticket = re.sub(r"[^0-9A-Za-z]+", "-", ticket_id)[:50].strip("-")
    return f"deskhand-{ticket}-{new_id()}"


@contextmanager
def kept_or_left(session: HostedSession[AwaitsT], new_id: NewId) -> Iterator[None]:
    """Around one request on ``session``: after a failure that leaves its state unknown, the next one finds a new one.

    A refusal for good in the middle of a session may be about the session (it idled out, or moved on without us): it
    is passed on as a TransientError, for a new session to be tried.
    """
    try:
        yield
    except Throttled:
        raise
    except TransientError:
        _leave(session, new_id)
        raise
    except PermanentError as error:
        if session.awaits is None or session.refused >= MOST_REFUSED_SESSIONS:
            raise
        session.refused += 1
        _leave(session, new_id)
        raise TransientError(f"the session was refused: {error.reason}") from error


def _leave(session: HostedSession[AwaitsT], new_id: NewId) -> None:
    log.warning("hosted_session_left", ticket_id=session.ticket_id, session_id=session.session_id)
    session.awaits = None
    session.session_id = session_id(session.ticket_id, new_id)
