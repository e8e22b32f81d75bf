"""The control route: how a test or a demo changes what this endpoint does while it runs.

    GET    /_control/stats                      counts by invoked id, room left in quotas, faults still to strike
    GET    /_control/settings                   the settings as they are
    PUT    /_control/settings                   other settings altogether (quotas start full, counts go on)
    GET    /_control/models/ID                  what applies to a model, profile, knowledge base or *
    PUT    /_control/models/ID                  its settings, in place of those it had
    POST   /_control/models/ID                  its settings, only the keys given
    GET    /_control/models/ID/faults           the faults still to strike
    POST   /_control/models/ID/faults           one more fault, or {"faults": [...]}
    DELETE /_control/models/ID/faults           none any more
    PUT    /_control/knowledge_bases/ID         its passages
    PUT    /_control/agents/ID                  how it calls its tools
    GET    /_control/sessions                   the conversations that agents and harnesses keep here
    DELETE /_control/sessions                   all of them forgotten, as if they had idled out
    GET    /_control/jobs                       the batch jobs that were created here
    PUT    /_control/jobs                       how jobs go from now on: seconds, records, errors, end
    PUT    /_control/s3                         the AWS variables of the S3 that jobs read and write
    POST   /_control/reset                      everything as it was at the start

Bodies are the shapes of ``local.bedrock.settings`` as JSON; what does not fit is answered 400 with the reason. Every
answer is JSON. An id is one path segment: an ARN is not an id.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from local.bedrock.jobs import Jobs
from local.bedrock.settings import Agent, Fault, KnowledgeBase, Settings
from local.bedrock.settings import Jobs as JobSettings
from local.bedrock.state import State

Action = Callable[[web.Request, Any], Any]
DONE: dict[str, Any] = {"ok": True}


def routes(state: State, batch: Jobs) -> list[web.RouteDef]:
    """Every row of the table above."""

    def settings(_: web.Request, __: Any) -> Any:
        return state.settings.model_dump(mode="json")

    def put_settings(_: web.Request, body: Any) -> Any:
        state.replace(Settings.model_validate(body))
        return DONE

    def model(request: web.Request, _: Any) -> Any:
        return state.settings.of(_id(request)).model_dump(mode="json")

    def put_model(request: web.Request, body: Any) -> Any:
        state.set_model(_id(request), _object(body))
        return DONE

    def post_model(request: web.Request, body: Any) -> Any:
        state.set_model(_id(request), {**state.settings.models.get(_id(request), {}), **_object(body)})
        return DONE

    def faults(request: web.Request, _: Any) -> Any:
        return state.plan(_id(request)).left()

    def post_faults(request: web.Request, body: Any) -> Any:
        given = _object(body)
        several = given["faults"] if given.keys() == {"faults"} else [given]
        if not isinstance(several, list):
            raise ValueError("faults is to be a list")
        state.plan(_id(request)).add([Fault.model_validate(one) for one in several])
        return DONE

    def delete_faults(request: web.Request, _: Any) -> Any:
        state.plan(_id(request)).clear()
        return DONE

    def put_knowledge_base(request: web.Request, body: Any) -> Any:
        knowledge_base = KnowledgeBase.model_validate(body)
        state.settings = state.settings.with_knowledge_base(_id(request), knowledge_base)
        return DONE

    def put_agent(request: web.Request, body: Any) -> Any:
        state.settings = state.settings.with_agent(_id(request), Agent.model_validate(body))
        return DONE

    def sessions(_: web.Request, __: Any) -> Any:
        return state.sessions.as_json()

    def delete_sessions(_: web.Request, __: Any) -> Any:
        state.sessions.clear()
        return DONE

    def jobs(_: web.Request, __: Any) -> Any:
        return batch.as_json()

    def put_jobs(_: web.Request, body: Any) -> Any:
        state.settings = state.settings.with_jobs(JobSettings.model_validate(body))
        return DONE

    def put_s3(_: web.Request, body: Any) -> Any:
        batch.s3 = {str(name): str(value) for name, value in _object(body).items()}
        return DONE

    def stats(_: web.Request, __: Any) -> Any:
        return state.as_json()

    def reset(_: web.Request, __: Any) -> Any:
        state.reset()
        batch.forget()
        return DONE

    table: tuple[tuple[str, str, Action], ...] = (
        ("GET", "/stats", stats),
        ("GET", "/settings", settings),
        ("PUT", "/settings", put_settings),
        ("GET", "/models/{id}", model),
        ("PUT", "/models/{id}", put_model),
        ("POST", "/models/{id}", post_model),
        ("GET", "/models/{id}/faults", faults),
        ("POST", "/models/{id}/faults", post_faults),
        ("DELETE", "/models/{id}/faults", delete_faults),
        ("PUT", "/knowledge_bases/{id}", put_knowledge_base),
        ("PUT", "/agents/{id}", put_agent),
        ("GET", "/sessions", sessions),
        ("DELETE", "/sessions", delete_sessions),
        ("GET", "/jobs", jobs),
        ("PUT", "/jobs", put_jobs),
        ("PUT", "/s3", put_s3),
        ("POST", "/reset", reset),
    )
    return [web.route(method, f"/_control{path}", _answering(action)) for method, path, action in table]


def _answering(action: Action) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.read() or b"{}")
            return web.json_response(action(request, body))
        except ValidationError as error:
            return web.json_response({"message": str(error)}, status=400)
        except ValueError as error:
            return web.json_response({"message": f"The body is not what this route takes: {error}"}, status=400)

    return handle


def _id(request: web.Request) -> str:
    return request.match_info["id"]


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise ValueError("a JSON object is wanted")
    return body
