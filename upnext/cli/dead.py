"""`upnext dead`: list dead letters, look into one, replay them, purge them."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from upnext.broker.handler_id import HandlerId
from upnext.cli import exits
from upnext.cli.connection import ask
from upnext.cli.table import table, terminal_width, visible
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from upnext.broker.claims import DeadLetter
    from upnext.broker.namespace import DeadLetters, Namespace
    from upnext.cli.commands import Subparsers

Change: TypeAlias = "Callable[[Namespace, Sequence[str]], Awaitable[list[bool]]]"
"""Does something to a page of dead letters, and says for each id whether it was one."""

_SHOWN = ("job_id", "event_id", "event", "handler", "attempts", "reason")
_PAGE = 500
_WIDE = 120
_DESCRIPTION = """\
Dead letters are jobs that will not run again by themselves: they failed too often, took too long, killed their workers,
or carry a payload that their handler cannot take. They are kept until they are replayed or purged."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "dead", help="list dead letters, look into them, replay or purge them", description=_DESCRIPTION
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True, title="actions")
    listing = actions.add_parser("list", help="list them, oldest first; payloads and error messages are not shown")
    _add_filters(listing)
    listing.set_defaults(command=show_all)
    one = actions.add_parser("show", help="show one with its last error")
    one.add_argument("job_id", metavar="ID", help="the job's id")
    one.add_argument("--payload", action="store_true", help="show the payload too: it may hold secrets")
    one.set_defaults(command=show)
    again = actions.add_parser("replay", help="run them again, under the same ids and with all their retries")
    again.set_defaults(command=replay)
    gone = actions.add_parser("purge", help="delete them for good")
    gone.add_argument("--yes", action="store_true", help="do it: what is purged cannot be replayed any more")
    gone.set_defaults(command=purge)
    for action in (again, gone):
        action.add_argument("job_id", nargs="*", metavar="ID", help="the job's id")
        action.add_argument("--all", action="store_true", help="every dead letter there is now")
        _add_filters(action)
    for action in (listing, one):
        action.add_argument("--format", choices=("text", "json"), default="text", help="how to show (default: text)")


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--event", metavar="NAME", help="only those of this event")
    parser.add_argument("--handler", metavar="NAME", help="only those of this handler (or worker|event|handler)")


def show_all(arguments: argparse.Namespace) -> int:
    """Run `upnext dead list`: page by page, so that a million of them need no memory."""
    write = _write_json if arguments.format == "json" else _write_text
    ask(lambda broker: write(broker.dead_letters.pages(arguments.event, arguments.handler)))
    return exits.CLEAN


async def _write_text(pages: AsyncIterator[list[DeadLetter]]) -> None:
    skip, width = 0, terminal_width()
    # A job's id begins with its event's.
    columns = [name for name in _SHOWN if name != "event_id" or width is None or width >= _WIDE]
    async for page in pages:
        rows = [[getattr(letter, name) for name in columns] for letter in page]
        for line in list(table(columns, rows, width, ("event", "handler")))[skip if rows else 1 :]:
            print(line)
        skip = 1 if rows else skip
    if not skip:
        print("No dead letters.")


async def _write_json(pages: AsyncIterator[list[DeadLetter]]) -> None:
    from upnext.broker.partial_results import PartialResultError  # noqa: PLC0415 - commands import what they need

    opening, between = '{"dead_letters": [', ""
    try:
        async for page in pages:
            for letter in page:
                shown = json.dumps({name: getattr(letter, name) for name in _SHOWN})
                print(f"{opening}{between}\n  {shown}", end="")
                opening, between = "", ","
    except PartialResultError as error:
        unreachable = [{"partition": one.partition, "reason": one.reason} for one in error.unseen]
        print(f"{opening}{between and chr(10)}], {json.dumps({'unreachable': unreachable})[1:]}")
        raise
    print(f"{opening}{between and chr(10)}]}}")


def show(arguments: argparse.Namespace) -> int:
    """Run `upnext dead show`; exit code 1 if there is no such dead letter."""
    found = ask(lambda broker: _details(broker.dead_letters, arguments.job_id, payload=arguments.payload))
    if found is None:
        print(f"upnext: {visible(arguments.job_id)} is no dead letter; see `upnext dead list`.", file=sys.stderr)
        return exits.FINDINGS
    if arguments.format == "json":
        print(json.dumps({"dead_letter": found}, indent=2))
        return exits.CLEAN
    for name, value in found.items():
        text = json.dumps(value) if name == "payload" else str(value)
        print(f"{name.ljust(8)}  " + "\n          ".join(visible(line) for line in text.splitlines() or [""]))
    return exits.CLEAN


async def _details(dead_letters: DeadLetters, job_id: str, *, payload: bool) -> dict[str, Any] | None:
    found = await dead_letters.letter(job_id)
    if found is None:
        return None
    letter, died = found
    details: dict[str, Any] = {name: getattr(letter, name) for name in _SHOWN}
    details["worker"] = HandlerId.parse(letter.handler_id).worker
    details["died_at"] = datetime.fromtimestamp(died / 1000, UTC).isoformat(timespec="milliseconds")
    details["error"] = letter.error
    if payload:
        body = await dead_letters.payload(letter)
        details["payload"] = None if body is None else json.loads(body)
    return details


def replay(arguments: argparse.Namespace) -> int:
    """Run `upnext dead replay`; exit code 1 if one of the ids is no dead letter."""
    return _change(arguments, _replayed, "will run again", "no dead letter that can be replayed")


def purge(arguments: argparse.Namespace) -> int:
    """Run `upnext dead purge`; exit code 1 if one of the ids is no dead letter."""
    if not arguments.yes:
        raise ConfigError("What is purged cannot be replayed any more: add --yes to do it.")
    return _change(arguments, _purged, "deleted", "no dead letter")


async def _replayed(broker: Namespace, job_ids: Sequence[str]) -> list[bool]:
    import asyncio  # noqa: PLC0415 - commands import what they need

    return list(await asyncio.gather(*map(broker.dead_letters.replay, job_ids)))


async def _purged(broker: Namespace, job_ids: Sequence[str]) -> list[bool]:
    return await broker.dead_letters.purge(job_ids)


def _change(arguments: argparse.Namespace, change: Change, done: str, otherwise: str) -> int:
    """Change the letters of these ids, or those that the filters select."""
    ids = list(dict.fromkeys(arguments.job_id))
    filtered = arguments.all or arguments.event is not None or arguments.handler is not None
    if bool(ids) == filtered:
        raise ConfigError("Say which: ids, or --event, --handler or --all.")
    if not ids:
        count = ask(lambda broker: _change_selected(broker, change, arguments.event, arguments.handler))
        print(f"{count:,} dead letter(s) {done}.")
        return exits.CLEAN
    changed = ask(lambda broker: _change_ids(broker, change, ids))
    for job_id, found in changed.items():
        if found:
            print(f"{job_id} {done}.")
        else:
            print(f"upnext: {visible(job_id)} is {otherwise}; see `upnext dead list`.", file=sys.stderr)
    return exits.CLEAN if all(changed.values()) else exits.FINDINGS


async def _change_selected(broker: Namespace, change: Change, event: str | None, handler: str | None) -> int:
    # A replayed job may be dead again at once: only what is dead now is meant.
    now, count = await broker.dead_letters.now(), 0
    async for page in broker.dead_letters.pages(event, handler, died_before=now):
        count += sum(await change(broker, [letter.job_id for letter in page])) if page else 0
    return count


async def _change_ids(broker: Namespace, change: Change, ids: Sequence[str]) -> dict[str, bool]:
    changed: dict[str, bool] = {}
    for start in range(0, len(ids), _PAGE):
        page = ids[start : start + _PAGE]
        changed.update(zip(page, await change(broker, page), strict=True))
    return changed
