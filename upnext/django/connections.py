"""Database connections around jobs: closed when they are broken or old, as Django does it around requests."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async
from django.db import close_old_connections

from upnext.hooks import HookedJob, Hooks, add_hooks, remove_hooks
from upnext.thread_boundaries import add_boundary, remove_boundary

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class ConnectionHooks(Hooks):
    """Looks after the connections of the one thread in which async code uses Django's models."""

    @asynccontextmanager
    async def around_job(self, job: HookedJob, /) -> AsyncGenerator[None]:  # noqa: ARG002
        """Close what is broken or old, before a job and after it."""
        close = sync_to_async(close_old_connections)
        await close()
        try:
            yield
        finally:
            await close()


_hooks = ConnectionHooks()


def look_after_connections() -> None:
    """Close connections that are broken, or older than `CONN_MAX_AGE`, around every job of this process.

    Handlers that are not async have a connection for each thread, and a worker has at most `concurrency` of these.
    """
    add_boundary(close_old_connections)
    add_hooks(_hooks)


def leave_connections_alone() -> None:
    """Take that back."""
    remove_boundary(close_old_connections)
    remove_hooks(_hooks)
