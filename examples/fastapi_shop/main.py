from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from events import order_placed, worker
from fastapi import Depends, FastAPI, HTTPException
from models import Base, Order, engine, outbox
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with worker.running(outbox.relay(engine, worker)):
        yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


async def open_session() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine) as session:
        yield session


Session = Annotated[AsyncSession, Depends(open_session)]


class NewOrder(BaseModel):
    id: str


@app.post("/orders", status_code=202)
async def place_order(order: NewOrder, session: Session) -> NewOrder:
    session.add(Order(id=order.id))
    await order_placed.within(outbox(session)).send(order_id=order.id)
    await session.commit()
    return order


@app.get("/orders/{order_id}")
async def show_order(order_id: str, session: Session) -> dict[str, bool]:
    order = await session.get(Order, order_id)
    if order is None:
        raise HTTPException(404)
    return {"is_confirmed": order.is_confirmed}
