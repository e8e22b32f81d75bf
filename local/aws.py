"""Synchronous AWS clients from a mapping of AWS variables instead of this process's own environment.

The embedded cloud and its tests speak to several endpoints and as several accounts at once, and a profile or an
endpoint that the user has set for real AWS must not reach any of them.
"""

import os
from collections.abc import Mapping
from functools import lru_cache
from threading import Lock
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

# (name in the config file, environment variable, value, conversion): no file and no variable of the user's is read.
CLOSED_SESSION = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
    "ignore_configured_endpoint_urls": (None, None, True, None),
}

SESSION_LOCK = Lock()
"""A session makes one client at a time; the clients themselves may be shared between threads."""


def aws_client(environment: Mapping[str, str], service: str) -> Any:
    """A boto3 client of ``service`` for the region, credentials and endpoint that ``environment`` names; cached."""
    specific = environment.get("AWS_ENDPOINT_URL_" + service.upper().replace("-", "_"))
    return _client(
        service,
        specific or environment.get("AWS_ENDPOINT_URL"),
        environment["AWS_REGION"],
        environment["AWS_ACCESS_KEY_ID"],
        environment["AWS_SECRET_ACCESS_KEY"],
    )


@lru_cache(maxsize=128)
def _client(service: str, endpoint: str | None, region: str, access_key: str, secret_key: str) -> Any:
    with SESSION_LOCK:
        return _session().client(
            service,
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            # No proxy: these endpoints are on this machine. More connections than ten, as tests call from threads.
            config=Config(proxies={}, max_pool_connections=32, connect_timeout=5, read_timeout=60),
        )


@lru_cache(maxsize=1)
def _session() -> boto3.Session:
    """One for all: it caches the parsed models of the services, most of a client's cost."""
    return boto3.Session(botocore_session=botocore.session.Session(session_vars=CLOSED_SESSION))
