"""The example application of Django, set up in this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from upnext import Worker
from upnext.outbox.relay import Relay
from upnext.outbox.row import Transaction

EXAMPLE = Path(__file__).parents[2] / "examples" / "django_shop"


def set_up(database: str) -> None:
    """Set Django up, once in a process, with SQLite in that file."""
    import django

    os.environ |= {"DATABASE": database, "DJANGO_SETTINGS_MODULE": "mysite.settings"}
    if str(EXAMPLE) not in sys.path:
        sys.path.insert(0, str(EXAMPLE))
    django.setup()


class _RolledBackError(Exception):
    pass


class DjangoShop:
    """A shop whose orders are in a database of Django, for tests.outbox.killing."""

    def __init__(self, url: str) -> None:
        set_up(url.partition("///")[2])

    def create(self) -> None:
        """Make the tables, empty."""
        from django.core.management import call_command

        Path(os.environ["DATABASE"]).unlink(missing_ok=True)
        call_command("migrate", verbosity=0)

    @contextmanager
    def transaction(self, *, commits: bool) -> Iterator[None]:
        """Give a transaction, which is then committed or rolled back."""
        from django.db import transaction

        with suppress(_RolledBackError), transaction.atomic():
            yield
            if not commits:
                raise _RolledBackError

    def add_order(self, transaction: None, number: int) -> None:
        """Write an order."""
        self._orders.create(number=number)

    def outbox(self, transaction: None, ordered_by: str) -> Transaction:
        """Give what sends are within."""
        from upnext.django import outbox

        return outbox(ordered_by=ordered_by)

    def relay(self, worker: Worker, **options: Any) -> Relay:
        """Give the relay."""
        from upnext.django import relay

        return relay(worker, **options)

    def count(self) -> int:
        """Return how many rows are in the outbox."""
        from upnext.django.models import OutboxRow

        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # the rig asks from an event loop
        return OutboxRow.objects.count()

    def orders(self) -> list[int]:
        """Return the orders that are committed."""
        return list(self._orders.order_by("number").values_list("number", flat=True))

    @property
    def _orders(self) -> Any:
        from orders.models import Order

        return Order.objects
