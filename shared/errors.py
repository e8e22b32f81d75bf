"""The two kinds of failure every loop understands: one that may pass, one that will not.

Adapters translate the errors of botocore, asyncpg and their like into these at the edge, so a loop decides by kind
and never by a library's exception class.
"""


class DeskhandError(Exception):
    """The root of both kinds; raise one of its children."""


class TransientError(DeskhandError):
    """The same request may succeed later: a throttle, a timeout, a lost connection, a lost race.

    ``retry_after`` is the least number of seconds to wait, where the other side named one.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Throttled(TransientError):
    """The other side refused for rate or quota alone; nothing is wrong with the request."""


class OverBudget(TransientError):
    """A budget a day is used up; ``retry_after`` is the time until it begins anew, at midnight UTC.

    Hours, not seconds: a loop gives the work back to wait that long in its queue, counts no failure of it, and says in
    its run or its report that the budget is what it waits for.
    """


class PermanentError(DeskhandError):
    """The same request will fail again; its reason belongs in a dead letter, a reject, or a person's hands."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BadInput(PermanentError):
    """Something a user sent cannot be taken; names the field, what is wrong, and what to send instead."""

    def __init__(self, *, field: str, problem: str, remedy: str) -> None:
        super().__init__(f"{field}: {problem}; {remedy}")
        self.field = field
        self.problem = problem
        self.remedy = remedy
