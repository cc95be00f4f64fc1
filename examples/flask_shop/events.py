from models import Order, engine
from sqlalchemy.orm import Session

import upnext

worker = upnext.Worker("shop")
order_placed = worker.event("order.placed")


@order_placed.on(retries=3)
def confirm(order_id: str) -> None:
    with Session(engine) as session, session.begin():
        order = session.get_one(Order, order_id)
        order.is_confirmed = True
