"""Database connections around jobs: closed when no job uses them, and when they are broken."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connections

from upnext.hooks import HookedJob, Hooks, add_hooks, remove_hooks
from upnext.thread_boundaries import add_boundary, remove_boundary

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class ConnectionHooks(Hooks):
    """Manages the connections of the one thread in which async code uses Django's models."""

    @asynccontextmanager
    async def around_job(self, job: HookedJob, /) -> AsyncGenerator[None]:  # noqa: ARG002
        """Close broken or old connections before and after a job."""
        close = sync_to_async(close_old_connections)
        await close()
        try:
            yield
        finally:
            await close()


_hooks = ConnectionHooks()


def close_unused() -> None:
    """Close this thread's connections, except those in a transaction, which a provider may have begun."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


def look_after_connections() -> None:
    """Close connections around every job of this process.

    Each thread has its own. A worker may have more threads than jobs at once, so those of handlers that are not async
    keep none after a job: there are never more connections than jobs. The one thread that async code uses models in
    keeps its own for `CONN_MAX_AGE`, as long as it is not broken.
    """
    add_boundary(close_unused)
    add_hooks(_hooks)


def leave_connections_alone() -> None:
    """Undo `look_after_connections`."""
    remove_boundary(close_unused)
    remove_hooks(_hooks)
