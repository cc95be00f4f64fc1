from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from events import order_placed, worker
from litestar import Litestar, get, post
from litestar.di import NamedDependency, Provide
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody
from models import Base, Order, engine, outbox
from sqlalchemy.ext.asyncio import AsyncSession


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with worker.running(outbox.relay(engine, worker)):
        yield
    await engine.dispose()


async def open_session() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine) as session:
        yield session


@dataclass
class NewOrder:
    id: str


@post("/orders", status_code=202)
async def place_order(data: JSONBody[NewOrder], session: NamedDependency[AsyncSession]) -> NewOrder:
    session.add(Order(id=data.id))
    await order_placed.within(outbox(session)).send(order_id=data.id)
    await session.commit()
    return data


@get("/orders/{order_id:str}")
async def show_order(order_id: FromPath[str], session: NamedDependency[AsyncSession]) -> dict[str, bool]:
    order = await session.get(Order, order_id)
    if order is None:
        raise NotFoundException
    return {"is_confirmed": order.is_confirmed}


app = Litestar([place_order, show_order], dependencies={"session": Provide(open_session)}, lifespan=[lifespan])
