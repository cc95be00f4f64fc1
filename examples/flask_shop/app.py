from events import order_placed
from flask import Flask, abort, request
from models import Base, Order, engine, outbox
from sqlalchemy.orm import Session

app = Flask(__name__)
Base.metadata.create_all(engine)


@app.post("/orders")
def place_order() -> tuple[dict[str, str], int]:
    order_id = str(request.get_json()["id"])
    with Session(engine) as session, session.begin():
        session.add(Order(id=order_id))
        order_placed.within(outbox(session)).send_sync(order_id=order_id)
    return {"id": order_id}, 202


@app.get("/orders/<order_id>")
def show_order(order_id: str) -> dict[str, bool]:
    with Session(engine) as session:
        order = session.get(Order, order_id)
        if order is None:
            abort(404)
        return {"is_confirmed": order.is_confirmed}
