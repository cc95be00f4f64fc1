"""Sends that commit with a SQLAlchemy transaction, for async and sync sessions."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from upnext.broker.job_ids import sent_at
from upnext.errors import ConfigError
from upnext.outbox.relay import Relay
from upnext.outbox.row import (
    MAX_ATTEMPTS,
    MAX_ORDER_KEY,
    ClaimedRow,
    Failure,
    ListedRow,
    OutboxBacklog,
    OutboxRow,
    Transaction,
)

try:
    from sqlalchemy import (
        BigInteger,
        Boolean,
        Column,
        Connection,
        Engine,
        Float,
        Index,
        Integer,
        MetaData,
        String,
        Table,
        Text,
        delete,
        exists,
        func,
        insert,
        select,
        update,
    )
    from sqlalchemy.exc import IntegrityError, UnboundExecutionError
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_scoped_session
    from sqlalchemy.orm import Session, registry, scoped_session
except ImportError as error:
    raise ConfigError("upnext.sqlalchemy needs SQLAlchemy 2: install upnext[sqlalchemy].") from error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from upnext.worker import Worker

AnySession: TypeAlias = "Session | AsyncSession | scoped_session[Any] | async_scoped_session[Any]"
T = TypeVar("T")

_SESSIONS = (Session, AsyncSession, scoped_session, async_scoped_session)


class Outbox:
    """A table of sends that take effect once the transaction in which they were written has committed.

    Calling it with a session gives what `event.within(...)` takes. Make one beside your models: its two tables are then
    created and migrated as the others are.

    Args:
        metadata: Your models' own, such as `Base.metadata`.
        table: The table's name; that of the second one is the same with `_lock`.

    Attributes:
        table: The table of the rows.
    """

    def __init__(self, metadata: MetaData, table: str = "upnext_outbox") -> None:
        self.table = _rows(metadata, table)
        self._lock = Table(f"{table}_lock", metadata, Column("id", Integer, primary_key=True, autoincrement=False))
        # A separate class for each table: sessions write it like your models.
        self._row_class: type[Any] = type("OutboxRow", (), {"__doc__": "A row of the outbox."})
        registry(metadata=metadata).map_imperatively(self._row_class, self.table)

    def __call__(self, session: AnySession, *, ordered_by: str | None = None) -> SessionTransaction:
        """Return the transaction that a session is in, for `event.within(...)` and `task.within(...)`.

        Args:
            session: The session, async or not; it writes the row when it is flushed.
            ordered_by: Such as "order 17": what has the same one is sent in the order in which it was written, also
                over several transactions.

        Raises:
            ConfigError: If it is not a session, its binds do not lead to the outbox, or `ordered_by` cannot be used.
        """
        transaction = SessionTransaction(session, self._row_class, ordered_by)
        _bind(session, self._row_class, self.table)
        return transaction

    def relay(
        self,
        engine: Engine | AsyncEngine,
        worker: Worker | None = None,
        *,
        batch: int = 100,
        interval: float = 0.5,
        lease: float = 60.0,
    ) -> Relay:
        """Return the relay that sends the rows; `upnext run` runs it if it is at the top level of the file.

        Args:
            engine: The engine of the database, async or not.
            worker: A worker whose server and namespace it sends to; by default those of the environment.
            batch: How many rows it claims at once.
            interval: Seconds between two looks at an outbox that was empty.
            lease: Seconds after which another relay may send what this one has claimed.

        Raises:
            ConfigError: If one of them cannot be used.
        """
        if not isinstance(cast("object", engine), (Engine, AsyncEngine)):
            raise ConfigError(f"{engine!r} cannot be used: relay() takes the Engine or AsyncEngine of your database.")
        store = _Store(_Rows(self.table, self._lock), engine)
        name = f"table {self.table.name!r}{_place(engine)}"
        return Relay(store, name, worker, batch=batch, interval=interval, lease=lease)


def _place(engine: Engine | AsyncEngine) -> str:
    """Return which database a table is in, without the user name: several may have tables of one name."""
    url = engine.url
    database = f" of {url.database}" if url.database else ""
    host = f" on {url.host}" if url.host else ""
    return f"{database}{host}:{url.port}" if host and url.port else f"{database}{host}"


def _bind(session: AnySession, row_class: type[Any], table: Table) -> None:
    """Make a session with an engine for each class write the rows to that of the metadata's other classes."""
    own: Any = session() if isinstance(session, (scoped_session, async_scoped_session)) else session
    within: Session = own.sync_session if isinstance(own, AsyncSession) else own
    try:
        within.get_bind(row_class)
    except UnboundExecutionError:
        # It has no public name, and had another name before SQLAlchemy 2.1.
        binds: dict[Any, Any] = getattr(within, "binds", None) or getattr(within, "_Session__binds", {})
        theirs = [bind for key, bind in binds.items() if getattr(key, "metadata", None) is table.metadata]
        if theirs and all(bind is theirs[0] for bind in theirs):
            within.bind_table(table, theirs[0])
        elif binds:
            raise ConfigError(
                f"The session has binds, and none of them says where table {table.name!r} is: add `outbox.table: "
                "engine` to them, with the engine of the database that the outbox is in."
            ) from None


class SessionTransaction(Transaction):
    """The transaction that a session is in."""

    def __init__(self, session: AnySession, row_class: type[Any], ordered_by: str | None) -> None:
        if not isinstance(cast("object", session), _SESSIONS):
            raise ConfigError(
                f"outbox({type(session).__name__}) cannot be used: give it the Session or AsyncSession that you commit."
            )
        super().__init__(ordered_by)
        self._session = session
        self._row_class = row_class

    def write(self, row: OutboxRow, /) -> None:
        """Add a row to the session."""
        made = self._row_class()
        for name in OutboxRow.__slots__:
            setattr(made, name, getattr(row, name))
        self._session.add(made)

    async def write_async(self, row: OutboxRow, /) -> None:
        """Add a row to the session, which needs no reply from the database."""
        self.write(row)


def _rows(metadata: MetaData, name: str) -> Table:
    return Table(
        name,
        metadata,
        # SQLite autoincrements only a column of exactly this type.
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("event_id", String(40), nullable=False, unique=True),
        Column("name", String(700), nullable=False),
        Column("is_task", Boolean, nullable=False),
        Column("body", Text, nullable=False),
        Column("headers", Text, nullable=False),
        Column("key", String(200), nullable=False),
        Column("due_at", Float(53)),
        Column("ordered_by", String(MAX_ORDER_KEY)),
        Column("attempts", Integer, nullable=False, default=0, server_default="0"),
        Column("available_at", Float(53), nullable=False, default=0.0, server_default="0"),
        Column("error", Text, nullable=False, default="", server_default=""),
        Index(f"ix_{name}_ordered_by", "ordered_by", "id"),
    )


class _Rows:
    """A relay's operations on the rows, over one connection.

    Args:
        table: The rows.
        lock: The table whose one row is locked by who claims.
    """

    def __init__(self, table: Table, lock: Table) -> None:
        self._table = table
        self._lock = lock

    def has_available(self, connection: Connection, now: float) -> bool:
        """Return whether there is anything to claim: most checks find nothing, and should lock nothing."""
        return connection.execute(select(self._table.c.id).where(*self._available(now)).limit(1)).first() is not None

    def claim(self, connection: Connection, most: int, now: float, until: float) -> list[ClaimedRow]:
        """Claim the oldest rows."""
        row = self._table.c
        self._take_turn(connection)
        found = connection.execute(select(self._table).where(*self._available(now)).order_by(row.id).limit(most)).all()
        if found:
            ids = [each.id for each in found]
            connection.execute(update(self._table).where(row.id.in_(ids)).values(available_at=until))
        names = OutboxRow.__slots__
        return [
            ClaimedRow(each.id, OutboxRow(**{name: getattr(each, name) for name in names}), each.attempts)
            for each in found
        ]

    def settle(
        self, connection: Connection, sent: Sequence[int], failed: Sequence[Failure], released: Sequence[int]
    ) -> None:
        """Delete sent rows, record failures, and release the others."""
        row = self._table.c
        if sent:
            connection.execute(delete(self._table).where(row.id.in_(sent)))
        for each in failed:
            noted: dict[str, object] = {"attempts": each.attempts, "available_at": each.available_at}
            if each.error is not None:
                noted["error"] = each.error
            connection.execute(update(self._table).where(row.id == each.id).values(noted))
        if released:
            connection.execute(update(self._table).where(row.id.in_(released)).values(available_at=0.0))

    def backlog(self, connection: Connection) -> OutboxBacklog:
        """Count the rows."""
        row = self._table.c
        is_waiting = row.attempts < MAX_ATTEMPTS
        waiting, set_aside = (
            connection.execute(select(func.count()).select_from(self._table).where(which)).scalar_one()
            for which in (is_waiting, ~is_waiting)
        )
        first = connection.execute(select(row.event_id).where(is_waiting).order_by(row.id).limit(1)).scalar()
        return OutboxBacklog(waiting, set_aside, None if first is None else sent_at(first))

    def listed(self, connection: Connection, most: int, *, set_aside: bool) -> list[ListedRow]:
        """Return the oldest rows."""
        row = self._table.c
        names = ListedRow.__slots__
        query = select(*(row[name] for name in names)).order_by(row.id).limit(most)
        found = connection.execute(query.where(row.attempts >= MAX_ATTEMPTS) if set_aside else query)
        return [ListedRow(**each) for each in found.mappings()]

    def retry(self, connection: Connection, ids: Sequence[int] | None) -> int:
        """Let rows that were set aside be sent again."""
        row = self._table.c
        again = update(self._table).where(row.attempts >= MAX_ATTEMPTS).values(attempts=0, available_at=0.0)
        return connection.execute(again if ids is None else again.where(row.id.in_(ids))).rowcount

    def purge(self, connection: Connection, ids: Sequence[int] | None) -> int:
        """Delete rows that were set aside."""
        row = self._table.c
        gone = delete(self._table).where(row.attempts >= MAX_ATTEMPTS)
        return connection.execute(gone if ids is None else gone.where(row.id.in_(ids))).rowcount

    def _take_turn(self, connection: Connection) -> None:
        """Block every other relay until this transaction ends, in any database: they all write the same row first.

        Rows that are locked one by one would not do: who takes the next ones must see which earlier ones are claimed.
        """
        if connection.execute(update(self._lock).values(id=1)).rowcount == 0:
            connection.execute(insert(self._lock).values(id=1))

    def _available(self, now: float) -> tuple[Any, ...]:
        row, earlier = self._table.c, self._table.alias("earlier")
        held_up = exists().where(
            earlier.c.ordered_by == row.ordered_by,
            earlier.c.id < row.id,
            earlier.c.attempts < MAX_ATTEMPTS,
            earlier.c.available_at > now,
        )
        return row.attempts < MAX_ATTEMPTS, row.available_at <= now, ~held_up


class _Store:
    """The rows; each call has its own transaction, in a thread or, with an async engine, in the event loop.

    Args:
        rows: The rows.
        engine: The engine.
    """

    def __init__(self, rows: _Rows, engine: Engine | AsyncEngine) -> None:
        self._rows = rows
        self._engine = engine
        self._thread: ThreadPoolExecutor | None = None

    async def claim(self, most: int, now: float, until: float) -> Sequence[ClaimedRow]:
        """Claim the oldest rows."""
        if not await self._within_transaction(lambda connection: self._rows.has_available(connection, now)):
            return []
        try:
            return await self._within_transaction(lambda connection: self._rows.claim(connection, most, now, until))
        except IntegrityError:  # another relay took the very first turn at the same moment
            return []

    async def settle(self, sent: Sequence[int], failed: Sequence[Failure], released: Sequence[int]) -> None:
        """Settle what was claimed."""
        await self._within_transaction(lambda connection: self._rows.settle(connection, sent, failed, released))

    async def backlog(self) -> OutboxBacklog:
        """Count the rows."""
        return await self._within_transaction(self._rows.backlog)

    async def listed(self, most: int, *, set_aside: bool) -> Sequence[ListedRow]:
        """Return the oldest rows."""
        return await self._within_transaction(
            lambda connection: self._rows.listed(connection, most, set_aside=set_aside)
        )

    async def retry(self, ids: Sequence[int] | None) -> int:
        """Let rows that were set aside be sent again."""
        return await self._within_transaction(lambda connection: self._rows.retry(connection, ids))

    async def purge(self, ids: Sequence[int] | None) -> int:
        """Delete rows that were set aside."""
        return await self._within_transaction(lambda connection: self._rows.purge(connection, ids))

    async def close(self) -> None:
        """End the thread, and leave the engine to its owner."""
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None

    async def _within_transaction(self, work: Callable[[Connection], T]) -> T:
        engine = self._engine
        if isinstance(engine, AsyncEngine):
            async with engine.begin() as connection:
                return await connection.run_sync(work)

        def run() -> T:
            with engine.begin() as connection:
                return work(connection)

        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="upnext-relay")
        return await asyncio.get_running_loop().run_in_executor(self._thread, run)
