"""`send` that is bound to a name, stored or half applied before it is called."""

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import upnext

from shop.events import order_placed, order_shipped
from shop.handlers import confirm
from shop.tasks import mail


# feature: `send` under another name, `functools.partial`, as an argument
@dataclass
class Shop:
    announce: Callable[[], Awaitable[upnext.Receipt]]


async def good() -> None:
    fire = order_placed.send
    await fire(order_id="1", user_id="2")
    through = confirm.send
    await through(order_id="1", user_id="2", gift=True)
    later = order_placed.options(delay=60)
    await later.send(order_id="1", user_id="2")
    half = functools.partial(order_placed.send, order_id="1")
    await half(user_id="2")
    shop = Shop(announce=functools.partial(order_shipped.send, order_id="1"))
    await shop.announce()
    event = order_placed
    await event.send(order_id="1", user_id="2")


async def bad() -> None:
    fire = order_placed.send
    await fire(order_id="1")  # E
    await fire(order_id="1", user_id=2)  # E
    through = confirm.send
    await through(order_id="1")  # E
    later = order_placed.options(delay=60)
    await later.send(order_id="1")  # E
    now = order_placed.send_sync
    now(order_id="1")  # E
    functools.partial(order_placed.send, order_id=1)  # E
    half = functools.partial(order_placed.send, order_id="1")
    await half(user_id=2)  # E
    event = order_placed
    await event.send(order_id="1")  # E
    await [order_placed.send(order_id=n, user_id="2") for n in range(3)][0]  # E


def bad_as_an_argument() -> Shop:
    return Shop(announce=order_placed.send)  # E


# feature: `send` and `submit` kept in attributes
class Mailer:
    def __init__(self) -> None:
        self.announce = order_placed.send
        self.announce_now = order_placed.send_sync
        self.announce_later = order_placed.options(delay=60).send
        self.confirm = confirm.send
        self.confirm_later = confirm.options(delay=60).send_sync
        self.sender = order_placed.options(delay=60)
        self.event = order_placed
        self.handler = confirm
        self.mail = mail.submit
        self.mail_later = mail.options(delay=60).submit_sync

    async def good(self) -> None:
        await self.announce(order_id="1", user_id="2")
        self.announce_now(order_id="1", user_id="2")
        await self.announce_later(order_id="1", user_id="2")
        await self.confirm(order_id="1", user_id="2", gift=True)
        self.confirm_later(order_id="1", user_id="2")
        await self.sender.send(order_id="1", user_id="2")
        await self.event.send(order_id="1", user_id="2")
        await self.handler.send(order_id="1", user_id="2")
        await self.mail("a@example.org")
        self.mail_later("a@example.org")

    async def bad(self) -> None:
        await self.announce(order_id="1")  # E
        self.announce_now(order_id=1, user_id="2")  # E
        await self.announce_later(order_id="1")  # E
        await self.confirm(order_id="1", user_id=2)  # E
        self.confirm_later(order_id="1")  # E
        await self.sender.send(order_id="1")  # E
        await self.event.send(order_id="1")  # E
        await self.handler.send(order_id="1")  # E
        await self.mail()  # E
        self.mail_later(1)  # E


class Announcer(Mailer):
    """It has the names of a class above, and of a send."""

    def send(self) -> None: ...

    async def good(self) -> None:
        await self.announce(order_id="1", user_id="2")
        self.send()
