"""`upnext exporter`: serve the metrics of a namespace over HTTP for Prometheus."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING, TypeAlias

from upnext.cli import exits
from upnext.cli.connection import add_server_options, settings_for
from upnext.cli.extras import extra
from upnext.cli.parser import examples
from upnext.cli.polling import read_status
from upnext.cli.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from upnext.broker.status import NamespaceStatus
    from upnext.cli.commands import Subparsers
    from upnext.runner.http_pages import Page
    from upnext.settings import Settings

    Metrics: TypeAlias = Callable[[NamespaceStatus | None], bytes]

_ADDRESS = "127.0.0.1:9464"
_DESCRIPTION = """\
Answers GET /metrics with what the server knows about the namespace: waiting, delayed, retrying and claimed jobs by
handler, the age of the oldest one, dead letters, leases. One exporter is enough for all workers of a namespace, whose
own metrics are on their probe port (`upnext run --probe`). While the server does not answer, upnext_up is 0."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "exporter",
        help="serve what the server knows to Prometheus",
        description=_DESCRIPTION,
        epilog=examples("upnext exporter", "upnext exporter --listen 0.0.0.0:9464", "upnext exporter --once"),
    )
    parser.add_argument("--listen", default=_ADDRESS, metavar="[HOST:]PORT", help=f"where (default: {_ADDRESS})")
    parser.add_argument("--once", action="store_true", help="print the metrics and exit; exit code 3 without an answer")
    add_server_options(parser, file=True)
    parser.set_defaults(command=exporter)


def exporter(arguments: argparse.Namespace) -> int:
    """Run the command until SIGTERM or Ctrl-C."""
    with extra("prometheus", "prometheus_client"):
        from upnext.telemetry.server_metrics import server_metrics  # noqa: PLC0415 - with its extra only
    settings = settings_for(arguments)
    if arguments.once:
        return asyncio.run(_print(settings, server_metrics))
    asyncio.run(_serve(settings, arguments.listen, server_metrics))
    return exits.CLEAN


async def _print(settings: Settings, metrics: Metrics) -> int:
    status = await _status(settings)
    print(metrics(status).decode(), end="")
    return exits.UNREACHABLE if status is None or status.unseen else exits.CLEAN


async def _serve(settings: Settings, address: str, metrics: Metrics) -> None:
    from upnext.runner.http_pages import Page, parse, serving  # noqa: PLC0415 - commands import what they need
    from upnext.runner.readiness_probe import METRICS  # noqa: PLC0415

    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    def page(path: str) -> Page:
        if path == "/livez":
            return Page(200, b"alive\n")
        if path not in {"/metrics", "/readyz"}:
            return Page(404, b"there are /metrics, /livez and /readyz\n")
        asked: Future[NamespaceStatus | None] = asyncio.run_coroutine_threadsafe(_status(settings), loop)
        status = asked.result()
        if path == "/readyz":
            return Page(200, b"ready\n") if status is not None else Page(503, b"the server gives no answer\n")
        return Page(200, metrics(status), METRICS)

    host, port = parse(address, option="listen")
    with contextlib.suppress(NotImplementedError):  # not on Windows, where the process then just ends
        loop.add_signal_handler(signal.SIGTERM, stopped.set)
    with serving(host, port, page, "The exporter"):
        print(f"Metrics at http://{host}:{port}/metrics", file=sys.stderr, flush=True)
        await stopped.wait()


async def _status(settings: Settings) -> NamespaceStatus | None:
    """Query the server; None, and a line on standard error, if it does not answer."""
    status = await read_status(settings)
    if isinstance(status, str):
        print(f"upnext: {visible(status)}", file=sys.stderr, flush=True)
        return None
    return status
