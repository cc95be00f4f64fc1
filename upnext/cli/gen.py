"""`upnext gen`: scan a project's handlers and write its catalog."""

from __future__ import annotations

import argparse
import gc
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from upnext.cli import exits
from upnext.cli.extras import extra
from upnext.cli.parser import examples
from upnext.cli.paths import reason_of, to_path
from upnext.cli.progress import Progress
from upnext.cli.terminal import wants_colour
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from upnext.cli.commands import Subparsers
    from upnext.cli.deployed import Deployed
    from upnext_codegen.contract import Contract
    from upnext_codegen.deployed.snapshot import DeployedState
    from upnext_codegen.findings import Finding
    from upnext_codegen.project import Project
    from upnext_codegen.pulled.freshness import Current
    from upnext_codegen.records import Scan
    from upnext_codegen.report import Report

_MOST_ROUNDS = 10
"""Times that fixes are made, each of which may show a finding that was hidden behind another."""
_SERVER = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
FORMATS = ("text", "json", "github", "sarif")
"""How findings are reported."""
_DESCRIPTION = """\
Reads the sources of the project (never imports them), merges all handlers of each event, and writes upnext_catalog.pyi,
which types every send in every type checker, and upnext.lock, which has the same as data."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "gen",
        help="write the catalog that types every send",
        description=_DESCRIPTION,
        epilog=examples("upnext gen", "upnext gen --check --format github", "upnext gen --against main"),
    )
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="report only findings in these; contracts always come from all files"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the files are out of date")
    parser.add_argument("--watch", action="store_true", help="run again after each change, until Ctrl-C")
    parser.add_argument(
        "--against",
        metavar="REVISION|FILE|URL",
        action="append",
        help="report what breaks senders and queued jobs of an earlier state: a revision of git or its "
        "upnext.lock (events: tasks are not in it), or what a server has (redis://...: events and "
        "tasks); may be given several times",
    )
    parser.add_argument("--namespace", metavar="NAME", help="the namespace of a server in --against")
    parser.add_argument("--out", metavar="DIR", help="folder of upnext_catalog.pyi, instead of the import root")
    parser.add_argument("--format", choices=FORMATS, default="text", help="output format (default: text)")
    parser.add_argument(
        "--files", action="store_true", help="write nothing; list every file: read, skipped or left out, and why"
    )
    parser.add_argument("--fix", action="store_true", help="change the sources where a finding has one right answer")
    parser.add_argument("--diff", action="store_true", help="with --fix: show the changes, and write nothing")
    parser.add_argument("--no-cache", action="store_true", help="read every file again")
    parser.set_defaults(command=gen)


def gen(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if arguments.namespace is not None and not any(map(is_server, arguments.against or [])):
        raise ConfigError("--namespace is that of a server, and --against names none.")
    with extra("gen", "libcst", "jinja2"):
        if arguments.fix or arguments.diff:
            return _fix(arguments)
        if arguments.files:
            return _list_files(arguments)
        return _watch(arguments) if arguments.watch else _in_passing(arguments)


def _in_passing(arguments: argparse.Namespace) -> int:
    """Run once and exit: the cyclic garbage collector would take a tenth of a short run to find nothing."""
    gc.disable()
    try:
        return _once(arguments)
    finally:
        gc.freeze()  # The collector then skips everything at exit as well.
        gc.enable()


def _once(arguments: argparse.Namespace) -> int:
    from upnext_codegen.progress import observed  # noqa: PLC0415 - commands import what they need

    with Progress("files read") as progress, observed(progress.show if progress.is_watched else None):
        report = _report(arguments, check=arguments.check)
    return _reported(report, arguments)


def _reported(report: Report, arguments: argparse.Namespace) -> int:
    """Print a report, and return its exit code."""
    if arguments.format in {"json", "sarif"} and any(each.fixable for each in report.findings):
        from upnext_codegen.fixes.fix import Fixer  # noqa: PLC0415 - it takes long to import

        project, _ = project_of(arguments)
        report = replace(report, fixes=Fixer(project.root, report.contract).fixes(report.findings))
    sys.stdout.write(written(report, arguments.format))
    sys.stdout.flush()
    return exits.FINDINGS if report.failed else exits.CLEAN


def _fix(arguments: argparse.Namespace) -> int:
    """Apply the fixes that have one right answer, then run as usual; or show what would change."""
    from upnext_codegen.errors import ConfigurationError  # noqa: PLC0415 - commands import what they need
    from upnext_codegen.fixes.fix import Fixer, diff_of, write  # noqa: PLC0415

    _check_fix(arguments)
    fixed: dict[str, None] = {}
    try:
        project, _ = project_of(arguments)
        for _ in range(_MOST_ROUNDS):
            report = _report(arguments, check=True)
            changed = Fixer(project.root, report.contract).changed(report.findings)
            if arguments.diff:
                sys.stdout.write(diff_of(changed))
                return exits.FINDINGS if any(map(_is_of_sources, report.findings)) else exits.CLEAN
            write(project.root, changed)
            fixed.update(dict.fromkeys(changed))
            if not changed:
                break
    except ConfigurationError as error:
        raise ConfigError(str(error)) from error
    report = _report(arguments, check=False)
    return _reported(replace(report, changed=(*fixed, *report.changed)), arguments)


def _check_fix(arguments: argparse.Namespace) -> None:
    if not arguments.fix:
        raise ConfigError("--diff shows what --fix would change: give both.")
    if arguments.check or arguments.watch or arguments.files:
        raise ConfigError("--fix changes the sources once: leave out --check, --watch and --files.")
    if arguments.diff and arguments.format != "text":
        raise ConfigError(f"--diff is written as text, not as {arguments.format}.")


def _is_of_sources(finding: Finding) -> bool:
    """Whether it is an error in the sources, as opposed to stale generated files."""
    return finding.severity == "error" and finding.code != "UPN301"


def _watch(arguments: argparse.Namespace) -> int:
    from upnext_codegen.watch import changes  # noqa: PLC0415 - commands import what they need

    if arguments.check:
        raise ConfigError("--watch writes the files after each change, --check never writes: give one of them.")
    code = exits.CLEAN
    out = None if arguments.out is None else Path(arguments.out).resolve()
    for _ in changes(_existing(arguments.paths[0]) if arguments.paths else None, out):
        try:
            code = _once(arguments)
        except ConfigError as error:
            # It may be a setting that is being edited.
            print(f"upnext: {error}", file=sys.stderr, flush=True)
    return code


def _list_files(arguments: argparse.Namespace) -> int:
    """List every file with whether it is read."""
    from upnext_codegen.errors import ConfigurationError  # noqa: PLC0415 - commands import what they need
    from upnext_codegen.files.discover import discover  # noqa: PLC0415
    from upnext_codegen.output.as_files import file_statuses, files_as_json, files_as_text  # noqa: PLC0415
    from upnext_codegen.scan import scan  # noqa: PLC0415

    if arguments.format not in {"text", "json"}:
        raise ConfigError(f"--files is written as text or json, not as {arguments.format}.")
    if arguments.check or arguments.watch or arguments.against:
        raise ConfigError("--files lists files and does nothing else: leave out --check, --watch and --against.")
    try:
        project, narrowed = project_of(arguments)
        found = discover(project)
        scanned, findings = scan(project, use_cache=not arguments.no_cache, listing=lambda: found)
    except ConfigurationError as error:
        raise ConfigError(str(error)) from error
    statuses = file_statuses(found, scanned, findings, narrowed)
    sys.stdout.write(files_as_json(statuses) if arguments.format == "json" else files_as_text(statuses))
    return exits.CLEAN


def project_of(arguments: argparse.Namespace) -> tuple[Project, tuple[str, ...]]:
    """Find the project, and the paths relative to it to which the report is limited."""
    from upnext_codegen.project import find_project  # noqa: PLC0415 - commands import what they need

    paths = [_existing(path) for path in arguments.paths]
    project = find_project(paths[0] if paths else None, otherwise=Path.cwd())
    return project, _relative(paths, project.root)


def _report(arguments: argparse.Namespace, *, check: bool) -> Report:
    from upnext_codegen.errors import ConfigurationError  # noqa: PLC0415 - commands import what they need
    from upnext_codegen.files.ahead import discover_ahead  # noqa: PLC0415

    against: list[str] = arguments.against or []
    try:
        project, narrowed = project_of(arguments)
        out = None if arguments.out is None else _folder(arguments.out)
        with discover_ahead(project) as list_files:
            from upnext_codegen.catalog.places import targets  # noqa: PLC0415 - takes as long as the listing
            from upnext_codegen.generate import generate  # noqa: PLC0415
            from upnext_codegen.no_project import is_none, refuse  # noqa: PLC0415
            from upnext_codegen.scan import scan  # noqa: PLC0415

            targets(project, out)  # before the scan, which writes a cache
            earlier = {each: _earlier(each, project.root) for each in against if not is_server(each)}
            listing = cache(list_files)
            found, findings = scan(project, use_cache=not arguments.no_cache, listing=listing)
            if is_none(project, found) and not findings:
                refuse(project, listing())
        deployed = [_deployed(each, arguments.namespace, found) for each in against if is_server(each)]
        report = generate(
            project,
            found,
            findings,
            check=check,
            command=_command(arguments, project.root),
            out=out,
            paths=narrowed,
            earlier=[*(each for each in earlier.values() if each is not None), *(each.snapshot for each in deployed)],
            sources=_sources(project.root) if check and not arguments.fix else None,
        )
    except ConfigurationError as error:
        raise ConfigError(str(error)) from error
    missing = [each for each, contract in earlier.items() if contract is None]
    nothing = (f"{each} holds no upnext.lock, so there is nothing to compare with" for each in missing)
    return replace(report, notes=(*nothing, *(each.note for each in deployed)))


def is_server(against: str) -> bool:
    """Return whether `--against` names a server: no git revision contains a colon, and no such path is looked for."""
    return _SERVER.match(against) is not None


def _earlier(against: str, root: Path) -> Contract | DeployedState | None:
    from upnext_codegen.earlier import earlier_contract  # noqa: PLC0415 - few runs ask for it

    return earlier_contract(against, root)


def _deployed(url: str, namespace: str | None, found: Scan) -> Deployed:
    from upnext.cli.deployed import read_deployed  # noqa: PLC0415 - few runs ask for it

    return read_deployed(url, namespace, found)


def _sources(root: Path) -> Current | None:
    """Return the current contracts of the sources of pulled ones, if any were pulled."""
    from upnext_codegen.layout.probing import exists  # noqa: PLC0415 - commands import what they need
    from upnext_codegen.project import IMPORTS_LOCK  # noqa: PLC0415

    if not exists(root / IMPORTS_LOCK):
        return None
    from upnext.cli.pulled_contracts import current_contracts  # noqa: PLC0415 - few projects have any

    return current_contracts(root)


def _command(arguments: argparse.Namespace, root: Path) -> str:
    """Return the command that writes the files, to be run in the same folder."""
    here = Path.cwd().is_relative_to(root)
    where = [] if here or not arguments.paths else ["--", arguments.paths[0]]
    if where and not where[1].startswith("-"):
        del where[0]
    return shlex.join(["upnext", "gen", *([] if arguments.out is None else ["--out", arguments.out]), *where])


def _folder(path: str) -> Path:
    # An empty string is an unset variable of a script, not the current folder.
    if not path:
        raise ConfigError("--out is empty; it is the path of a folder.")
    try:
        return to_path(path).resolve()
    except argparse.ArgumentTypeError as error:
        raise ConfigError(f"--out: {error}.") from None


def _existing(path: str) -> Path:
    if not path:
        raise ConfigError("A PATH is empty.")
    try:
        return Path(path).resolve(strict=True)
    except (FileNotFoundError, ValueError, RuntimeError):
        raise ConfigError(f"{path!r} does not exist.") from None
    except OSError as error:
        raise ConfigError(f"{path!r} cannot be read: {reason_of(error)}.") from None


def _relative(paths: Sequence[Path], root: Path) -> tuple[str, ...]:
    for path in paths:
        if not path.is_relative_to(root):
            raise ConfigError(f"{path} is not in the project {root}, which the first path is in.")
    return tuple(path.relative_to(root).as_posix() for path in paths)


def written(report: Report, form: str) -> str:
    """Write a report in one of the formats."""
    return _writers()[form](report)


def _writers() -> dict[str, Callable[[Report], str]]:
    from upnext_codegen.output.as_github import as_github  # noqa: PLC0415 - commands import what they need
    from upnext_codegen.output.as_json import as_json  # noqa: PLC0415
    from upnext_codegen.output.as_sarif import as_sarif  # noqa: PLC0415
    from upnext_codegen.output.as_text import as_text  # noqa: PLC0415
    from upnext_codegen.output.paint import Paint  # noqa: PLC0415

    return {
        "text": lambda report: as_text(report, Paint(colour=wants_colour())),
        "json": as_json,
        "github": as_github,
        "sarif": as_sarif,
    }
