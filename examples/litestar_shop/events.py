from models import Order, engine
from sqlalchemy.ext.asyncio import AsyncSession

import upnext

worker = upnext.Worker("shop")
order_placed = worker.event("order.placed")


@order_placed.on(retries=3)
async def confirm(order_id: str) -> None:
    async with AsyncSession(engine) as session, session.begin():
        order = await session.get_one(Order, order_id)
        order.is_confirmed = True
