"""`upnext rename`: change a name wherever the sources declare it, without losing what is queued under the old one."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from upnext.cli import exits
from upnext.cli.extras import extra
from upnext.cli.parser import examples
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from upnext.cli.commands import Subparsers
    from upnext_codegen.renames.rename_event import Rename, Undecided

_DESCRIPTION = """\
Shows as a diff what a rename changes in the sources, and lists the places that have to be decided by hand. With --write
it changes all of them, or nothing."""
_OF_EVENT = """\
Each declaration of the event gets the new name, and keeps the old one in `formerly=`: jobs that are queued under it and
senders that are still deployed go on. Renaming it back restores the files as they were."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "rename",
        help="rename an event, and keep what is queued under its old name",
        description=_DESCRIPTION,
        epilog=examples("upnext rename event order.placed order.created"),
    )
    kinds = parser.add_subparsers(metavar="KIND", title="kinds", required=True)
    event = kinds.add_parser(
        "event",
        help="rename an event",
        description=_OF_EVENT,
        epilog=examples("upnext rename event order.placed order.created"),
    )
    event.add_argument("old", metavar="OLD", help="the name that it has")
    event.add_argument("new", metavar="NEW", help="the name that it is to have")
    event.add_argument("--write", action="store_true", help="change the files; without it they are only shown")
    event.add_argument("--format", choices=("text", "json"), default="text", help="how to report (default: text)")
    event.set_defaults(command=rename)


def rename(arguments: argparse.Namespace) -> int:
    """Run the command."""
    with extra("gen", "libcst", "jinja2"):
        from upnext_codegen.errors import ConfigurationError  # noqa: PLC0415 - commands import what they need
        from upnext_codegen.files.discover import discover  # noqa: PLC0415
        from upnext_codegen.fixes.fix import diff_of, write  # noqa: PLC0415
        from upnext_codegen.project import find_project  # noqa: PLC0415
        from upnext_codegen.renames.rename_event import rename_event  # noqa: PLC0415
        from upnext_codegen.scan import scan  # noqa: PLC0415

        try:
            project = find_project(otherwise=Path.cwd())
            found = discover(project)
            scanned, _ = scan(project, listing=lambda: found)
            change = rename_event(project.root, found, scanned, arguments.old, arguments.new)
            written = bool(arguments.write and not change.blocked)
            if written:
                write(project.root, change.changed)
        except ConfigurationError as error:
            raise ConfigError(str(error)) from error
    diff = "" if written else diff_of(change.changed)
    _report(change, diff, arguments, written=written)
    return exits.FINDINGS if change.blocked else exits.CLEAN


def _report(change: Rename, diff: str, arguments: argparse.Namespace, *, written: bool) -> None:
    if arguments.format == "json":
        report = {
            "blocked": [_as_json(each) for each in change.blocked],
            "changed": sorted(change.changed),
            "diff": diff,
            "undecided": [_as_json(each) for each in change.undecided],
            "written": written,
        }
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
        return
    sys.stdout.write(diff)
    for file in sorted(change.changed) if written else ():
        print(f"wrote {file}")
    for each in (*change.blocked, *change.undecided):
        print(f"{each.place.file}:{each.place.line}:{each.place.column}: {each.reason}")
    if change.blocked:
        print("Nothing is written while a declaration has to be changed by hand.")
    elif written:
        print("Run `upnext gen`, and deploy the workers before what sends.")
    else:
        print("Nothing is written yet: --write does it.")


def _as_json(each: Undecided) -> dict[str, object]:
    return {"file": each.place.file, "line": each.place.line, "column": each.place.column, "reason": each.reason}
