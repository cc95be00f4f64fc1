"""Events behind protocols, handlers below other decorators and in classes, names by keyword."""

import functools
from collections.abc import Awaitable, Callable
from typing import Annotated, ParamSpec, Protocol, TypeVar, assert_type

import upnext

from shop.events import order_placed, order_shipped, worker

P = ParamSpec("P")
R = TypeVar("R")


# feature: events behind a `Protocol`, handlers below other decorators and in classes
class SendsOrders(Protocol):
    async def send(self, *, order_id: str, user_id: str) -> upnext.Receipt: ...


def logged(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    @functools.wraps(function)
    async def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        return await function(*args, **kwargs)

    return inner


@order_placed.on
@logged
async def measure(order_id: str, **kwargs: object) -> float:
    return 0.0


class Parcels:
    @order_shipped.on
    @staticmethod
    def pack(order_id: str, **kwargs: object) -> int:
        return 1


@worker.task
async def sweep(context: upnext.Context | None, days: int = 1) -> int:
    return days


@worker.task
def count(context: Annotated[upnext.Context, "injected"], days: int) -> int:
    return days


async def place(sender: SendsOrders) -> None:
    await sender.send(order_id="1", user_id="2")
    await sender.send(order_id="1")  # E


async def good() -> None:
    await place(order_placed)
    await place(measure)
    await measure.send(order_id="1", user_id="2")
    assert_type(await measure("1"), float)
    await Parcels.pack.send(order_id="1")
    assert_type(Parcels.pack("1", since=2), int)
    await worker.event(name="order.placed").send(order_id="1", user_id="2")
    await worker.event("order.audited", extra="forbid").send(order_id="1")
    assert_type(await sweep.submit(), upnext.Job[int])
    assert_type(await count.wait(days=3), int)


async def bad() -> None:
    await place(order_shipped)  # E
    await measure.send(order_id="1")  # E
    await measure(1)  # E
    await Parcels.pack.send(order_id=1)  # E
    Parcels.pack()  # E
    await worker.event(name="order.placed").send(order_id="1")  # E
    await worker.event("order.audited", extra="forbid").send(order_id="1", note="x")  # E
    await functools.partial(order_placed.send)(order_id="1")  # E
    await sweep.submit(days="1")  # E
    await count.wait()  # E


async def bad_results() -> None:
    try:
        await (await order_placed.send(order_id="1", user_id="2")).results()
    except upnext.JobFailedError as error:
        assert_type((error.job_id, error.handler, error.reason), tuple[str, str, str])
        assert_type(error.job_id, int)  # E
