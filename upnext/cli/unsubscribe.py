"""`upnext unsubscribe`: end the subscription of a handler that is no more."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from upnext.cli import exits
from upnext.cli.asking import ask
from upnext.cli.table import visible

if TYPE_CHECKING:
    from upnext.broker.namespace import Namespace
    from upnext.broker.standing import QueueStanding
    from upnext.cli.commands import Subparsers

_DESCRIPTION = """\
A handler that has once connected stays subscribed, whether a worker knows it or not, so that deploying loses nothing.
This ends it for one that was removed or renamed: events queue no more jobs for it, and those that wait become dead
letters, which can be looked into, replayed or purged. A worker that connects with the handler subscribes it anew."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "unsubscribe", help="end the subscription of a handler that is no more", description=_DESCRIPTION
    )
    parser.add_argument("handler", metavar="HANDLER", help="its name, or worker|event|handler")
    parser.add_argument("--event", metavar="NAME", help="its event, where handlers of several have that name")
    parser.set_defaults(command=unsubscribe)


def unsubscribe(arguments: argparse.Namespace) -> int:
    """Run the command; exit code 1 if no handler is meant, or several are, or a worker still has it."""
    done, words = ask(lambda broker: _ended(broker, arguments.handler, arguments.event))
    print(words if done else f"upnext: {words}", file=sys.stdout if done else sys.stderr)
    return exits.CLEAN if done else exits.FINDINGS


async def _ended(broker: Namespace, wanted: str, event: str | None) -> tuple[bool, str]:
    found = [queue for queue in (await broker.standings.read()).queues if _is_meant(queue, wanted, event)]
    if not found:
        return False, f"There is no handler {visible(wanted)!r} here; see `upnext status`."
    names = [visible(queue.handler) for queue in found]
    if len(found) > 1:
        return False, f"Several handlers are meant: {', '.join(names)}. Name one of them like that."
    if found[0].served:
        return False, f"A living worker has {names[0]}: stop it, or deploy it without the handler, first."
    partitions = await broker.partitions()
    was = any([await partition.subscriptions.end(found[0].handler) for partition in partitions])
    moved = sum([await partition.subscriptions.abandon(found[0].handler) for partition in partitions])
    ended = "is not subscribed any more" if was else "was not subscribed"
    return True, f"{names[0]} {ended}; {moved:,} job(s) that waited for it are dead letters now."


def _is_meant(queue: QueueStanding, wanted: str, event: str | None) -> bool:
    _, of, name = queue.handler.split("|", 2)
    # A task has no event and no subscription; it is called by its own name.
    return bool(of) and wanted in {name, queue.handler} and event in {None, of}
