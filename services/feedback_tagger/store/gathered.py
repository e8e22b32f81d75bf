"""Calls of one moment share a statement: each round trip costs a task as much as the rows of several."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Given = TypeVar("Given")
Answer = TypeVar("Answer")


@dataclass(slots=True, kw_only=True, eq=False)
class Gathered(Generic[Given, Answer]):
    """``carry_out`` for what several callers give, as one call of at most ``most``; who waits alone is not held up.

    Whatever comes in one turn of the event loop goes together, and while ``at_once`` calls are under way what comes
    meanwhile. Where a call fails, each of its callers gets the same error.
    """

    carry_out: Callable[[Sequence[Given]], Awaitable[Sequence[Answer]]] = field(repr=False)
    most: int
    at_once: int = 2
    # Calls are nobody's: with what the first caller has bound, their lines would speak of his message for ever.
    context: Context = field(default_factory=copy_context, repr=False)
    _waiting: "list[tuple[Given, asyncio.Future[Answer]]]" = field(init=False, default_factory=list, repr=False)
    _under_way: "set[asyncio.Task[None]]" = field(init=False, default_factory=set, repr=False)

    async def __call__(self, given: Given) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((given, answer))
        self._begin()
        return await answer

    def _begin(self) -> None:
        if self._waiting and len(self._under_way) < self.at_once:
            # A task begins after everybody who is ready now has had his turn: they are in it.
            call = asyncio.create_task(self._call(), context=self.context)
            self._under_way.add(call)
            call.add_done_callback(self._ended)

    def _ended(self, call: "asyncio.Task[None]") -> None:
        self._under_way.discard(call)
        self._begin()

    async def _call(self) -> None:
        # A caller who was cancelled before his turn wants it no more.
        together = [each for each in self._waiting[: self.most] if not each[1].done()]
        del self._waiting[: self.most]
        if not together:
            return
        try:
            answers = await self.carry_out([given for given, _ in together])
        except BaseException as error:
            for _, answer in together:
                if not answer.done():
                    answer.set_exception(error)
                    answer.exception()  # Should its caller be cancelled in this very turn, nobody else looks.
            if not isinstance(error, Exception):
                raise
            return
        for (_, answer), value in zip(together, answers, strict=True):
            if not answer.done():
                answer.set_result(value)
