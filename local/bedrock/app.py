"""The HTTP edge: which path is which operation, and how a refusal or a reply leaves."""

import time
import uuid
from datetime import UTC, datetime
from random import Random

from aiohttp import web

from local.bedrock import catalogue, conversation, converse, errors, stand_ins, tokens, wire
from local.bedrock.errors import Refusal
from local.bedrock.settings import Settings

LARGEST_BODY = 26_000_000


def build(settings: Settings) -> web.Application:
    app = web.Application(client_max_size=LARGEST_BODY)
    models = wire.operation_models()

    async def handle(request: web.Request) -> web.StreamResponse:
        request_id = str(uuid.uuid4())
        try:
            arrived = wire.Arrived(request.match_info, request.query, request.headers, await request.read())
            params = wire.parameters(models["Converse"], arrived)
            began = time.monotonic()
            invoked = catalogue.resolve(params["modelId"], datetime.now(UTC))
            counted = tokens.of_request(params)
            conversation.require(params, invoked.model, counted)
            own = settings.of(invoked.model.model_id, invoked.invoked_id)
            answer = stand_ins.answer(params, own, Random(own.seed), lambda: f"tooluse_{uuid.uuid4().hex[:22]}")
            most = (params.get("inferenceConfig") or {}).get("maxTokens") or invoked.model.output_tokens
            answer = converse.bounded(answer, params, most)
            usage = converse.Usage(counted, converse.output_tokens(answer))
            body = converse.reply(answer, usage, int((time.monotonic() - began) * 1000), params.get("serviceTier"))
            return web.json_response(body, headers={"x-amzn-RequestId": request_id, "x-deskhand-stand-in": answer.by})
        except Refusal as refusal:
            return errors.as_response(refusal, request_id)

    app.router.add_post("/model/{modelId}/converse", handle)
    return app
