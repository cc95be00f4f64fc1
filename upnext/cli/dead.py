"""`upnext dead`: list dead letters, and replay them."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from upnext.cli import exits

if TYPE_CHECKING:
    from upnext.broker.claims import DeadLetter
    from upnext.broker.letters import Letters
    from upnext.cli.commands import Subparsers

_SHOWN = ("job_id", "event_id", "event", "handler", "attempts", "reason")
_DESCRIPTION = "Dead letters are jobs that will not run again by themselves. They are kept until they are replayed."


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser("dead", help="list dead letters, and replay them", description=_DESCRIPTION)
    actions = parser.add_subparsers(metavar="ACTION", required=True, title="actions")
    listing = actions.add_parser("list", help="list them, oldest first; payloads and error messages are not shown")
    listing.add_argument("--format", choices=("text", "json"), default="text", help="how to list them (default: text)")
    listing.set_defaults(command=show)
    again = actions.add_parser("replay", help="run dead letters again, under the same ids and with all their retries")
    again.add_argument("job_id", nargs="+", metavar="ID", help="the job's id")
    again.set_defaults(command=replay)


def show(arguments: argparse.Namespace) -> int:
    """Run `upnext dead list`."""
    import asyncio  # noqa: PLC0415 - commands import what they need

    letters = asyncio.run(_dead())
    rows = [{name: getattr(letter, name) for name in _SHOWN} for letter in letters]
    if arguments.format == "json":
        print(json.dumps({"dead_letters": rows}, indent=2))
    elif not rows:
        print("No dead letters.")
    else:
        cells = [_SHOWN, *([str(value) for value in row.values()] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for line in cells:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    return exits.CLEAN


def replay(arguments: argparse.Namespace) -> int:
    """Run `upnext dead replay`; exit code 1 if one of the ids is no dead letter."""
    import asyncio  # noqa: PLC0415 - commands import what they need

    replayed = asyncio.run(_replay(list(dict.fromkeys(arguments.job_id))))
    for job_id, done in replayed.items():
        if done:
            print(f"{job_id} will run again.")
        else:
            print(f"upnext: {job_id} is no dead letter that can be replayed; see `upnext dead list`.", file=sys.stderr)
    return exits.CLEAN if all(replayed.values()) else exits.FINDINGS


async def _dead() -> list[DeadLetter]:
    return await (await _letters()).dead()


async def _replay(job_ids: list[str]) -> dict[str, bool]:
    letters = await _letters()
    return {job_id: await letters.replay(job_id) for job_id in job_ids}


async def _letters() -> Letters:
    from upnext.connect import reach  # noqa: PLC0415 - commands import what they need
    from upnext.settings import load  # noqa: PLC0415

    return (await reach(load())).letters
