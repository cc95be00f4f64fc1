"""Writes a send to an outbox: checked and encoded like any other, then stored in the user's transaction."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NoReturn

from upnext.broker.idempotency import task_scope
from upnext.broker.job_ids import in_partition, new_outbox_id
from upnext.broker.partitioned_publisher import place_of
from upnext.broker.publish_batcher import Published
from upnext.connect import run_blocking
from upnext.errors import ConfigError
from upnext.job_wait import DEFAULT, Timeout
from upnext.outbox.row import OutboxRow, Transaction
from upnext.receipt import Job, Receipt
from upnext.sending import has_hooks, take
from upnext.transport import is_diverted

if TYPE_CHECKING:
    from upnext.registry import Registry
    from upnext.transport import OutgoingMessage


class OutboxReceipt(Receipt):
    """The receipt of a send within a transaction: its jobs are created after the commit."""

    async def results(self, timeout: Timeout = DEFAULT) -> NoReturn:  # noqa: ARG002
        """Raise an error: there is nothing to wait for yet.

        Raises:
            ConfigError: Always.
        """
        raise not_sent_yet("Event", self.event_id, "upnext.Receipt.of(event_id).results()")


class OutboxJob(Job[Any]):
    """The job of a task submitted within a transaction."""

    async def result(self, timeout: Timeout = DEFAULT) -> NoReturn:  # noqa: ARG002
        """Raise an error: there is nothing to wait for yet.

        Raises:
            ConfigError: Always.
        """
        raise not_sent_yet("Job", self.id, "upnext.Job.of(job_id).result()")

    async def state(self) -> NoReturn:
        """Raise an error: there is no job yet.

        Raises:
            ConfigError: Always.
        """
        raise not_sent_yet("Job", self.id, "upnext.Job.of(job_id).state()")


def not_sent_yet(kind: str, identity: str, way_out: str) -> ConfigError:
    """Return the error of a wait for a send that no relay has taken out of the outbox."""
    return ConfigError(
        f"{kind} {identity} is in the outbox of a transaction, and is sent after its commit: "
        f"nothing can be waited for here. Once its relay has sent it, {way_out} can."
    )


def check_transaction(transaction: object) -> Transaction:
    """Return the argument of `within`, checked.

    Raises:
        ConfigError: If it is the transaction of no outbox.
    """
    if isinstance(transaction, Transaction):
        return transaction
    raise ConfigError(
        f"within({type(transaction).__name__}) cannot be used: give it outbox(session), where outbox is an "
        "upnext.sqlalchemy.Outbox, or outbox() from upnext.django."
    )


def write(transaction: Transaction, message: OutgoingMessage, registry: Registry) -> Published:
    """Write a send to a transaction, from synchronous code; a test that captures sends gets it instead."""
    if is_diverted():
        return run_blocking(write_async(transaction, message, registry))
    published = Published(_event_id(message), ())
    if has_hooks(registry):
        # They may be async, and the transaction may belong to this thread: so they are left before the row is written.
        run_blocking(_pass_hooks(message, registry, published))
    transaction.write(_row(published.event_id, message, transaction))
    return published


async def write_async(transaction: Transaction, message: OutgoingMessage, registry: Registry) -> Published:
    """Do the same from a coroutine."""
    if is_diverted():
        return await take(message, registry)
    published = Published(_event_id(message), ())

    async def write_row() -> Published:
        await transaction.write_async(_row(published.event_id, message, transaction))
        return published

    return await take(message, registry, write_row)


async def _pass_hooks(message: OutgoingMessage, registry: Registry, published: Published) -> None:
    async def nothing_more() -> Published:
        return published

    await take(message, registry, nothing_more)


def _event_id(message: OutgoingMessage) -> str:
    """Create the id that the server will give the event: with several partitions, the key decides which."""
    event_id, partitions = new_outbox_id(), message.settings.partitions
    if partitions == 1:
        return event_id
    scope = task_scope(message.handlers[0].id) if message.is_task else message.name
    place = place_of(scope, message.key or event_id, partitions)
    return in_partition(event_id, place)


def _row(event_id: str, message: OutgoingMessage, transaction: Transaction) -> OutboxRow:
    return OutboxRow(
        event_id=event_id,
        name=message.handlers[0].id if message.is_task else message.name,
        is_task=message.is_task,
        body=message.body.decode(),
        headers=json.dumps(message.headers) if message.headers else "",
        key=message.key or event_id.partition("-")[0],
        due_at=time.time() + message.delay if message.delay else None,
        ordered_by=transaction.ordered_by,
    )
