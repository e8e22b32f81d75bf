"""The HTTP edge: which path is which operation, what each call goes through, and how a reply leaves or is lost."""

import asyncio
import re
import sys
import time
import traceback
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from local.bedrock import catalogue, control, delivery, errors, faults, operations, wire
from local.bedrock.delivery import Lost
from local.bedrock.errors import Refusal, invalid
from local.bedrock.jobs import Jobs
from local.bedrock.quota import Throttled
from local.bedrock.settings import Fault, Settings
from local.bedrock.state import Counts, State, names_of
from local.bedrock.work import Call, Output, Reply, Stream, Work

LARGEST_BODY = 26_000_000
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_REGION = re.compile(r"Credential=[^/]+/\d{8}/(?P<region>[a-z0-9-]+)/")


@dataclass(frozen=True, slots=True)
class Clock:
    """Where time and ids come from."""

    wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex


def build(settings: Settings, clock: Clock | None = None) -> web.Application:
    """The application; each has a state of its own."""
    clock = clock or Clock()
    state = State(settings, clock.monotonic)
    models = wire.operation_models()
    jobs = Jobs(state=state, converse_model=models["Converse"], wall=clock.wall, sleep=clock.sleep)
    app = web.Application(client_max_size=LARGEST_BODY)
    app.on_cleanup.append(lambda _: jobs.close())
    # The control routes come first: the last route of all takes what is left.
    app.add_routes(control.routes(state, jobs))
    for name, model in models.items():
        if name in operations.LOOK_UPS:
            handler = _look_up(models, name, clock)
        elif name in operations.JOBS:
            handler = _job(models, name, operations.JOBS[name](jobs), clock)
        else:
            handler = _invocation(models, name, state, clock)
        # The SDK writes an id's ":" and "/" escaped, so one path segment holds a whole ARN.
        app.router.add_route(model.http["method"], model.http["requestUri"], _guarded(handler, clock))
    app.router.add_route("*", "/{anything:.*}", _guarded(_unknown, clock))
    return app


def _guarded(handler: Handler, clock: Clock) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            response = await handler(request)
        except Refusal as refusal:
            return errors.as_response(refusal, clock.new_id())
        except Lost:
            return delivery.abandoned(request)
        except (web.HTTPException, ConnectionError):
            raise
        except Exception:  # a bug here must look like the service's own, not like a lost connection
            traceback.print_exc(file=sys.stderr)
            return errors.as_response(Refusal("InternalServerException", "Deskhand stand-in: a bug."), clock.new_id())
        return response

    return handle


def _look_up(models: wire.Models, name: str, clock: Clock) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        asked = wire.parameters(models[name], await _arrived(request))
        return delivery.response(
            Reply.of(operations.LOOK_UPS[name](asked, _region(request), clock.wall())), clock.new_id()
        )

    return handle


def _job(models: wire.Models, name: str, act: operations.OnJobs, clock: Clock) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        asked = wire.parameters(models[name], await _arrived(request))
        return delivery.response(Reply.of(await act(asked, _region(request))), clock.new_id())

    return handle


def _invocation(models: wire.Models, name: str, state: State, clock: Clock) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        names = _names(request)
        counts = state.count(names[-1])
        fault = state.strike(names, name)
        with counts.call(fault):
            if fault is not None and fault.kind == "drop_before_reading":
                raise Lost
            began = clock.monotonic()
            parameters = wire.parameters(models[name], await _arrived(request))
            await _struck(fault, request, clock)
            call = Call(
                parameters,
                state.of(names),
                fault,
                clock.wall(),
                new_id=lambda: f"tooluse_{clock.new_id()[:22]}",
                sessions=state.sessions,
            )
            work = operations.work(name, call, state.settings)
            reply = await _carried_out(work, call, state, counts, clock, began)
        return await delivery.deliver(request, reply, fault, clock.new_id())

    return handle


async def _struck(fault: Fault | None, request: web.Request, clock: Clock) -> None:
    """What a fault does before there is an answer."""
    if fault is None:
        return
    if fault.kind in faults.REFUSALS and not fault.in_stream:
        raise faults.REFUSALS[fault.kind]
    if fault.kind == "hang":
        until = clock.monotonic() + fault.seconds
        # In short sleeps: a handler whose client has given up would count as in flight for an hour.
        while clock.monotonic() < until and request.transport is not None:
            await clock.sleep(min(0.2, fault.seconds))
        raise Lost


async def _carried_out(
    work: Work, call: Call, state: State, counts: Counts, clock: Clock, began: float
) -> Reply | Stream:
    """Reserve, answer, take the model's time, settle."""
    if work.invoked is None:
        output = work.answer()
        await clock.sleep(call.settings.latency.fixed_ms / 1000)
        return _answered(output, work, 0, counts, clock.monotonic() - began)
    quota = state.quota(work.invoked)
    held = quota.reserve(work.input_tokens + work.most_tokens, clock.monotonic())
    if isinstance(held, Throttled):
        raise Refusal("ThrottlingException", f"Too many {held.limit.counts}: wait before you try again.")
    actual = work.input_tokens
    try:
        output = work.answer()
        actual += output.tokens * work.invoked.model.burndown
        latency = call.settings.latency
        spent = clock.monotonic() - began
        due = (latency.fixed_ms + latency.per_output_token_ms * output.tokens) / 1000
        if due > spent:
            await clock.sleep(due - spent)
    finally:
        quota.settle(held, actual, clock.monotonic())
    return _answered(output, work, actual, counts, clock.monotonic() - began)


def _answered(output: Output, work: Work, quota_tokens: int, counts: Counts, seconds: float) -> Reply | Stream:
    counts.answer(output.by, work.input_tokens, output.tokens, quota_tokens)
    return output.reply(round(seconds * 1000))


def _names(request: web.Request) -> tuple[str, ...]:
    """Under which names the settings of this call stand, from general to particular."""
    if (knowledge_base := request.match_info.get("knowledgeBaseId")) is not None:
        return (knowledge_base.rpartition("/")[2],)
    if (agent := request.match_info.get("agentId")) is not None:
        return (agent,)
    if (harness := request.query.get("harnessArn")) is not None:
        return (harness.rpartition("/")[2],)
    identifier = request.match_info.get("modelId", "")
    found = catalogue.find(identifier)
    return (identifier,) if found is None else names_of(found)


async def _arrived(request: web.Request) -> wire.Arrived:
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise invalid(f"The request is larger than {LARGEST_BODY} bytes.") from None
    return wire.Arrived(request.match_info, request.query, request.headers, body)


def _region(request: web.Request) -> str:
    """The region that the request was signed for."""
    match = _REGION.search(request.headers.get("Authorization", ""))
    return match["region"] if match else catalogue.DEFAULT_REGION


async def _unknown(request: web.Request) -> web.StreamResponse:
    raise Refusal("UnknownOperationException", f"No operation at {request.method} {request.path} here.")
