"""`upnext unsubscribe`: end the subscription of a handler that was removed, or the schedule of a task."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from upnext.cli import exits
from upnext.cli.connection import add_server_options, ask
from upnext.cli.parser import examples
from upnext.cli.selection import in_words, one_handler

if TYPE_CHECKING:
    from upnext.broker.namespace import Namespace
    from upnext.cli.commands import Subparsers

_GROWTH = 10.0  # seconds within which whoever adds partitions has copied what it read, or given up, as a send does
_DESCRIPTION = """\
A handler that has once connected stays subscribed, whether a worker knows it or not, so that deploying loses nothing.
This ends it for one that was removed or renamed: events queue no more jobs for it, and those that wait become dead
letters, which can be looked into, replayed or purged. A worker that connects with the handler subscribes it anew. The
same holds for the schedule of a task (worker.cron)."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "unsubscribe",
        help="end the subscription of a handler, or the schedule of a task, that was removed",
        description=_DESCRIPTION,
        epilog=examples(
            "upnext unsubscribe send_confirmation", "upnext unsubscribe 'shop|order.placed|send_confirmation'"
        ),
    )
    parser.add_argument("handler", metavar="HANDLER", help="its name, or worker|event|handler")
    parser.add_argument("--event", metavar="NAME", help="its event, where handlers of several have that name")
    add_server_options(parser)
    parser.set_defaults(command=unsubscribe)


def unsubscribe(arguments: argparse.Namespace) -> int:
    """Run the command; exit code 1 if no handler is meant, or several are, or a worker still has it."""
    done, words = ask(arguments, lambda broker: _ended(broker, arguments.handler, arguments.event))
    print(words if done else f"upnext: {words}", file=sys.stdout if done else sys.stderr)
    return exits.CLEAN if done else exits.FINDINGS


async def _ended(broker: Namespace, wanted: str, event: str | None) -> tuple[bool, str]:
    from upnext.broker.pauses import Pauses  # noqa: PLC0415 - commands import what they need
    from upnext.broker.schedules import ScheduleStore  # noqa: PLC0415

    schedules = ScheduleStore(broker.partition(0))
    status = await broker.status_reader.read()
    scheduled = {record.handler for record in await schedules.read()}
    # Tasks are not subscribed to anything.
    handlers = {queue.handler for queue in status.queues if queue.subscribed is not None}
    handler, reason = one_handler(handlers | scheduled | {*status.gone}, wanted, event)
    if handler is None:
        return False, reason
    if any(queue.served for queue in status.queues if queue.handler == handler):
        if handler in scheduled and not any(one.alive and handler in one.schedules for one in status.workers):
            await schedules.remove(handler)
            return True, f"{in_words(handler)} is not scheduled any more; workers go on to run its jobs."
        return False, f"{in_words(handler)} runs: stop that worker, or deploy it without the handler, first."
    if handler in scheduled:
        await schedules.remove(handler)
        _, moved = await _end_now(broker, handler)
        await Pauses(broker.partition(0)).resume(handler)  # as below
        return True, f"{in_words(handler)} is not scheduled any more; {_dead(moved)}"
    was, moved = await _end(broker, handler)
    ended = "is not subscribed any more" if was else "was not subscribed"
    return True, f"{in_words(handler)} {ended}; {_dead(moved)}"


def _dead(jobs: int) -> str:
    return f"{jobs:,} job(s) that waited for it are dead letters now."


async def _end(broker: Namespace, handler: str) -> tuple[bool, int]:
    """End a subscription everywhere; return whether there was one, and how many jobs waited for it."""
    import asyncio  # noqa: PLC0415 - commands import what they need

    from upnext.broker.partition_count import PartitionCount  # noqa: PLC0415
    from upnext.broker.pauses import Pauses  # noqa: PLC0415

    agreement = PartitionCount(broker.partition(0))
    before = await agreement.read()
    was, moved = await _end_now(broker, handler)
    await Pauses(broker.partition(0)).resume(handler)  # or one of that name would be paused that comes later
    after = await agreement.read()
    pause = before.unsettled(_GROWTH) if after.served == before.served else _GROWTH
    if pause:
        # A sender that adds partitions may have read the subscription before, and copy it any moment now.
        print(f"The namespace may be growing; looking again in {pause:.0f} s.", file=sys.stderr)
        await asyncio.sleep(pause)
        again, more = await _end_now(broker, handler)
        was, moved = was or again, moved + more
    return was, moved


async def _end_now(broker: Namespace, handler: str) -> tuple[bool, int]:
    # The first one first: subscriptions are copied from there.
    partitions = await broker.partitions()
    was = any([await partition.subscriptions.end(handler) for partition in partitions])
    return was, sum([await partition.subscriptions.abandon(handler) for partition in partitions])
