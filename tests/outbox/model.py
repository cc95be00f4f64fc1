"""What the tests of the outbox send, and what has arrived on the server of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import MetaData, create_engine, event, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tests.outbox.django_shop import DjangoShop
from tests.runtime.running import running
from tests.servers import Server
from tests.waiting import wait_until_async
from upnext import Worker
from upnext.broker.job_ids import unpack
from upnext.connect import broker_for
from upnext.outbox.relay import Relay
from upnext.outbox.row import ClaimedRow, OutboxStore, Transaction
from upnext.sqlalchemy import Outbox


class Base(DeclarativeBase):
    metadata = MetaData()


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)


outbox = Outbox(Base.metadata)


async def arrived(worker: Worker, *handlers: str) -> list[dict[str, Any]]:
    """Return the payloads of what waits for handlers, in the order in which it arrived there."""
    namespace = await broker_for(worker.registry.settings)
    found: list[dict[str, Any]] = []
    for handler in handlers:
        partition = namespace.partition(0)
        for entry in await partition.link.command("LRANGE", partition.keys.queue(handler), 0, -1):
            event_id = entry.decode().rpartition(".")[0]
            envelope = await partition.link.command("HGET", partition.keys.events, event_id)
            body = unpack(envelope)
            assert body is not None
            found.append({"event_id": event_id, **json.loads(body)})
    return found


class CountedClaims:
    """The rows of a relay, and which of them were claimed, each time."""

    def __init__(self, store: OutboxStore) -> None:
        self._store = store
        self.claimed: list[int] = []

    async def claim(self, most: int, now: float, until: float) -> Sequence[ClaimedRow]:
        rows = await self._store.claim(most, now, until)
        self.claimed += [row.id for row in rows]
        return rows

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def send_beside_a_relay(relay: Relay, server: Server, write: Callable[[range], None]) -> list[int]:
    """Have calls of `send_all`, in the event loop and in threads, share the work of a relay that runs.

    The relay's batch is 5, and there are 20 rows. All calls begin while the relay waits for a server that does not
    answer, so that those that find nothing end while others send.

    Returns:
        How many rows each call has sent.
    """
    relay.store = claims = CountedClaims(relay.store)  # type: ignore[assignment]  # a part of it
    async with running(relay):
        server.pause()
        try:
            await asyncio.to_thread(write, range(5))
            await wait_until_async(lambda: len(claims.claimed) == 5)
            await asyncio.to_thread(write, range(5, 15))
            calls = [asyncio.create_task(relay.send_all()) for _ in range(3)]
            calls += [asyncio.create_task(asyncio.to_thread(relay.send_all_sync)) for _ in range(2)]
            await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)  # one that finds nothing more
            await wait_until_async(lambda: len(claims.claimed) == 15)
            await asyncio.to_thread(write, range(15, 20))
        finally:
            server.resume()
        sent = await asyncio.gather(*calls)
        await wait_until_async(lambda: len(claims.claimed) == 20)
    assert len(set(claims.claimed)) == 20, "each row was claimed once"
    return sent


class SqlalchemyShop:
    """A shop whose orders are in a database of SQLAlchemy."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url)
        if self.engine.dialect.name == "sqlite":
            # The tests kill processes, and no machine.
            event.listen(self.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))

    def create(self) -> None:
        """Make the tables, empty."""
        Base.metadata.drop_all(self.engine)
        Base.metadata.create_all(self.engine)

    @contextmanager
    def transaction(self, *, commits: bool) -> Iterator[Session]:
        """Give a session, which is then committed or rolled back."""
        with Session(self.engine) as session:
            yield session
            if commits:
                session.commit()

    def add_order(self, session: Session, number: int) -> None:
        """Write an order."""
        session.add(Order(id=number))
        session.flush()

    def outbox(self, session: Session, ordered_by: str) -> Transaction:
        """Give what sends are within."""
        return outbox(session, ordered_by=ordered_by)

    def relay(self, worker: Worker, **options: Any) -> Relay:
        """Give the relay."""
        return outbox.relay(self.engine, worker, **options)

    def count(self) -> int:
        """Return how many rows are in the outbox."""
        with self.engine.begin() as connection:
            return connection.execute(select(func.count()).select_from(outbox.table)).scalar_one()

    def orders(self) -> list[int]:
        """Return the orders that are committed."""
        with self.engine.begin() as connection:
            return list(connection.execute(select(Order.id).order_by(Order.id)).scalars())


def shop_at(url: str) -> SqlalchemyShop | DjangoShop:
    """Return what keeps a shop's orders at this address: SQLAlchemy's, or django:///FILE."""
    return DjangoShop(url) if url.startswith("django:") else SqlalchemyShop(url)
