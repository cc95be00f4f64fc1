"""`upnext init`: settings for type checkers, pre-commit and CI in an existing project."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from upnext.cli import exits
from upnext.cli.parser import examples
from upnext.cli.terminal import coloured, visible
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from upnext.cli.commands import Subparsers
    from upnext.project_settings.proposal import Proposal

_DESCRIPTION = """\
Shows, as a diff, settings that the project around this folder lacks: the plugin for mypy, the catalog's folder for
pyright, a hook of pre-commit and a workflow of GitHub Actions that check that the catalog is fresh. They are written
with --write, or after confirmation on a terminal. Existing settings are never changed; what cannot be added beside them
is reported, with exit code 1."""
_STYLES = {"+": "ok", "-": "fail"}


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "init",
        help="add settings for type checkers, pre-commit and CI to a project",
        description=_DESCRIPTION,
        epilog=examples("upnext init", "upnext init --write"),
    )
    parser.add_argument("--write", action="store_true", help="write them without asking")
    parser.set_defaults(command=init)


def init(arguments: argparse.Namespace) -> int:
    """Run the command; exit code 1 if something has to be added by hand."""
    from upnext.project_settings.proposal import write  # noqa: PLC0415 - commands import what they need

    proposal = _proposal()
    changed = proposal.changed()
    for line in proposal.diff(Path.cwd()):
        style = None if line.startswith(("+++", "---")) else _STYLES.get(line[:1])
        print(coloured(style, visible(line)) if style else visible(line))
    if not changed:
        print("Nothing to add." if not proposal.by_hand else "Nothing to add but by hand.")
    elif arguments.write or _agreed(len(changed)):
        write(changed)
        print(f"Wrote {', '.join(visible(os.path.relpath(file.path)) for file in changed)}. Next: `upnext gen`.")
    else:
        print("Nothing was written; --write does it.", file=sys.stderr)
    for sentence in proposal.by_hand:
        print(f"upnext: By hand: {visible(sentence)}", file=sys.stderr)
    return exits.FINDINGS if proposal.by_hand else exits.CLEAN


def _agreed(files: int) -> bool:
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    print(f"Write {files} file(s)? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _proposal() -> Proposal:
    from upnext.project_settings.automation import propose_pre_commit, propose_workflow  # noqa: PLC0415
    from upnext.project_settings.checkers import propose_mypy, propose_pyright  # noqa: PLC0415
    from upnext.project_settings.proposal import Proposal  # noqa: PLC0415 - commands import what they need
    from upnext_codegen.errors import ConfigurationError  # noqa: PLC0415
    from upnext_codegen.project import find_project  # noqa: PLC0415

    try:
        project = find_project(otherwise=Path.cwd())
    except ConfigurationError as error:
        raise ConfigError(str(error)) from error
    proposal = Proposal()
    propose_mypy(proposal, project.root)
    if project.catalog is None:  # a module of the project is found like any other
        folders = project.roots if project.settings.out is None else (project.settings.out,)
        propose_pyright(proposal, project.root, [folder or "." for folder in folders])
    propose_pre_commit(proposal, project.root)
    propose_workflow(proposal, project.root)
    return proposal
