"""`upnext rename`: change a name throughout the sources without losing jobs queued under the old one."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from upnext.cli import exits
from upnext.cli.connection import add_server_options, ask
from upnext.cli.extras import extra
from upnext.cli.parser import examples
from upnext.cli.terminal import visible
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from upnext.cli.commands import Subparsers
    from upnext_codegen.renames.plan import ProjectSources, Rename, Undecided

_DESCRIPTION = """\
Shows what a rename changes in the sources as a diff, and lists the places that have to be decided by hand. With --write
it makes all of the changes, or none."""
_OF_EVENT = """\
Gives each declaration of the event the new name, and keeps the old one in `formerly=`, so that queued jobs and deployed
senders continue to work. Keys of `worker.events[...]` get the new name as well. Renaming back restores the files as
they were."""
_OF_HANDLER = """\
Renames the function of a handler or a task wherever it is imported and used. Its name on the server stays the same, by
`name=`, because queued jobs, workers of the earlier release and results use it. Renaming back restores the files as
they were."""
_OF_FIELD = """\
Makes each handler of the event take the field under the new name, and under the old one by `upnext.Formerly`, so that
queued jobs and deployed senders continue to work. Sends, and calls of the handlers, use the new name. Renaming back
restores the files as they were."""
_EVENT_EXAMPLE = "upnext rename event order.placed order.created"
_HANDLER_EXAMPLE = "upnext rename handler send_confirmation confirm_by_mail"

_FIELD_EXAMPLE = "upnext rename field order.placed order_id order_number"


_ON_FINISHING = """

With --finish it removes OLD as the former name of NEW, once nothing on the server uses it: no waiting or dead job, and
no worker of an earlier release. Otherwise it lists what is left. Senders are not visible on the server: make sure that
none of an earlier release is deployed."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "rename",
        help="rename an event, a field, a handler or a task, and keep what is queued under its old name",
        description=_DESCRIPTION,
        epilog=examples(_EVENT_EXAMPLE, _FIELD_EXAMPLE, _HANDLER_EXAMPLE),
    )
    kinds = parser.add_subparsers(metavar="KIND", title="kinds", required=True)
    event = kinds.add_parser(
        "event", help="rename an event", description=_OF_EVENT + _ON_FINISHING, epilog=examples(_EVENT_EXAMPLE)
    )
    event.set_defaults(kind="event")
    field = kinds.add_parser(
        "field",
        help="rename a field of an event",
        description=_OF_FIELD + _ON_FINISHING,
        epilog=examples(_FIELD_EXAMPLE),
    )
    field.set_defaults(kind="field")
    handler = kinds.add_parser(
        "handler",
        help="rename the function of a handler or task",
        description=_OF_HANDLER,
        epilog=examples(_HANDLER_EXAMPLE),
    )
    handler.set_defaults(kind="handler")
    event.add_argument("old", metavar="OLD", help="its current name")
    field.add_argument("event", metavar="EVENT", help="the event")
    field.add_argument("old", metavar="OLD", help="the current name of the field")
    handler.add_argument("old", metavar="OLD", help="the name of its function, with the module where two have it")
    for each in (event, field, handler):
        _options(each)
    for each in (event, field):
        each.add_argument(
            "--finish", action="store_true", help="remove the former name, if nothing on the server uses it"
        )
        add_server_options(each, "with --finish, where to look (default: UPNEXT_REDIS_URL and UPNEXT_NAMESPACE)")


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("new", metavar="NEW", help="its new name")
    parser.add_argument("--write", action="store_true", help="change the files; without it they are only shown")
    parser.add_argument(
        "--despite-unreadable", action="store_true", help="write although files that cannot be read may hold the name"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="output format (default: text)")
    parser.set_defaults(command=rename, finish=False)


def rename(arguments: argparse.Namespace) -> int:
    """Run the command."""
    with extra("gen", "libcst", "jinja2"):
        from upnext_codegen.errors import ConfigurationError  # noqa: PLC0415 - commands import what they need
        from upnext_codegen.fixes.fix import diff_of, write  # noqa: PLC0415

        try:
            sources = _sources()
            change = _finished(sources, arguments) if arguments.finish else _change(sources, arguments)
            if not arguments.finish:
                change = change._replace(
                    undecided=(*change.undecided, *sources.in_stubs(_last(arguments))),
                    unreadable=(*change.unreadable, *sources.not_read(arguments.old)),
                )
            stopped = bool(change.blocked or change.left or (change.unreadable and not arguments.despite_unreadable))
            written = arguments.write and not stopped
            if written:
                write(sources.root, change.changed)
        except ConfigurationError as error:
            raise ConfigError(str(error)) from error
    diff = "" if written else diff_of(change.changed)
    _report(change, diff, arguments, written=written)
    return exits.FINDINGS if change.blocked or change.left or (stopped and arguments.write) else exits.CLEAN


def _last(arguments: argparse.Namespace) -> str:
    """Return the name as written in sources: of a function, without its module."""
    old: str = arguments.old
    return old.rpartition(".")[2] if arguments.kind == "handler" else old


def _sources() -> ProjectSources:
    from upnext_codegen.files.discover import discover  # noqa: PLC0415 - as above
    from upnext_codegen.project import find_project  # noqa: PLC0415
    from upnext_codegen.renames.plan import ProjectSources  # noqa: PLC0415
    from upnext_codegen.scan import scan  # noqa: PLC0415

    project = find_project(otherwise=Path.cwd())
    found = discover(project)
    scanned, _ = scan(project, listing=lambda: found)
    return ProjectSources(project.root, project.roots, found, scanned)


def _change(sources: ProjectSources, arguments: argparse.Namespace) -> Rename:
    if arguments.kind == "event":
        from upnext_codegen.renames.rename_event import rename_event  # noqa: PLC0415 - as above

        return rename_event(sources, arguments.old, arguments.new)
    if arguments.kind == "field":
        from upnext_codegen.renames.rename_field import rename_field  # noqa: PLC0415

        return rename_field(sources, arguments.event, arguments.old, arguments.new)
    from upnext_codegen.renames.rename_handler import rename_handler  # noqa: PLC0415

    return rename_handler(sources, arguments.old, arguments.new)


def _finished(sources: ProjectSources, arguments: argparse.Namespace) -> Rename:
    """Return the changes that remove a former name, and what a server still has of it."""
    from upnext.cli.rename_finish import Former, left_of  # noqa: PLC0415
    from upnext_codegen.renames.finish import finish_event, finish_field  # noqa: PLC0415

    if arguments.kind == "event":
        change = finish_event(sources, arguments.old, arguments.new)
        former = Former(frozenset([arguments.old, arguments.new]), event=arguments.old)
    else:
        change = finish_field(sources, arguments.event, arguments.old, arguments.new)
        former = Former(sources.names_of(arguments.event), field=arguments.old)
    left, unsubscribe = ask(arguments, lambda namespace: left_of(namespace, former))
    return change._replace(left=tuple(left), unsubscribe=tuple(unsubscribe))


def _report(change: Rename, diff: str, arguments: argparse.Namespace, *, written: bool) -> None:
    if arguments.format == "json":
        report = {
            "blocked": [_as_json(each) for each in change.blocked],
            "changed": sorted(change.changed),
            "diff": diff,
            "left": [left.what for left in change.left],
            "ways_out": [left.way_out for left in change.left],
            "unsubscribe": list(change.unsubscribe),
            "taken_back": change.taken_back,
            "undecided": [_as_json(each) for each in change.undecided],
            "unreadable": [_as_json(each) for each in change.unreadable],
            "written": written,
        }
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
        return
    sys.stdout.write(diff)
    for file in sorted(change.changed) if written else ():
        print(f"wrote {visible(file)}")
    for left in change.left:
        print(f"still on the server: {visible(left.what)}\n  help: {visible(left.way_out)}")
    for each in (*change.blocked, *change.unreadable, *change.undecided):
        print(f"{visible(each.place.file)}:{each.place.line}:{each.place.column}: {visible(each.reason)}")
    if change.taken_back:
        print(
            f"This takes a rename back: nothing takes what is queued or sent as {arguments.old!r} then. If that was "
            "deployed, see what a server has of it: `upnext gen --check --against redis://HOST:6379/0`."
        )
    print(_last_line(change, arguments, written=written))


def _last_line(change: Rename, arguments: argparse.Namespace, *, written: bool) -> str:
    if change.left:
        return f"Nothing is written while the server has something that knows {arguments.old!r}."
    if change.blocked:
        return "Nothing is written while something has to be changed by hand first."
    if written and arguments.finish:
        then = (
            " Then end what is still subscribed under the former name, or events that somebody sends under it queue "
            "jobs that nobody takes:"
        )
        commands = [f"\n  {visible(command)}" for command in change.unsubscribe]
        return "".join(["Run `upnext gen`, and deploy.", *([then, *commands] if commands else ())])
    if written:
        return "Run `upnext gen`, and deploy the workers before what sends."
    if change.unreadable and not arguments.despite_unreadable:
        return (
            "Nothing is written while a file that cannot be read may hold the name: what has to be changed may stand "
            "there. Fix or exclude it, or go on with --despite-unreadable."
        )
    return "Nothing is written yet: --write does it."


def _as_json(each: Undecided) -> dict[str, object]:
    return {"file": each.place.file, "line": each.place.line, "column": each.place.column, "reason": each.reason}
