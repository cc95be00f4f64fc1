"""`upnext celery`: check the calls of Celery tasks."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from upnext.cli import exits
from upnext.cli.extras import extra
from upnext.cli.gen import FORMATS, project_of, written
from upnext.cli.parser import examples
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from upnext.cli.commands import Subparsers

_CHECK = """\
Reads the sources of the project (never imports them), finds the tasks of Celery and the calls of them, and reports
arguments that do not fit, names that no task has, and options without effect. The project needs no change for it."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "celery",
        help="check the calls of Celery tasks",
        description="For projects that use Celery, and need not use upnext otherwise.",
        epilog=examples("upnext celery check", "upnext celery check --format github"),
    )
    actions = parser.add_subparsers(metavar="ACTION", title="actions")
    checking = actions.add_parser(
        "check",
        help="report calls of tasks that cannot work",
        description=_CHECK,
        epilog=examples("upnext celery check", "upnext celery check --format json"),
    )
    checking.add_argument("paths", nargs="*", metavar="PATH", help="report findings in these only")
    checking.add_argument("--format", choices=FORMATS, default="text", help="how to report (default: text)")
    checking.set_defaults(command=check_calls)


def check_calls(arguments: argparse.Namespace) -> int:
    """Run `upnext celery check`."""
    from upnext_codegen.errors import ConfigurationError  # noqa: PLC0415 - commands import what they need

    with extra("gen", "libcst", "jinja2"):
        from upnext_codegen.celery.check import check  # noqa: PLC0415 - commands import what they need

        try:
            report = check(*project_of(arguments))
        except ConfigurationError as error:
            raise ConfigError(str(error)) from error
        sys.stdout.write(written(report.report, arguments.format))
    return exits.FINDINGS if report.report.failed else exits.CLEAN
