"""``python -m local.bedrock --port 0 [--config FILE.json]``: prints its URL as one JSON line when it is ready."""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from aiohttp import web
from pydantic import ValidationError

from local.bedrock import app, embeddings
from local.bedrock.settings import Settings


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.bedrock", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 chooses a free one")
    parser.add_argument("--config", type=Path, help="settings as JSON, see local.bedrock.settings")
    arguments = parser.parse_args()
    try:
        settings = Settings.model_validate_json(arguments.config.read_bytes() if arguments.config else b"{}")
    except (OSError, ValidationError) as error:
        print(f"{arguments.config}: {error}", file=sys.stderr)
        return 2
    asyncio.run(_serve(settings, arguments.port))
    return 0


async def _serve(settings: Settings, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # Loaded beside the first requests, not before them: a client that is never tagged for need not wait 1.5 s.
    warming = asyncio.create_task(asyncio.to_thread(embeddings.warm_up))
    runner = web.AppRunner(app.build(settings), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        host, bound_port = runner.addresses[0][:2]
        print(json.dumps({"url": f"http://{host}:{bound_port}"}), flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()
        await warming


if __name__ == "__main__":
    sys.exit(main())
