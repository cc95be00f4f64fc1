"""One broker for each event loop, and a loop of our own for code that has none."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from upnext.broker.failures import FailureKind, classify
from upnext.broker.namespace import Namespace
from upnext.broker.redis_types import RedisConnectionError, RedisError
from upnext.errors import BrokerRefusedError, BrokerUnavailableError
from upnext.settings import without_password

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine

    from upnext.broker.broker import Broker
    from upnext.settings import Settings

T = TypeVar("T")

# The server's address, the namespace, how many of its partitions are sent to, and the deadline of a send.
Address: TypeAlias = tuple[str, str, int, float]

_brokers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Address, Namespace]] = weakref.WeakKeyDictionary()
_guards: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[None, None]] = weakref.WeakKeyDictionary()
_urls: dict[Path, str] = {}
_closing: set[asyncio.Future[None]] = set()
# Who was asked for last, and in which loop: most processes send to one namespace from one loop.
_last: tuple[weakref.ref[asyncio.AbstractEventLoop], Settings, Namespace] | None = None


def resolve_url(settings: Settings) -> str:
    """Return the server's address; without one configured, that of the embedded server, started if need be.

    Blocks while the embedded server starts.

    Raises:
        ConfigError: If no address is configured and there is no embedded server here.
    """
    if settings.redis_url is not None:
        return settings.redis_url
    from upnext import embedded  # noqa: PLC0415  # only development needs it

    here = Path.cwd()
    if here not in _urls:
        _urls[here] = embedded.server_url()
    return _urls[here]


def connected(settings: Settings) -> Namespace | None:
    """Return what `broker_for` last returned for these settings in this loop, None if that is to be looked up."""
    last = _last
    return last[2] if last is not None and last[1] is settings and last[0]() is asyncio.get_running_loop() else None


async def broker_for(settings: Settings) -> Namespace:
    """Return the running loop's way to a namespace, connected when it is first used and closed with the loop."""
    global _last  # noqa: PLW0603  # one for the process
    loop, last = asyncio.get_running_loop(), _last
    if last is not None and last[1] is settings and last[0]() is loop:
        return last[2]
    url = settings.redis_url
    if url is None:
        url = await asyncio.to_thread(resolve_url, settings)
    brokers = _brokers.setdefault(loop, {})
    address = (url, settings.namespace, settings.partitions, settings.send_deadline)
    if address not in brokers:
        brokers[address] = Namespace(*address)
        if loop not in _guards:
            guard = _guards[loop] = _close_with_loop(brokers)
            await anext(guard)
    if settings.redis_url is not None:
        _last = weakref.ref(loop), settings, brokers[address]
    return brokers[address]


async def reach(settings: Settings) -> Namespace:
    """Return a broker whose server answers, or one of its partitions' servers, for commands that do not wait for one.

    Raises:
        BrokerUnavailableError: If the server cannot be reached.
        BrokerRefusedError: If it will not serve this client.
    """
    broker = await broker_for(settings)
    try:
        await _greet(broker, settings.partitions)
    except (RedisError, OSError) as error:
        address = without_password(await asyncio.to_thread(resolve_url, settings))
        if classify(error) is FailureKind.REFUSED:
            msg = f"The server at {address} refuses this client: {error}"
            raise BrokerRefusedError(msg) from error
        msg = f"The server at {address} gives no answer: {classify(error).value}."
        raise BrokerUnavailableError(msg) from error
    return broker


async def _greet(broker: Namespace, partitions: int) -> None:
    first, *others = map(broker.partition, range(partitions))
    try:
        await _answer(first)
    except (RedisError, OSError):
        answers = await asyncio.gather(*map(_answer, others), return_exceptions=True)
        if all(isinstance(answer, BaseException) for answer in answers):
            raise


async def _answer(partition: Broker) -> None:
    try:
        await partition.link.command("EXISTS", partition.keys.leases)
    except (RedisConnectionError, OSError):
        # A connection that lay idle may have gone with the server it led to: only a new one tells.
        await partition.link.command("EXISTS", partition.keys.leases)


def disconnect(url: str, namespace: str) -> None:
    """Close this process's connections for one namespace: in loops that run soon, in others when they next run."""
    for loop, brokers in list(_brokers.items()):
        for address in [address for address in brokers if address[:2] == (url, namespace)]:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_disconnect, brokers, address)


def _disconnect(brokers: dict[Address, Namespace], address: Address) -> None:
    global _last  # noqa: PLW0603  # one for the process
    _last = None
    broker = brokers.pop(address, None)
    if broker is not None:
        task = asyncio.ensure_future(broker.close())
        _closing.add(task)
        task.add_done_callback(_closing.discard)


async def _close_with_loop(brokers: dict[Address, Namespace]) -> AsyncGenerator[None, None]:
    # A loop that ends in order closes the async generators that were begun in it; this one takes the connections along.
    try:
        yield
    finally:
        for broker in brokers.values():
            await broker.close()


class _PortalLoop(asyncio.SelectorEventLoop):
    """Looks names up by itself where no thread can be begun for it: the interpreter is ending, and sends still work."""

    async def getaddrinfo(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().getaddrinfo(*args, **options)
        except RuntimeError:
            return socket.getaddrinfo(*args, **options)


class _Portal:
    """An event loop in a thread, for sends from code that runs in none."""

    def __init__(self) -> None:
        self._loop = _PortalLoop()
        self._pid = os.getpid()
        threading.Thread(target=self._loop.run_forever, name="upnext-send", daemon=True).start()

    @property
    def usable(self) -> bool:
        """Threads do not survive a fork: a child makes its own."""
        return self._pid == os.getpid()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


_portal: _Portal | None = None
_portal_lock = threading.Lock()


def run_blocking(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end from code that is not in an event loop (or may block the one it is in)."""
    global _portal  # noqa: PLW0603  # one thread a process
    with _portal_lock:
        if _portal is None or not _portal.usable:
            _portal = _Portal()
        portal = _portal
    return portal.run(coroutine)
