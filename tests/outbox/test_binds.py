"""Sessions that have an engine for each class or table: the outbox goes where its metadata's tables go."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker, create_async_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    declarative_base,
    mapped_column,
    scoped_session,
    sessionmaker,
)

import upnext
from upnext.sqlalchemy import Outbox


class Base(DeclarativeBase):
    """The application's own."""


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)


class Other(DeclarativeBase):
    """Of another database."""


Older: Any = declarative_base()
outbox = Outbox(Base.metadata)
older_outbox = Outbox(Older.metadata)
placed = upnext.Worker("shop", redis_url="redis://127.0.0.1:1").event("order.placed")


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    made = create_engine(f"sqlite:///{tmp_path}/own.db")
    for metadata in (Base.metadata, Older.metadata):
        metadata.create_all(made)
    return made


@pytest.fixture
def elsewhere(tmp_path: Path) -> Engine:
    return create_engine(f"sqlite:///{tmp_path}/elsewhere.db")


def rows(engine: Engine, box: Outbox = outbox) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(box.table)).scalar_one()


@pytest.mark.parametrize(
    ("keys", "box"),
    [
        ((Base,), outbox),
        ((Order,), outbox),
        ((Order.__table__,), outbox),
        ((Base, Order), outbox),
        ((Older,), older_outbox),
    ],
    ids=["Base", "class", "table", "both", "declarative_base"],
)
@pytest.mark.parametrize("scoped", [False, True])
def test_the_outbox_is_bound_as_the_classes_of_its_metadata_are(
    engine: Engine, elsewhere: Engine, keys: tuple[Any, ...], box: Outbox, *, scoped: bool
) -> None:
    """Beside those of another database."""
    binds: dict[Any, Any] = {**dict.fromkeys(keys, engine), Other: elsewhere}
    session: Any = scoped_session(sessionmaker(binds=binds)) if scoped else Session(binds=binds)
    for n in range(2):
        placed.within(box(session)).send_sync(n=n)
    session.commit()
    session.close()
    assert rows(engine, box) == 2


async def test_the_outbox_of_an_async_session_is_too(engine: Engine) -> None:
    """Also of a scoped one."""
    own = create_async_engine(str(engine.url).replace("sqlite:", "sqlite+aiosqlite:"))
    async with AsyncSession(binds={Base: own}) as session:
        await placed.within(outbox(session)).send(n=1)
        await session.commit()
    scoped = async_scoped_session(async_sessionmaker(binds={Base: own}), asyncio.current_task)
    await placed.within(outbox(scoped)).send(n=2)
    await scoped.commit()
    await scoped.remove()
    await own.dispose()
    assert rows(engine) == 2


def test_a_session_that_does_not_say_where_the_outbox_is_gets_the_way_out(engine: Engine, elsewhere: Engine) -> None:
    """At the send, and not at the commit; and what the session says itself holds."""
    with Session(binds={Other: elsewhere}) as session, pytest.raises(upnext.ConfigError) as refused:
        outbox(session)
    assert str(refused.value) == (
        "The session has binds, and none of them says where table 'upnext_outbox' is: add "
        "`outbox.table: engine` to them, with the engine of the database that the outbox is in."
    )
    with Session(binds={Base: elsewhere, Order: engine}) as session, pytest.raises(upnext.ConfigError):
        outbox(session)
    with Session(binds={Other: elsewhere, outbox.table: engine}) as session:
        placed.within(outbox(session)).send_sync(n=1)
        session.commit()
    with Session(engine, binds={Other: elsewhere}) as session:
        placed.within(outbox(session)).send_sync(n=2)
        session.commit()
    assert rows(engine) == 2
