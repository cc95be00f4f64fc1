"""`upnext handlers`: list, pause and resume the handlers of a namespace."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from upnext.broker.handler_id import HandlerId
from upnext.cli import exits
from upnext.cli.connection import add_server_options, ask, described
from upnext.cli.moments import moment
from upnext.cli.parser import examples
from upnext.cli.selection import in_words, one_handler
from upnext.cli.table import table
from upnext.cli.terminal import terminal_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext.broker.namespace import Namespace
    from upnext.broker.status import NamespaceStatus, QueueStatus
    from upnext.cli.commands import Subparsers

_DESCRIPTION = """\
The jobs of a paused handler wait: within a second of the command, no worker claims them any more, including workers
that start later. Running jobs continue, and sends of its event keep queueing jobs for it. Workers of earlier releases
ignore pauses."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "handlers",
        help="list handlers, pause and resume them",
        description=_DESCRIPTION,
        epilog=examples("upnext handlers list", "upnext handlers pause send_confirmation"),
    )
    actions = parser.add_subparsers(metavar="ACTION", title="actions")
    listing = actions.add_parser(
        "list",
        help="list handlers that are subscribed or have jobs, and tasks",
        epilog=examples("upnext handlers list", "upnext handlers list --format json"),
    )
    listing.add_argument("--format", choices=("text", "json"), default="text", help="output format (default: text)")
    add_server_options(listing, file=True)
    listing.set_defaults(command=show_all)
    for name, help_text in (("pause", "make its jobs wait, in all workers"), ("resume", "let its jobs run again")):
        action = actions.add_parser(
            name,
            help=help_text,
            description=_DESCRIPTION,
            epilog=examples(
                f"upnext handlers {name} send_confirmation",
                f"upnext handlers {name} send_confirmation --event order.placed",
            ),
        )
        action.add_argument("handler", nargs="+", metavar="HANDLER", help="its name, or worker|event|handler")
        action.add_argument("--event", metavar="NAME", help="its event, if handlers of several events have that name")
        add_server_options(action)
        action.set_defaults(command=change, pause=name == "pause", words="handler")


def show_all(arguments: argparse.Namespace) -> int:
    """Run `upnext handlers list`."""
    where, status = ask(arguments, _read)
    rows = [as_json(queue, status.paused.get(queue.handler)) for queue in status.queues]
    if arguments.format == "json":
        print(json.dumps({**where, "handlers": rows}, indent=2))
    elif rows:
        columns = ("worker", "event", "handler", "waiting", "served", "paused since")
        cells = [[*list(row.values())[:4], _served(row), row["paused_since"] or ""] for row in rows]
        for line in table(columns, cells, terminal_width(), ("worker", "event", "handler")):
            print(line)
    else:
        print("No handlers.")
    if status.unseen:
        from upnext.broker.partial_results import PartialResultError  # noqa: PLC0415 - commands import what they need

        raise PartialResultError(status.unseen)
    return exits.CLEAN


def _served(row: dict[str, Any]) -> str:
    return ("yes" if row["served"] else "no") + (", not subscribed" if row["subscribed"] is False else "")


async def _read(namespace: Namespace) -> tuple[dict[str, str], NamespaceStatus]:
    return described(namespace), await namespace.status_reader.seen()


def as_json(queue: QueueStatus, paused: float | None) -> dict[str, Any]:
    """Return a handler in the JSON form of `list`; `paused` is the server's time in seconds since when it is."""
    identity = HandlerId.parse(queue.handler)
    return {
        "worker": identity.worker,
        "event": identity.subject,
        "handler": identity.name,
        "waiting": queue.waiting,
        "served": queue.served,
        "subscribed": queue.subscribed,
        "paused": paused is not None,
        "paused_since": None if paused is None else moment(paused * 1000),
    }


def change(arguments: argparse.Namespace) -> int:
    """Run `upnext handlers pause` or `resume`; exit code 1 if a name is not that of exactly one handler.

    Nothing is done then.
    """
    done, refused = ask(
        arguments,
        lambda namespace: change_handlers(namespace, arguments.handler, arguments.event, pause=arguments.pause),
    )
    for line in done:
        print(line)
    for line in refused:
        print(f"upnext: {line}", file=sys.stderr)
    return exits.FINDINGS if refused else exits.CLEAN


async def change_handlers(
    namespace: Namespace, wanted: Sequence[str], event: str | None, *, pause: bool
) -> tuple[list[str], list[str]]:
    """Pause or resume handlers; return what was done, or what was refused, in which case nothing is done."""
    from upnext.broker.pauses import Pauses  # noqa: PLC0415 - commands import what they need

    status = await namespace.status_reader.seen()
    known = {queue.handler for queue in status.queues} | {*status.gone}
    # A paused handler can be resumed even if nothing else of it remains.
    found = [one_handler(known if pause else known | set(status.paused), name, event) for name in wanted]
    if any(handler is None for handler, _ in found):
        return [], [reason for handler, reason in found if handler is None]
    pauses, done = Pauses(namespace.partition(0)), list[str]()
    for handler in dict.fromkeys(handler for handler, _ in found if handler is not None):
        changed = await (pauses.pause(handler) if pause else pauses.resume(handler))
        state = "paused" if pause else "resumed"
        done.append(f"{in_words(handler)} is {state}." if changed else f"{in_words(handler)} was {state} already.")
    return done, []
