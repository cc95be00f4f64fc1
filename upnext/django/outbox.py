"""Sends that commit with a Django transaction, and the relay that delivers them."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS, IntegrityError, close_old_connections, connections, transaction
from django.db.models import Exists, OuterRef

from upnext.broker.job_ids import sent_at
from upnext.outbox.relay import Relay
from upnext.outbox.row import MAX_ATTEMPTS, ClaimedRow, Failure, ListedRow, OutboxBacklog, OutboxRow, Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.models import QuerySet

    from upnext.django import models
    from upnext.worker import Worker

T = TypeVar("T")


def outbox(*, using: str = DEFAULT_DB_ALIAS, ordered_by: str | None = None) -> DjangoTransaction:
    """Return the current transaction of a database, for `event.within(...)` and `task.within(...)`.

    Outside of `transaction.atomic()` the row counts at once, as everything that Django writes there.

    Args:
        using: The database, as `DATABASES` names it.
        ordered_by: Such as "order 17": what has the same one is sent in the order in which it was written, also over
            several transactions.

    Raises:
        ConfigError: If `ordered_by` cannot be used.
        django.db.utils.ConnectionDoesNotExist: If there is no such database.
    """
    return DjangoTransaction(using, ordered_by)


def relay(
    worker: Worker | None = None,
    *,
    using: str = DEFAULT_DB_ALIAS,
    batch: int = 100,
    interval: float = 0.5,
    lease: float = 60.0,
) -> Relay:
    """Return the relay of a database; `manage.py upnext_worker` runs them by itself.

    Args:
        worker: A worker whose server and namespace it sends to; by default those of the environment.
        using: The database.
        batch: How many rows it claims at once.
        interval: Seconds between two looks at an outbox that was empty.
        lease: Seconds after which another relay may send what this one has claimed.

    Raises:
        ConfigError: If one of them cannot be used.
    """
    return Relay(_Store(using), f"database {using!r}", worker, batch=batch, interval=interval, lease=lease)


class DjangoTransaction(Transaction):
    """The current transaction of a database."""

    def __init__(self, using: str, ordered_by: str | None) -> None:
        super().__init__(ordered_by)
        _ = connections[using]  # raises if there is no such database
        self._using = using

    def write(self, row: OutboxRow, /) -> None:
        """Insert the row."""
        _rows(self._using).create(**{name: getattr(row, name) for name in OutboxRow.__slots__})

    async def write_async(self, row: OutboxRow, /) -> None:
        """Insert the row, in the thread that async code uses Django's models in."""
        await sync_to_async(self.write)(row)


class _Store:
    """The rows of a database, in a thread with its own connection.

    Args:
        using: The database.
    """

    def __init__(self, using: str) -> None:
        self._using = using
        self._thread: ThreadPoolExecutor | None = None

    async def claim(self, most: int, now: float, until: float) -> Sequence[ClaimedRow]:
        """Claim the oldest rows."""
        return await self._in_thread(lambda: self._claim(most, now, until))

    async def settle(self, sent: Sequence[int], failed: Sequence[Failure], released: Sequence[int]) -> None:
        """Settle what was claimed."""
        await self._in_thread(lambda: self._settle(sent, failed, released))

    async def backlog(self) -> OutboxBacklog:
        """Count the rows."""
        return await self._in_thread(self._backlog)

    async def listed(self, most: int, *, set_aside: bool) -> Sequence[ListedRow]:
        """Return the oldest rows."""
        return await self._in_thread(lambda: self._listed(most, set_aside=set_aside))

    async def retry(self, ids: Sequence[int] | None) -> int:
        """Let rows that were set aside be sent again."""
        return await self._in_thread(lambda: self._retry(ids))

    async def purge(self, ids: Sequence[int] | None) -> int:
        """Delete rows that were set aside."""
        return await self._in_thread(lambda: self._set_aside(ids).delete()[0])

    async def close(self) -> None:
        """Close the connection and end the thread."""
        if self._thread is not None:
            await self._in_thread(self._close)
            self._thread.shutdown(wait=False)
            self._thread = None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        def run() -> T:
            close_old_connections()  # a broken one is opened again
            return work()

        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="upnext-relay")
        return await asyncio.get_running_loop().run_in_executor(self._thread, run)

    def _close(self) -> None:
        connections[self._using].close()  # this thread's

    def _claim(self, most: int, now: float, until: float) -> list[ClaimedRow]:
        if not self._available(now).exists():  # most queries find nothing, and should lock nothing
            return []
        try:
            with transaction.atomic(using=self._using):
                self._take_turn()
                found = list(self._available(now).order_by("id")[:most])
                _rows(self._using).filter(id__in=[each.id for each in found]).update(available_at=until)
        except IntegrityError:  # another relay took the very first turn at the same moment
            return []
        names = OutboxRow.__slots__
        return [
            ClaimedRow(each.id, OutboxRow(**{name: getattr(each, name) for name in names}), each.attempts)
            for each in found
        ]

    def _settle(self, sent: Sequence[int], failed: Sequence[Failure], released: Sequence[int]) -> None:
        with transaction.atomic(using=self._using):
            _rows(self._using).filter(id__in=sent).delete()
            for each in failed:
                noted: dict[str, Any] = {"attempts": each.attempts, "available_at": each.available_at}
                if each.error is not None:
                    noted["error"] = each.error
                _rows(self._using).filter(id=each.id).update(**noted)
            _rows(self._using).filter(id__in=released).update(available_at=0.0)

    def _backlog(self) -> OutboxBacklog:
        waiting = _rows(self._using).filter(attempts__lt=MAX_ATTEMPTS)
        first = waiting.order_by("id").values_list("event_id", flat=True).first()
        set_aside = _rows(self._using).filter(attempts__gte=MAX_ATTEMPTS)
        return OutboxBacklog(waiting.count(), set_aside.count(), None if first is None else sent_at(first))

    def _listed(self, most: int, *, set_aside: bool) -> list[ListedRow]:
        rows = _rows(self._using).filter(attempts__gte=MAX_ATTEMPTS if set_aside else 0)
        return [ListedRow(**each) for each in rows.order_by("id").values(*ListedRow.__slots__)[:most]]

    def _retry(self, ids: Sequence[int] | None) -> int:
        return self._set_aside(ids).update(attempts=0, available_at=0.0)

    def _set_aside(self, ids: Sequence[int] | None) -> QuerySet[models.OutboxRow]:
        rows = _rows(self._using).filter(attempts__gte=MAX_ATTEMPTS)
        return rows if ids is None else rows.filter(id__in=ids)

    def _take_turn(self) -> None:
        """Block every other relay until this transaction ends: they all write the same row first."""
        lock = _lock(self._using)
        if lock.update(id=1) == 0:
            lock.create(id=1)

    def _available(self, now: float) -> QuerySet[models.OutboxRow]:
        rows = _rows(self._using)
        held_up = rows.filter(
            ordered_by=OuterRef("ordered_by"), id__lt=OuterRef("id"), attempts__lt=MAX_ATTEMPTS, available_at__gt=now
        )
        return rows.filter(~Exists(held_up), attempts__lt=MAX_ATTEMPTS, available_at__lte=now)


# The models can be imported only once Django has been set up, and this module before that.


def _rows(using: str) -> QuerySet[models.OutboxRow]:
    from upnext.django.models import OutboxRow  # noqa: PLC0415

    return OutboxRow.objects.using(using)


def _lock(using: str) -> QuerySet[models.OutboxLock]:
    from upnext.django.models import OutboxLock  # noqa: PLC0415

    return OutboxLock.objects.using(using)
