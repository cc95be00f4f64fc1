"""The dashboard as an ASGI application, and its server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from upnext.dashboard.actions import Actions, RefusedFormError
from upnext.dashboard.event_graph import SentEvents
from upnext.dashboard.guard import Access, Guard
from upnext.dashboard.pages import Pages
from upnext.dashboard.reading import Reader
from upnext.web import Config, Server

if TYPE_CHECKING:
    import socket
    from collections.abc import Collection

    from starlette.types import ASGIApp

    from upnext.settings import Settings

_GRACE = 1.0  # seconds for requests that are under way when it stops


def dashboard_app(
    settings: Settings, token: str = "", names: Collection[str] = (), graph: str | None = None
) -> ASGIApp:
    """Return the application.

    Args:
        settings: Where to look; they name a server.
        token: What opens it; "" if it is open to everybody who can connect.
        names: Host names by which it may be asked for, beside addresses and localhost.
        graph: The file that `upnext graph --format json` printed, None if nothing is known of who sends what.

    Raises:
        ConfigError: If that file cannot be read.
    """
    access = Access(token, names)
    pages = Pages(Reader(settings), access, SentEvents() if graph is None else SentEvents.read(graph))
    actions = Actions(pages)

    async def refused(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code != 404:
            return PlainTextResponse(f"{error.detail}\n", error.status_code, headers=error.headers)
        if isinstance(error, RefusedFormError):
            return pages.render(request, "message.html", error.code, title="Nothing was changed", message=str(error))
        return pages.missing(request)

    app = Starlette(
        routes=[
            Route("/", pages.overview),
            Route("/dead", pages.dead),
            Route("/dead/{change}", actions.change_dead, methods=["POST"]),
            Route("/dead/{job_id}", pages.dead_letter),
            Route("/jobs", pages.jobs),
            Route("/jobs/cancel", actions.cancel_job, methods=["POST"]),
            Route("/jobs/{job_id}", pages.job),
            Route("/workers", pages.workers),
            Route("/handlers", pages.handlers),
            Route("/handlers/{change}", actions.pause_handler, methods=["POST"]),
            Route("/schedules", pages.schedules),
            Route("/events", pages.events),
            Route("/login", pages.login, methods=["GET"]),
            Route("/login", actions.login, methods=["POST"]),
            Route("/logout", actions.logout, methods=["POST"]),
            Route("/static/{name}", pages.static),
        ],
        exception_handlers={HTTPException: refused, RefusedFormError: refused},
    )
    return Guard(app, access)


def serve(app: ASGIApp, sockets: list[socket.socket]) -> None:
    """Serve it until SIGTERM or Ctrl-C."""
    config = Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=_GRACE, server_header=False)
    asyncio.run(Server(config).serve(sockets=sockets))
