"""`upnext explain CODE`: the rule behind a finding, with an example."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from upnext.cli import exits
from upnext.cli.parser import examples

if TYPE_CHECKING:
    from upnext.cli.commands import Subparsers


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "explain",
        help="print the rule behind a code",
        description="Print the rule behind a code, with an example.",
        epilog=examples("upnext explain UPN101", "upnext explain upnext-missing"),
    )
    parser.add_argument("code", metavar="CODE", help="as it is shown: UPN101 (upnext gen), upnext-missing (mypy)")
    parser.set_defaults(command=explain)


def explain(arguments: argparse.Namespace) -> int:
    """Print one rule."""
    from upnext_codegen.rules import CODES, PLUGIN_CODES, RETIRED_CODES, explained  # noqa: PLC0415 - commands import what they need

    known = {code.upper(): code for code in (*CODES, *PLUGIN_CODES, *RETIRED_CODES)}
    code = known.get(arguments.code.upper())
    if code is None:
        codes = ", ".join((*CODES, *PLUGIN_CODES))
        print(f"upnext: there is no code {arguments.code!r}; the codes are {codes}", file=sys.stderr)
        return exits.USAGE
    print(explained(code), end="")
    return exits.CLEAN
