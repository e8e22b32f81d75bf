"""Working under a claim: renewed while the work runs, then completed; kept when nobody knows what happened."""

import asyncio
from collections.abc import Awaitable, Callable

from shared.errors import DeskhandError, TransientError
from shared.idempotency.port import Claimed, ClaimLost, Completed, Idempotency, InProgress


class InProgressElsewhere(TransientError):
    """Someone else holds the claim; ``retry_after`` says when its time runs out."""


async def once(
    claims: Idempotency,
    key: str,
    work: Callable[[Claimed], Awaitable[str]],
    *,
    owner: str,
    now: Callable[[], float],
    ttl_seconds: float = 60.0,
    remember_seconds: float = 7 * 24 * 3600.0,
) -> str:
    """The result of ``work``, done now or before.

    Raises InProgressElsewhere, ClaimLost (``work`` was cancelled: another may be at it) or what ``work`` raised. A
    claim whose work failed or was cancelled is kept until its time runs out, since its effect may have happened; work
    that knows that nothing did may release it itself.
    """
    claim = await claims.claim(key, owner=owner, ttl_seconds=ttl_seconds)
    if isinstance(claim, Completed):
        return claim.result
    if isinstance(claim, InProgress):
        raise InProgressElsewhere(f"{key} is in progress", retry_after=max(0.0, claim.until - now()))
    result = await _while_renewed(claims, claim, work, now=now, ttl_seconds=ttl_seconds)
    await claims.complete(claim, result, remember_seconds=remember_seconds)
    return result


async def _while_renewed(
    claims: Idempotency,
    claim: Claimed,
    work: Callable[[Claimed], Awaitable[str]],
    *,
    now: Callable[[], float],
    ttl_seconds: float,
) -> str:
    limit = asyncio.timeout(None)
    lost: list[str] = []

    async def renewing() -> None:
        held = claim
        while True:
            await asyncio.sleep(ttl_seconds / 3)  # three chances to renew
            try:
                # A call that hangs must not keep the next one from its turn.
                async with asyncio.timeout(ttl_seconds / 3):
                    held = await claims.renew(held, ttl_seconds=ttl_seconds)
            except ClaimLost as error:
                lost.append(str(error))
            except (DeskhandError, TimeoutError) as error:
                # Give up when the next attempt would come after others may take it.
                if now() + ttl_seconds / 3 >= held.until:
                    lost.append(f"{claim.key} could not be renewed: {error}")
            if lost:
                limit.reschedule(asyncio.get_running_loop().time())
                return

    heartbeat = asyncio.create_task(renewing())
    try:
        async with limit:
            return await work(claim)
    except TimeoutError:
        if limit.expired() and lost:
            raise ClaimLost(lost[0]) from None
        raise
    finally:
        heartbeat.cancel()
        await asyncio.wait({heartbeat})
