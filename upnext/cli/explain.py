"""`upnext explain CODE`: the rule behind a finding, with an example. `upnext explain rights`: a server's ACL rule."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from upnext.cli import exits
from upnext.cli.parser import examples

if TYPE_CHECKING:
    from upnext.cli.commands import Subparsers

_RIGHTS = "rights"


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "explain",
        help="print the rule behind a code, or the rights that upnext needs on its server",
        description="Print the rule behind a code, with an example, or the rights that upnext needs on its server.",
        epilog=examples("upnext explain UPN101", "upnext explain upnext-missing", "upnext explain rights"),
    )
    parser.add_argument(
        "code",
        metavar="CODE",
        help=f"as it is shown: UPN101 (upnext gen), upnext-missing (mypy); {_RIGHTS}: the server's ACL rule",
    )
    parser.set_defaults(command=explain)


def explain(arguments: argparse.Namespace) -> int:
    """Print one rule."""
    from upnext_codegen.rules import CODES, PLUGIN_CODES, RETIRED_CODES, explained  # noqa: PLC0415 - commands import what they need

    if arguments.code.lower() == _RIGHTS:
        print(_rights())
        return exits.CLEAN
    known = {code.upper(): code for code in (*CODES, *PLUGIN_CODES, *RETIRED_CODES)}
    code = known.get(arguments.code.upper())
    if code is None:
        codes = ", ".join((*CODES, *PLUGIN_CODES))
        print(f"upnext: there is no code {arguments.code!r}; the codes are {codes}", file=sys.stderr)
        return exits.USAGE
    print(explained(code), end="")
    return exits.CLEAN


def _rights() -> str:
    """Return the ACL rule for the environment's namespace."""
    from upnext import settings  # noqa: PLC0415 - commands import what they need
    from upnext.broker.preflight import FURTHER_RIGHTS, access_rule  # noqa: PLC0415

    namespace = settings.load().namespace
    further = "".join(f"\n    +{right.ljust(12)}{why}" for right, why in FURTHER_RIGHTS.items())
    return (
        f"In the namespace {namespace!r}, upnext needs a user with exactly these rights. "
        f"Run this on the server, with a password of your own:\n\n    {access_rule(namespace)}\n\n"
        f"Some commands need more, which workers do not; give it to a user for people:\n{further}"
    )
