"""`upnext unsubscribe`: end the subscription of a handler that was removed, or forget a task and its schedule."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from upnext.broker.handler_id import HandlerId
from upnext.cli import exits
from upnext.cli.connection import add_server_options, ask
from upnext.cli.parser import examples
from upnext.cli.progress import resumable
from upnext.cli.selection import in_words, one_handler

if TYPE_CHECKING:
    from upnext.broker.namespace import Namespace
    from upnext.cli.commands import Subparsers

_GROWTH = 10.0  # seconds within which a process that adds partitions has copied what it read, or given up like a send
_DESCRIPTION = """\
A handler that has once connected stays subscribed, whether or not a worker has it, so that a deployment loses nothing.
This command ends the subscription of a handler that was removed or renamed: events queue no more jobs for it, and its
waiting jobs become dead letters, which can be shown, replayed or purged. A worker that connects with the handler
subscribes it again. A removed task is forgotten in the same way, together with its schedule (worker.cron)."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "unsubscribe",
        help="end the subscription of a handler that was removed, or forget a task and its schedule",
        description=_DESCRIPTION,
        epilog=examples(
            "upnext unsubscribe send_confirmation",
            "upnext unsubscribe 'shop|order.placed|send_confirmation'",
            "upnext unsubscribe 'shop||nightly_report'",
        ),
    )
    parser.add_argument("handler", metavar="HANDLER", help="its name, or worker|event|handler (a task: worker||name)")
    parser.add_argument("--event", metavar="NAME", help="its event, if handlers of several events have that name")
    add_server_options(parser)
    parser.set_defaults(command=unsubscribe)


def unsubscribe(arguments: argparse.Namespace) -> int:
    """Run the command; exit code 1 if no handler is meant, or several are, or a worker still has it."""
    done, words = ask(arguments, lambda broker: _ended(broker, arguments.handler, arguments.event))
    print(words if done else f"upnext: {words}", file=sys.stdout if done else sys.stderr)
    return exits.CLEAN if done else exits.FINDINGS


async def _ended(broker: Namespace, wanted: str, event: str | None) -> tuple[bool, str]:
    from upnext.broker.schedules import ScheduleStore  # noqa: PLC0415 - commands import what they need

    schedules = ScheduleStore(broker.partition(0))
    status = await broker.status_reader.read()
    scheduled = {record.handler for record in await schedules.read()}
    queues = {queue.handler: queue for queue in status.queues}
    handler, reason = one_handler({*queues, *scheduled, *status.gone}, wanted, event)
    if handler is None:
        return False, reason
    queue, name = queues.get(handler), in_words(handler)
    if queue is not None and queue.served:
        if handler in scheduled and not any(one.alive and handler in one.schedules for one in status.workers):
            await schedules.remove(handler)
            return True, f"{name} is not scheduled any more; workers go on to run its jobs."
        return False, f"{name} runs: stop that worker, or deploy it without the handler, first."
    if HandlerId.parse(handler).is_task:
        if handler in scheduled:
            await schedules.remove(handler)
        ended = "is not scheduled any more" if handler in scheduled else "is forgotten"
        return True, f"{name} {ended}; {await _forget(broker, handler, 0 if queue is None else queue.claimed)}"
    was, moved = await _end(broker, handler)
    return True, f"{name} {'is not subscribed any more' if was else 'was not subscribed'}; {_dead(moved)}"


async def _forget(broker: Namespace, task: str, claimed: int) -> str:
    """Forget a task, and report on its jobs; it stays listed while dead workers hold some, which come back."""
    from upnext.broker.pauses import Pauses  # noqa: PLC0415 - commands import what they need

    moved = await _abandon(broker, task) if claimed else (await _end_now(broker, task))[1]
    await Pauses(broker.partition(0)).resume(task)  # as below
    held = f" {claimed:,} that a dead worker holds come back: repeat the command then." if claimed else ""
    return f"{_dead(moved)}{held}"


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
    await Pauses(broker.partition(0)).resume(handler)  # or a later handler of that name would start paused
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
    partitions = await broker.partitions()
    with resumable(lambda: "A part of it may be done"):
        # The first one first: subscriptions are copied from there.
        was = any([await partition.subscriptions.end(handler) for partition in partitions])
        return was, await _abandon(broker, handler)


async def _abandon(broker: Namespace, handler: str) -> int:
    return sum([await partition.subscriptions.abandon(handler) for partition in await broker.partitions()])
