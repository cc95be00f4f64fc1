"""`upnext graph`: who sends which event from where, who handles it, and what that sends in turn."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from upnext.cli import exits
from upnext.cli.extras import extra
from upnext.cli.parser import examples
from upnext.cli.progress import Progress
from upnext.cli.terminal import wants_colour
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from upnext.cli.commands import Subparsers
    from upnext_codegen.findings import Finding
    from upnext_codegen.graph.build import Graph
    from upnext_codegen.project import Project
    from upnext_codegen.records import Scan

_FORMATS = ("text", "json", "mermaid", "dot", "svg")
_DESCRIPTION = """\
Reads the sources of the project (never imports them), and shows who sends which event from where, who handles it, and
what the handlers send in turn, including through functions that they call."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "graph",
        help="show who sends and who handles which event",
        description=_DESCRIPTION,
        epilog=examples("upnext graph", "upnext graph order.placed", "upnext graph --format mermaid"),
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="an event, handler, task or module; all by default")
    parser.add_argument("--format", choices=_FORMATS, default="text", help="output format (default: text)")
    parser.add_argument("--no-cache", action="store_true", help="read every file again")
    parser.set_defaults(command=graph)


def graph(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from upnext_codegen.errors import ConfigurationError  # noqa: PLC0415 - commands import what they need
    from upnext_codegen.progress import observed  # noqa: PLC0415

    with extra("gen", "libcst", "jinja2"), Progress("files read") as progress:
        try:
            with observed(progress.show if progress.is_watched else None):
                text = _shown(arguments)
        except ConfigurationError as error:
            raise ConfigError(str(error)) from error
    sys.stdout.write(text)
    return exits.CLEAN


def _shown(arguments: argparse.Namespace) -> str:
    from upnext_codegen.files.ahead import discover_ahead  # noqa: PLC0415 - commands import what they need
    from upnext_codegen.graph.build import build  # noqa: PLC0415
    from upnext_codegen.graph.selection import part_of  # noqa: PLC0415
    from upnext_codegen.project import find_project  # noqa: PLC0415
    from upnext_codegen.scan import scan  # noqa: PLC0415

    project = find_project(otherwise=Path.cwd())
    with discover_ahead(project) as listing:
        scanned, findings = scan(project, use_cache=not arguments.no_cache, listing=listing)
    found = build(scanned)
    if arguments.name is not None:
        name = arguments.name if arguments.name in found.events else _as_known(arguments.name, project)
        found = part_of(found, name, project.roots)
    _report_unreadable(findings)
    return _written(found, scanned, arguments.format)


def _as_known(name: str, project: Project) -> str:
    """Return the path of a file or folder in the graph's form; anything else unchanged."""
    from upnext_codegen.graph.selection import module_of  # noqa: PLC0415 - commands import what they need

    path = Path(name).resolve()
    if not name or not path.exists() or not path.is_relative_to(project.root.resolve()):
        return name
    file = path.relative_to(project.root.resolve()).as_posix()
    return module_of(f"{file}/__init__.py", project.roots) if path.is_dir() else file


def _report_unreadable(findings: tuple[Finding, ...]) -> None:
    """Report which files are missing from the graph because they cannot be read."""
    for each in findings:
        if each.code == "UPN001":
            print(f"upnext: {each.place.file}:{each.place.line}: {each.message}", file=sys.stderr)


def _written(found: Graph, scanned: Scan, form: str) -> str:
    from upnext_codegen.output import graph_as_picture as picture  # noqa: PLC0415 - commands import what they need
    from upnext_codegen.output.graph_as_json import graph_as_json  # noqa: PLC0415
    from upnext_codegen.output.graph_as_text import graph_as_text  # noqa: PLC0415
    from upnext_codegen.output.paint import Paint  # noqa: PLC0415

    if form == "text":
        return graph_as_text(found, Paint(colour=wants_colour()), scanned.imported)
    if form == "json":
        return graph_as_json(found)
    drawers = {"mermaid": picture.graph_as_mermaid, "dot": picture.graph_as_dot, "svg": picture.graph_as_svg}
    text = drawers[form](found)
    for each in picture.not_drawn(found, form, text):
        print(f"upnext: {each}", file=sys.stderr)
    return text
