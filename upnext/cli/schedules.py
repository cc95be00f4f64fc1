"""`upnext schedules`: scheduled tasks, with their last and next runs."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from upnext.broker.handler_id import HandlerId
from upnext.cli import exits
from upnext.cli.connection import add_server_options, ask, described
from upnext.cli.moments import moment
from upnext.cli.parser import examples
from upnext.cli.table import table
from upnext.cli.terminal import terminal_width, visible
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from upnext.broker.namespace import Namespace
    from upnext.broker.schedules import ScheduleRecord
    from upnext.cli.commands import Subparsers
    from upnext.schedule import Schedule

_DESCRIPTION = """\
Shows the scheduled tasks (worker.cron) that workers of the namespace have declared, and those of a service file. Times
are the server's, in UTC."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "schedules",
        help="show when scheduled tasks run",
        description=_DESCRIPTION,
        epilog=examples("upnext schedules", "upnext schedules service.py --format json"),
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="output format (default: text)")
    add_server_options(parser, file=True)
    parser.set_defaults(command=schedules)


def schedules(arguments: argparse.Namespace) -> int:
    """Run the command."""
    where, records, served, now = ask(arguments, read_schedules)
    declared = _declared_in(arguments.service or arguments.file)
    known = {record.handler: record for record in (*declared, *records)}
    in_file = {record.handler for record in declared}
    rows = [
        as_json(known[handler], now, served=handler in served, declared=handler in in_file) for handler in sorted(known)
    ]
    if arguments.format == "json":
        print(json.dumps({**where, "schedules": rows}, indent=2))
    elif rows:
        columns = ("worker", "task", "schedule", "next run", "last tick", "served")
        keys = ("worker", "task", "schedule", "next_run", "last_tick")
        cells = [[*(row[key] or "-" for key in keys), "yes" if row["served"] else "no"] for row in rows]
        for line in table(columns, cells, terminal_width(), ("worker", "task", "schedule")):
            print(line)
        for row in rows:
            if row["fault"] is not None:
                print(visible(f"{row['task']} (worker {row['worker']!r}): {row['fault']}"))
    else:
        print("No schedules.")
    return exits.CLEAN


async def read_schedules(namespace: Namespace) -> tuple[dict[str, str], list[ScheduleRecord], set[str], datetime]:
    """Return the server, the schedules, those that living workers have, and the server's time."""
    from upnext.broker.schedules import ScheduleStore  # noqa: PLC0415 - commands import what they need

    store = ScheduleStore(namespace.partition(0))
    status = await namespace.status_reader.seen()
    served = {handler for worker in status.workers if worker.alive for handler in worker.schedules}
    return described(namespace), await store.read(), served, await store.now()


def _declared_in(file: Path | None) -> list[ScheduleRecord]:
    """Return the schedules that a service file declares; it was imported to find its server."""
    if file is None:
        return []
    from upnext.runner.scheduler import record_of  # noqa: PLC0415 - commands import what they need
    from upnext.runner.service_loader import load_services  # noqa: PLC0415
    from upnext.worker import Worker  # noqa: PLC0415

    workers = (service for service in load_services(file) if isinstance(service, Worker))
    return [record_of(*item) for worker in workers for item in worker.registry.schedules.items()]


def as_json(record: ScheduleRecord, now: datetime, *, served: bool, declared: bool = False) -> dict[str, Any]:
    """Return a schedule in the command's JSON form.

    Args:
        record: The schedule.
        now: The server's time.
        served: Whether a living worker has its task; otherwise it does not run.
        declared: Whether a service file that is looked into has it.
    """
    identity = HandlerId.parse(record.handler)
    schedule, fault = _readable(record)
    following = schedule.after(now.astimezone(UTC)) if schedule is not None and (served or declared) else None
    return {
        "worker": identity.worker,
        "task": identity.name,
        "schedule": record.in_words if schedule is None else str(schedule),
        "expression": record.expression or None,
        "tz": None if record.every is not None else record.tz,
        "every": record.every,
        "catch_up": record.catch_up,
        "next_run": None if following is None else moment(following.timestamp() * 1000),
        "last_tick": moment(record.last.timestamp() * 1000) if record.last is not None and record.has_run else None,
        "served": served,
        "fault": fault,
    }


def _readable(record: ScheduleRecord) -> tuple[Schedule | None, str | None]:
    """Return a schedule, or why it cannot be used here."""
    try:
        return record.schedule(), None
    except ConfigError as error:
        return None, str(error)
