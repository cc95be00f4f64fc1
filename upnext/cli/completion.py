"""`upnext completion SHELL`: print a script that completes commands, flags and file names."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from upnext.cli import exits
from upnext.cli.extras import extra
from upnext.cli.parser import examples
from upnext.cli.terminal import unescaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext.cli.commands import Subparsers

_SHELLS = ("bash", "zsh", "fish")
_FILES = {"FILE", "PATH", "file"}
_DESCRIPTION = """\
Prints a script for the shell. bash: eval "$(upnext completion bash)" in ~/.bashrc; zsh: write it to a file named
_upnext in a folder of $fpath; fish: write it to ~/.config/fish/completions/upnext.fish. Completing runs no Python."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "completion",
        help="print what makes a shell complete commands and flags",
        description=_DESCRIPTION,
        epilog=examples("upnext completion bash", "upnext completion zsh", "upnext completion fish"),
    )
    parser.add_argument("shell", choices=_SHELLS, metavar="SHELL", help=", ".join(_SHELLS))
    parser.set_defaults(command=completion)


def completion(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from upnext.cli import full_parser  # noqa: PLC0415 - which knows this module

    with extra("completion", "shtab"):
        import shtab  # noqa: PLC0415 - commands import what they need
    parser = full_parser()
    for action in _actions(parser):
        words = {action.metavar} if isinstance(action.metavar, str) else {action.dest}
        if words & _FILES:
            setattr(action, "complete", shtab.FILE)  # noqa: B010 - an attribute of shtab's, which argparse does not have
        elif "DIR" in words:
            setattr(action, "complete", shtab.DIRECTORY)  # noqa: B010 - as above
    # The tabs of a script are not foreign text, and must not be escaped as such.
    unescaped(sys.stdout).write(shtab.complete(parser, shell=arguments.shell))
    return exits.CLEAN


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001 - shtab looks there too
        yield action
        below: Any = action.choices
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            for each in below.values():
                yield from _actions(each)
