"""`upnext dead`: list, show, replay and purge dead letters."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

from upnext.cli import dead_list, exits
from upnext.cli.connection import add_server_options, ask, described
from upnext.cli.details import letter_details, payload_value, print_details
from upnext.cli.numbers import dead_letters
from upnext.cli.parser import examples
from upnext.cli.progress import Progress, resumable
from upnext.cli.terminal import visible
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from upnext.broker.namespace import Namespace
    from upnext.cli.commands import Subparsers

Change: TypeAlias = "Callable[[Namespace, Sequence[str]], Awaitable[list[bool]]]"
"""Changes a page of dead letters, and says for each id whether it was one."""

_PAGE = 500
_DESCRIPTION = """\
Dead letters are jobs that will not run again by themselves: they failed too often, took too long, killed their workers,
carry a payload that their handler cannot take, or were cancelled. They are kept until they are replayed or purged."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "dead",
        help="list dead letters, look into them, replay or purge them",
        description=_DESCRIPTION,
        epilog=examples("upnext dead list", "upnext dead replay --handler send_confirmation"),
    )
    actions = parser.add_subparsers(metavar="ACTION", title="actions")
    listing = actions.add_parser(
        "list",
        help="list them with their errors, oldest first; payloads are not shown",
        epilog=examples(
            "upnext dead list --since 2h", "upnext dead list --event order.placed --limit 20 --format json"
        ),
    )
    dead_list.add_options(listing)
    one = actions.add_parser(
        "show",
        help="show one with its last error and traceback",
        epilog=examples(
            "upnext dead show 01a224fc48989bd4e6cc0aa9260c.0",
            "upnext dead show 01a224fc48989bd4e6cc0aa9260c.0 --payload",
        ),
    )
    one.add_argument("job_id", metavar="ID", help="the job's id")
    one.add_argument("--payload", action="store_true", help="show the payload too: it may hold secrets")
    one.set_defaults(command=show)
    for action in (listing, one):
        action.add_argument("--format", choices=("text", "json"), default="text", help="output format (default: text)")
    add_server_options(listing, file=True)
    add_server_options(one)
    _register_changes(actions)


def _register_changes(actions: Subparsers) -> None:
    again = actions.add_parser(
        "replay",
        help="run them again, under the same ids and with all their retries",
        epilog=examples(
            "upnext dead replay 01a224fc48989bd4e6cc0aa9260c.0", "upnext dead replay --reason crashed --since 1d"
        ),
    )
    again.add_argument("--edit", metavar="FILE", help="with one ID: run it with the payload (JSON) in this file, or -")
    again.set_defaults(command=replay)
    gone = actions.add_parser(
        "purge",
        help="delete them for good",
        epilog=examples(
            "upnext dead purge 01a224fc48989bd4e6cc0aa9260c.0 --yes", "upnext dead purge --event order.placed --yes"
        ),
    )
    gone.add_argument("--yes", action="store_true", help="do it: what is purged cannot be replayed any more")
    gone.set_defaults(command=purge)
    for action in (again, gone):
        action.set_defaults(words="job_id")
        action.add_argument("job_id", nargs="*", metavar="ID", help="the job's id")
        action.add_argument("--all", action="store_true", help="every dead letter there is now")
        dead_list.add_filters(action)
        add_server_options(action)


def show(arguments: argparse.Namespace) -> int:
    """Run `upnext dead show`; exit code 1 if there is no such dead letter."""
    where, found = ask(arguments, lambda namespace: details_of(namespace, arguments.job_id, payload=arguments.payload))
    if found is None:
        print(f"upnext: {dead_list.unknown(arguments.job_id)}", file=sys.stderr)
        return exits.FINDINGS
    print_details(where, "dead_letter", found, arguments.format)
    return exits.CLEAN


async def details_of(
    namespace: Namespace, job_id: str, *, payload: bool
) -> tuple[dict[str, str], dict[str, Any] | None]:
    """Return the server and everything known about one dead letter; None if there is none with that id."""
    where, found, stands_for = described(namespace), await namespace.dead_letters.letter(job_id), ""
    if found is None and (other := await namespace.results_of(job_id).stand_in(job_id)) is not None:
        found, stands_for = await namespace.dead_letters.letter(other), job_id
    if found is None:
        return where, None
    letter, died = found
    details: dict[str, Any] = {name: getattr(letter, name) for name in dead_list.NAMES}
    details["worker"] = letter.handler_id.partition("|")[0]
    if stands_for:
        details["stands_for"] = stands_for
    details |= letter_details(letter, died)
    if payload:
        details["payload"] = payload_value(await namespace.dead_letters.payload(letter))
    return where, details


def replay(arguments: argparse.Namespace) -> int:
    """Run `upnext dead replay`; exit code 1 if one of the ids is not a dead letter."""
    if arguments.edit is not None:
        from upnext.cli.edited_replay import replay_edited  # noqa: PLC0415 - commands import what they need

        return replay_edited(arguments)
    return _change(arguments, replayed, "will run again")


def purge(arguments: argparse.Namespace) -> int:
    """Run `upnext dead purge`; exit code 1 if one of the ids is not a dead letter."""
    if not arguments.yes:
        raise ConfigError("What is purged cannot be replayed any more: add --yes to do it.")
    return _change(arguments, purged, "deleted")


async def replayed(namespace: Namespace, job_ids: Sequence[str]) -> list[bool]:
    """Replay a page of dead letters; return for each id whether it was a dead letter."""
    import asyncio  # noqa: PLC0415 - commands import what they need

    return list(await asyncio.gather(*map(namespace.dead_letters.replay, job_ids)))


async def purged(namespace: Namespace, job_ids: Sequence[str]) -> list[bool]:
    """Purge a page of dead letters; return for each id whether it was a dead letter."""
    return await namespace.dead_letters.purge(job_ids)


def _change(arguments: argparse.Namespace, change: Change, done: str) -> int:
    """Change the dead letters with these ids, or those that the filters select."""
    ids = list(dict.fromkeys(arguments.job_id))
    if bool(ids) == (arguments.all or bool(dead_list.Selection.of(arguments))):
        raise ConfigError("Pass job ids, or one of --event, --handler, --reason, --since, --all.")
    if not ids:
        count = ask(arguments, lambda namespace: _change_selected(namespace, change, done, arguments))
        print(f"{dead_letters(count)} {done}.")
        return exits.CLEAN
    changed, refused = ask(arguments, lambda namespace: _change_ids(namespace, change, done, ids))
    for job_id in changed:
        print(f"{visible(job_id)} {done}.")
    for reason in refused:
        print(f"upnext: {reason}", file=sys.stderr)
    return exits.FINDINGS if refused else exits.CLEAN


def _so_far(count: int, done: str) -> str:
    return f"{dead_letters(count)} {done}, and perhaps some of those that came next" if count else ""


async def _change_selected(namespace: Namespace, change: Change, done: str, arguments: argparse.Namespace) -> int:
    count = 0
    with resumable(lambda: _so_far(count, done)), Progress("dead letters changed") as progress:
        async for changed in change_selected(namespace, change, dead_list.Selection.of(arguments)):
            count += changed
            progress.show(count)
    return count


async def change_selected(
    namespace: Namespace, change: Change, selection: dead_list.Selection, died_before: float | None = None
) -> AsyncGenerator[int]:
    """Change the selected dead letters, page by page; yield the number of each page.

    Args:
        namespace: The namespace.
        change: What to do.
        selection: Which dead letters.
        died_before: The server's time in ms before which they died, now by default: a replayed job may be dead again
            at once, and only what is dead already is meant.
    """
    before = await namespace.dead_letters.now() if died_before is None else died_before
    async for page in dead_list.selected(namespace, selection, died_before=before):
        yield sum(await change(namespace, [letter.job_id for letter, _ in page])) if page else 0


async def _change_ids(
    namespace: Namespace, change: Change, done: str, ids: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Change the dead letters with these ids; return the changed ones, and why the others were not."""
    changed: dict[str, bool] = {}
    with resumable(lambda: _so_far(sum(changed.values()), done)):
        with Progress("dead letters changed") as progress:
            for start in range(0, len(ids), _PAGE):
                page = ids[start : start + _PAGE]
                changed.update(zip(page, await change(namespace, page), strict=True))
                progress.show(len(changed), len(ids))
        missing = [job_id for job_id, found in changed.items() if not found]
        refusals = await dead_list.refusals(namespace, missing)
    return [job_id for job_id, found in changed.items() if found], refusals
