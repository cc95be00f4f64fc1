"""`upnext celery`: check the calls of Celery tasks, and write types for them."""

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
Reads the sources of the project (never imports them), finds Celery tasks and their calls, and reports arguments that do
not fit, unknown task names, and options without effect. The project needs no changes for this."""
_GEN = """\
Writes upnext_celery.pyi, which tells type checkers what apply_async and s of each task take, and reports the same as
check. Then import Celery and shared_task from upnext_celery: at run time they are Celery's own."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "celery",
        help="check the calls of Celery tasks, and type them",
        description="For projects that use Celery, whether or not they use upnext otherwise.",
        epilog=examples("upnext celery check --format github", "upnext celery gen"),
    )
    actions = parser.add_subparsers(metavar="ACTION", title="actions")
    for name, help_text, description in (
        ("check", "report calls of tasks that cannot work", _CHECK),
        ("gen", "write the file that types them", _GEN),
    ):
        action = actions.add_parser(
            name,
            help=help_text,
            description=description,
            epilog=examples(f"upnext celery {name}", f"upnext celery {name} --format json"),
        )
        action.add_argument("paths", nargs="*", metavar="PATH", help="report only findings in these")
        action.add_argument("--format", choices=FORMATS, default="text", help="output format (default: text)")
        action.set_defaults(command=run, write=name == "gen")


def run(arguments: argparse.Namespace) -> int:
    """Run `upnext celery check` or `upnext celery gen`."""
    from upnext_codegen.errors import ConfigurationError  # noqa: PLC0415 - commands import what they need

    with extra("gen", "libcst", "jinja2"):
        from upnext_codegen.celery.check import check  # noqa: PLC0415 - commands import what they need

        try:
            report = check(*project_of(arguments), write=arguments.write)
        except ConfigurationError as error:
            raise ConfigError(str(error)) from error
        sys.stdout.write(written(report, arguments.format))
    return exits.FINDINGS if report.failed else exits.CLEAN
