"""`manage.py upnext_worker`: run the workers that the applications declare, and relay their outboxes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, connections

from upnext.django.outbox import relay
from upnext.errors import UpnextError
from upnext.log_format import configure_logging
from upnext.runner.service import run
from upnext.worker import Worker

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Runs until SIGTERM or Ctrl-C, as `upnext run` does."""

    help = (
        "Runs every upnext.Worker that the installed applications declare, and sends what was committed to the outbox, "
        "until SIGTERM or Ctrl-C. `upnext run` takes a file that names them, for --processes and --reload."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--outbox",
            action="append",
            metavar="ALIAS",
            help="a database whose outbox is sent; may be given several times (default: default)",
        )
        parser.add_argument("--no-outbox", action="store_true", help="send no outbox here")
        parser.add_argument("--probe", metavar="[HOST:]PORT", help="answer HTTP there, as `upnext run --probe` does")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002  # as Django has it
        """Run."""
        workers = declared_workers()
        if not workers:
            raise CommandError(
                "No installed application declares an upnext.Worker: import it in the `handlers` module of one."
            )
        aliases: list[str] = [] if options["no_outbox"] else options["outbox"] or [DEFAULT_DB_ALIAS]
        for alias in aliases:
            if alias not in connections:
                raise CommandError(f"There is no database {alias!r} in DATABASES.")
        if aliases:
            check_one_place(workers)
        configure_logging()
        try:
            run(*workers, *(relay(workers[0], using=alias) for alias in aliases), probe=options["probe"])
        except UpnextError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            sys.exit(130)


def check_one_place(workers: list[Worker]) -> None:
    """Refuse an ambiguous destination of an outbox: its rows do not name one of several servers or namespaces.

    Raises:
        CommandError: If these workers have several.
    """
    first, *others = workers
    for other in others:
        if _place(other) != _place(first):
            raise CommandError(
                f"Workers {first.name!r} and {other.name!r} are of different servers or namespaces, and the rows of an "
                "outbox do not say where they belong. Pass --no-outbox here, and send the outbox by `upnext run` of a "
                "file with upnext.django.relay(worker, using=...) for the worker that it belongs to."
            )


def _place(worker: Worker) -> tuple[str | None, str]:
    settings = worker.registry.settings
    return settings.redis_url, settings.namespace


def workers_of_tasks() -> list[Worker]:
    """Return the workers of upnext's backends in the setting `TASKS`; none if Django has no tasks."""
    if not hasattr(settings, "TASKS"):
        return []
    from upnext.django.tasks import UpnextBackend, task_backends  # noqa: PLC0415  # Django 5 has none

    backends = [task_backends[alias] for alias in settings.TASKS]
    return [backend.worker for backend in backends if isinstance(backend, UpnextBackend)]


def declared_workers() -> list[Worker]:
    """Return the workers of the installed applications' modules, and those of `TASKS`, each once."""
    packages = {config.name for config in apps.get_app_configs()}
    found: dict[Worker, None] = dict.fromkeys(workers_of_tasks())
    for name, module in sorted(sys.modules.items()):
        if any(name == package or name.startswith(f"{package}.") for package in packages):
            values = list(vars(module).values())
            found.update(dict.fromkeys(value for value in values if isinstance(value, Worker)))
    return list(found)
