"""`upnext outbox`: how far behind outboxes are; show, send and delete waiting or set-aside rows."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from upnext.cli import exits
from upnext.cli.connection import check_file
from upnext.cli.moments import age
from upnext.cli.numbers import positive
from upnext.cli.parser import examples
from upnext.cli.paths import to_path
from upnext.cli.table import table
from upnext.cli.terminal import terminal_width, visible
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from upnext.cli.commands import Subparsers
    from upnext.outbox.relay import Relay
    from upnext.outbox.row import ListedRow, OutboxBacklog, OutboxStore

T = TypeVar("T")

_MOST = 100
_HEAD = ("id", "kind", "name", "age", "state", "attempts", "ordered by", "error")
_DESCRIPTION = """\
Looks at the outboxes whose relays a Python file defines or imports, in the databases that these relays use. A row that
was refused ten times is set aside: it stays in the table, unsent, until it is retried or purged."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "outbox",
        help="show what outboxes hold, have rows sent after all, or delete them",
        description=_DESCRIPTION,
        epilog=examples("upnext outbox status service.py", "upnext outbox retry service.py --all"),
    )
    actions = parser.add_subparsers(metavar="ACTION", title="actions")
    for action in add_actions(actions, "upnext outbox {} service.py"):
        action.set_defaults(relays=_relays_of_file)


def add_actions(actions: Subparsers, example: str, *, file: bool = True) -> list[argparse.ArgumentParser]:
    """Add the actions on outboxes; the caller sets `relays`, which returns the selected ones.

    Args:
        actions: Where to add it.
        example: How a command line begins, with a place for the action.
        file: Whether they are in a file that is given.
    """
    parsers: dict[str, argparse.ArgumentParser] = {}
    for name, about, options in (
        ("status", "show how far behind they are", ("", " --format json")),
        ("list", "list rows with their errors, oldest first; payloads are not shown", ("", " --set-aside --limit 20")),
        ("retry", "send rows that were set aside", (" 17 18", " --all")),
        ("purge", "delete rows that were set aside", (" 17 18 --yes", " --all --yes")),
    ):
        epilog = examples(*(example.format(name) + each for each in options))
        parsers[name] = actions.add_parser(name, help=about, epilog=epilog)
        if file:
            parsers[name].add_argument("file", type=to_path, metavar="FILE", help="the file with the relays")
    for name in ("status", "list"):
        parsers[name].add_argument(
            "--format", choices=("text", "json"), default="text", help="output format (default: text)"
        )
    listing = parsers["list"]
    listing.add_argument("--set-aside", action="store_true", help="only rows that are no longer sent")
    listing.add_argument("--limit", type=positive, default=_MOST, metavar="N", help=f"how many (default: {_MOST})")
    for name in ("retry", "purge"):
        parsers[name].add_argument("ids", nargs="*", type=positive, metavar="ID", help="the row's id")
        parsers[name].add_argument("--all", action="store_true", help="every row that was set aside")
    parsers["purge"].add_argument("--yes", action="store_true", help="do it: what is purged is never sent")
    for name, command in (("status", status), ("list", list_rows), ("retry", retry), ("purge", purge)):
        parsers[name].set_defaults(command=command)
    return list(parsers.values())


def status(arguments: argparse.Namespace) -> int:
    """Run `upnext outbox status`."""
    found = _ask(arguments.relays(arguments), lambda store: store.backlog())
    now = time.time()
    if arguments.format == "json":
        print(json.dumps({"outboxes": [_backlog_json(name, backlog, now) for name, backlog in found]}, indent=2))
        return exits.CLEAN
    rows = [
        (name, backlog.waiting, "-" if backlog.oldest is None else age(backlog.age(now)), backlog.set_aside)
        for name, backlog in found
    ]
    for line in table(("outbox", "waiting", "oldest", "set aside"), rows, terminal_width(), ("outbox",)):
        print(line)
    if any(backlog.set_aside for _, backlog in found):
        print("Rows that are set aside are not sent: see `list --set-aside`, then `retry` or `purge`")
    return exits.CLEAN


def list_rows(arguments: argparse.Namespace) -> int:
    """Run `upnext outbox list`."""
    found = _ask(
        arguments.relays(arguments), lambda store: store.listed(arguments.limit, set_aside=arguments.set_aside)
    )
    now = time.time()
    if arguments.format == "json":
        rows = [_row_json(name, row, now) for name, listed in found for row in listed]
        print(json.dumps({"rows": rows}, indent=2))
        return exits.CLEAN
    for name, listed in found:
        print(f"{visible(name)}: {len(listed):,} row(s)" + (", or more" if len(listed) == arguments.limit else ""))
        if listed:
            cells = [tuple(_row_json(name, row, now, age)[key] for key in _KEYS) for row in listed]
            for line in table(_HEAD, cells, terminal_width(), ("name", "ordered by", "error")):
                print(line)
    return exits.CLEAN


def retry(arguments: argparse.Namespace) -> int:
    """Run `upnext outbox retry`; exit code 1 if one of the rows was not set aside."""
    return _change(arguments, lambda store, ids: store.retry(ids), "will be sent again")


def purge(arguments: argparse.Namespace) -> int:
    """Run `upnext outbox purge`; exit code 1 if one of the rows was not set aside."""
    if not arguments.yes:
        raise ConfigError("What is purged is never sent: add --yes to do it.")
    return _change(arguments, lambda store, ids: store.purge(ids), "deleted")


def _change(
    arguments: argparse.Namespace,
    change: Callable[[OutboxStore, Sequence[int] | None], Awaitable[int]],
    done: str,
) -> int:
    """Change rows that were set aside, those with the ids or all of them."""
    ids: list[int] = list(dict.fromkeys(arguments.ids))
    if bool(ids) == arguments.all:
        raise ConfigError("Pass the ids of rows that are set aside, or --all.")
    relays = arguments.relays(arguments)
    if ids and len(relays) > 1:
        names = ", ".join(relay.name for relay in relays)
        raise ConfigError(
            f"There are several outboxes, and a row's id does not say which one it is in: {names}. Pass --all, or a "
            "file that has only one of their relays."
        )
    changed = sum(count for _, count in _ask(relays, lambda store: change(store, ids or None)))
    print(f"{changed:,} row(s) {done}.")
    if changed < len(ids):
        print(f"upnext: {len(ids) - changed:,} of these rows are not set aside, or not there.", file=sys.stderr)
        return exits.FINDINGS
    return exits.CLEAN


_KEYS = ("id", "kind", "name", "age", "state", "attempts", "ordered_by", "error")


def _row_json(outbox: str, row: ListedRow, now: float, written: Callable[[float], Any] = lambda x: round(x, 3)) -> Any:
    since = row.written_at
    state = "set aside" if row.is_set_aside else "retrying" if row.error else "waiting"
    return {
        "outbox": outbox,
        "id": row.id,
        "kind": "task" if row.is_task else "event",
        "name": row.name,
        "event_id": row.event_id,
        "age": None if since is None else written(max(now - since, 0.0)),
        "state": state,
        "attempts": row.attempts,
        "ordered_by": row.ordered_by,
        "error": row.error,
    }


def _backlog_json(outbox: str, backlog: OutboxBacklog, now: float) -> dict[str, Any]:
    oldest = None if backlog.oldest is None else round(backlog.age(now), 3)
    return {"outbox": outbox, "waiting": backlog.waiting, "set_aside": backlog.set_aside, "oldest": oldest}


def _ask(relays: Sequence[Relay], question: Callable[[OutboxStore], Awaitable[T]]) -> list[tuple[str, T]]:
    """Return the name of each outbox with its answer.

    Raises:
        ConfigError: If its database cannot answer.
    """

    async def ask() -> list[tuple[str, T]]:
        answers: list[tuple[str, T]] = []
        for relay in relays:
            try:
                answers.append((relay.name, await question(relay.store)))
            except Exception as error:  # a database's driver may raise anything
                message = str(error).partition("\n")[0]
                raise ConfigError(f"The database of {relay.name} fails ({type(error).__name__}: {message}).") from error
            finally:
                await relay.store.close()
        return answers

    return asyncio.run(ask())


def _relays_of_file(arguments: argparse.Namespace) -> list[Relay]:
    from upnext.outbox.relay import Relay  # noqa: PLC0415 - commands import what they need
    from upnext.runner.service_loader import load_services  # noqa: PLC0415

    file: Path = arguments.file
    check_file(file)
    with redirect_stdout(sys.stderr):  # what the file prints is not part of the report
        relays = [service for service in load_services(file) if isinstance(service, Relay)]
    if not relays:
        raise ConfigError(f"{file} has no relay of an outbox: define or import one at its top level.")
    return relays
