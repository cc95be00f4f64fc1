"""`upnext dashboard`: a namespace as pages for a browser."""

from __future__ import annotations

import argparse
import ipaddress
import os
import signal
import socket
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from upnext.cli import exits
from upnext.cli.connection import add_server_options, settings_for
from upnext.cli.extras import extra
from upnext.cli.parser import examples
from upnext.cli.paths import to_path
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from upnext.cli.commands import Subparsers

_HOST, _PORT = "127.0.0.1", 8765
_HIGHEST = 65535
_TOKEN = "UPNEXT_DASHBOARD_TOKEN"  # noqa: S105 - where it stands
_SHORTEST = 16
_DESCRIPTION = f"""\
Serves pages for a browser: throughput, lag and failures by handler, dead letters to replay and purge, workers with what
they run, jobs to inspect and cancel, handlers to pause and resume, schedules, and which handlers each event leads to.
Payloads are shown only on request. It listens only on this machine unless --host says otherwise, and then it needs a
token of at least {_SHORTEST} characters, which gives everyone who knows it all the rights of this command."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "dashboard",
        help="serve what a namespace does as pages for a browser",
        description=_DESCRIPTION,
        epilog=examples("upnext dashboard", "upnext dashboard service.py --port 9000"),
    )
    parser.add_argument("--host", default=_HOST, metavar="HOST", help=f"where to listen (default: {_HOST})")
    parser.add_argument("--port", type=_port, default=_PORT, metavar="PORT", help=f"and the port (default: {_PORT})")
    parser.add_argument("--token", metavar="TOKEN", help=f"the token; better in {_TOKEN}, where no one sees it")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        type=_host_name,
        metavar="NAME",
        help="a host name that browsers may use, besides addresses, localhost and --host; repeatable",
    )
    parser.add_argument(
        "--graph",
        type=to_path,
        metavar="FILE",
        help="what `upnext graph --format json` printed: who sends each event, and what its handlers send in turn",
    )
    add_server_options(parser, file=True)
    parser.set_defaults(command=dashboard)


def dashboard(arguments: argparse.Namespace) -> int:
    """Run the command until SIGTERM or Ctrl-C."""
    from upnext.runner.listeners import listen  # noqa: PLC0415 - commands import what they need

    with extra("dashboard", "starlette", "uvicorn", "jinja2", "markupsafe", "cronsim"):
        import_module("cronsim")  # its absence is reported here, and not on a page
        from upnext.dashboard.app import dashboard_app, serve  # noqa: PLC0415 - with its extra only
    host, port, token = arguments.host, arguments.port, arguments.token or os.environ.get(_TOKEN, "")
    _refuse_open_doors(host, port, token)
    settings = settings_for(arguments)
    app = dashboard_app(settings, token, [host, *arguments.allow_host], arguments.graph and str(arguments.graph))
    sockets = listen((host, port), "The dashboard")
    signal.signal(signal.SIGTERM, _end)  # uvicorn shuts down, and then lets the signal have its usual effect
    shown = f"[{host}]" if ":" in host else host
    print(f"Dashboard at http://{shown}:{port}/", file=sys.stderr, flush=True)
    serve(app, sockets)
    return exits.CLEAN


def _refuse_open_doors(host: str, port: int, token: str) -> None:
    if token and len(token) < _SHORTEST:
        raise ConfigError(f"The token must have at least {_SHORTEST} characters, so that nobody guesses it.")
    if not token.isprintable():
        raise ConfigError("The token must be of characters that can be typed: it holds a line end, or is not text.")
    if token or _is_this_machine(host, port):
        return
    raise ConfigError(
        f"Other machines can reach {host!r}, and whoever does can read and purge jobs: pass a token "
        f"in {_TOKEN} (`openssl rand -hex 16` makes one), or listen on {_HOST} and reach it through `ssh -L`."
    )


def _is_this_machine(host: str, port: int) -> bool:
    """Whether a host is only reachable from this machine: all of its addresses are loopback addresses."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--host {host!r} cannot be found: {error}.") from None
    return all(ipaddress.ip_address(str(address[4][0]).partition("%")[0]).is_loopback for address in found)


def _end(signum: int, frame: object) -> NoReturn:  # noqa: ARG001
    """Exit like `upnext run`.

    Raises:
        SystemExit: Always.
    """
    raise SystemExit(exits.CLEAN)


def _host_name(text: str) -> str:
    if not text or urlsplit(f"//{text}").hostname != text.lower():
        raise argparse.ArgumentTypeError(f"{text!r} must be a host name alone, such as dashboard.internal")
    return text


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= _HIGHEST:
        raise argparse.ArgumentTypeError(f"{text!r} must be a port from 1 to {_HIGHEST}")
    return int(text)
