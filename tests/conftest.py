"""Fixtures that every test may ask for; they live in tests/support/."""

import asyncio

pytest_plugins = ["tests.support.cloud", "tests.support.databases", "tests.support.signs_of_life"]


def pytest_configure() -> None:
    # Until somebody sets one, asyncio.get_event_loop() makes an event loop on demand (Python 3.11 to 3.13), and
    # pytest-asyncio asks for "the current loop" before its own: that one is never closed and fails the session.
    asyncio.set_event_loop(None)
