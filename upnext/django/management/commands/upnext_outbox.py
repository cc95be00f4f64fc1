"""`manage.py upnext_outbox`: list the rows of outboxes, send them after all, or delete them."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, connections

from upnext.cli.outbox import add_actions
from upnext.cli.terminal import escaped_streams
from upnext.django.outbox import relay
from upnext.errors import UpnextError

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from upnext.outbox.relay import Relay


class Command(BaseCommand):
    """Does what `upnext outbox` does, for the databases of the project."""

    help = "Shows how far behind the outboxes are and which rows wait or were set aside, and has these sent again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the actions and their options."""
        actions = parser.add_subparsers(metavar="ACTION", title="actions", required=True)
        for action in add_actions(actions, "python manage.py upnext_outbox {}", file=False):
            action.add_argument(
                "--outbox",
                action="append",
                dest="databases",
                metavar="ALIAS",
                help="a database whose outbox is meant; may be given several times (default: default)",
            )
            action.set_defaults(relays=_relays)

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002  # as Django has it
        """Run."""
        try:
            with escaped_streams():
                code: int = options["command"](Namespace(**options))
        except UpnextError as error:
            raise CommandError(str(error)) from error
        if code:
            sys.exit(code)


def _relays(arguments: Namespace) -> list[Relay]:
    aliases: list[str] = arguments.databases or [DEFAULT_DB_ALIAS]
    for alias in aliases:
        if alias not in connections:
            raise CommandError(f"There is no database {alias!r} in DATABASES.")
    return [relay(using=alias) for alias in aliases]
