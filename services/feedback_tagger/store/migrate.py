"""Bringing the database that a URL leads to up to date."""

from services.feedback_tagger.store.migrations import Migration, migrations
from services.feedback_tagger.store.opened import door_to, migrate_store

__all__ = ["Migration", "migrate_database", "migrations"]


async def migrate_database(url: str) -> list[str]:
    """Connect with the URL's own login, migrate, leave; the names of the migrations that were applied."""
    return await migrate_store(door_to(url))
