"""The connections of this process: one set per event loop, and a loop in a thread for code that runs in none."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, TypeVarTuple, Unpack

from upnext.broker.dialer import UnfitServerError, UnsentError
from upnext.broker.failures import FailureKind, classify, describe_failure, describe_refusal
from upnext.broker.namespace import Namespace
from upnext.broker.redis_types import RedisConnectionError, RedisError
from upnext.errors import BrokerRefusedError, BrokerUnavailableError
from upnext.forks import own
from upnext.log import log
from upnext.settings import without_password

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor

    from upnext.broker.broker import Broker
    from upnext.settings import Settings

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# The server's address, the namespace, how many of its partitions are sent to, and the deadline of a send.
Address: TypeAlias = tuple[str, str, int, float]

_ATTRIBUTE = "_upnext_connections"


class _LoopConnections:
    """The connections used in one event loop. Only the loop refers to them, so they disappear with it.

    (A dictionary of loops would keep them all: connections refer to their loop.)

    Args:
        loop: The event loop, whose `close` closes them first.

    Attributes:
        namespaces: What they lead to.
        latest: The settings that were asked for last, and their namespace: most loops send to one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.namespaces: dict[Address, Namespace] = {}
        self.latest: tuple[Settings, Namespace] | None = None
        self._loop = loop
        self._close_loop = loop.close
        self._closing: set[asyncio.Future[None]] = set()

    def forget(self) -> list[Namespace]:
        """Forget all connections and return those that were open."""
        open_ones = list(self.namespaces.values())
        self.namespaces.clear()
        self.latest = None
        return open_ones

    def close_loop(self) -> None:
        """Close the connections, then the loop: this replaces `loop.close()`."""
        if not self._loop.is_closed() and not self._loop.is_running() and not _in_a_loop():
            open_ones = self.forget()
            if open_ones or self._closing:
                # An interrupted or broken loop is closed all the same.
                with contextlib.suppress(Exception):
                    self._loop.run_until_complete(self._close_all(open_ones))
        self._close_loop()

    async def _close_all(self, namespaces: list[Namespace]) -> None:
        """Close open connections, and wait for those that are being closed."""
        await _close(namespaces)
        if self._closing:
            await asyncio.wait(self._closing)

    def disconnect(self, url: str, namespace: str) -> None:
        """Close the connections of one namespace, if the loop is running now or runs later."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._disconnect, url, namespace)

    def _disconnect(self, url: str, namespace: str) -> None:
        self.latest = None
        found = [self.namespaces.pop(address) for address in list(self.namespaces) if address[:2] == (url, namespace)]
        if not found:
            return
        task = asyncio.ensure_future(_close(found))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _close(namespaces: list[Namespace]) -> None:
    # One that cannot be closed must not keep the others open.
    for end in await asyncio.gather(*(each.close() for each in namespaces), return_exceptions=True):
        if isinstance(end, BaseException):
            log.log(logging.ERROR, "A connection could not be closed", error=end)
    for _ in range(3):  # transports close their sockets in a later round of the loop
        await asyncio.sleep(0)


class Connections:
    """Everything that this process keeps to reach its servers; a forked child starts without any of it."""

    def __init__(self) -> None:
        self._of_loops: weakref.WeakSet[_LoopConnections] = weakref.WeakSet()
        self._embedded_urls: dict[Path, str] = {}
        # Only one of the first senders looks for the embedded server. A second one would wait for a file lock, and to
        # file locks all of gevent's threads are one: it would never be released.
        self._embedded_lock = threading.Lock()
        self._portal: _Portal | None = None
        self._portal_lock = threading.Lock()
        own(self)

    def resolve_url(self, settings: Settings) -> str:
        """Return the server's address; without one configured, the embedded server's, started if necessary.

        Blocks while the embedded server starts.

        Raises:
            ConfigError: If no address is configured and there is no embedded server here.
        """
        if settings.redis_url is not None:
            return settings.redis_url
        from upnext.embedded import server_url  # noqa: PLC0415  # only development needs it
        from upnext.embedded.location import current_folder  # noqa: PLC0415

        here = current_folder()
        with self._embedded_lock:
            if here not in self._embedded_urls:
                self._embedded_urls[here] = server_url()
            return self._embedded_urls[here]

    def connected(self, settings: Settings) -> Namespace | None:
        """Return what `broker_for` last returned for these settings in this loop, None if it has to be looked up."""
        connections: _LoopConnections | None = getattr(asyncio.get_running_loop(), _ATTRIBUTE, None)
        latest = None if connections is None else connections.latest
        return latest[1] if latest is not None and latest[0] is settings else None

    async def broker_for(self, settings: Settings) -> Namespace:
        """Return the running loop's access to a namespace: connected on first use, and closed with the loop."""
        if (latest := self.connected(settings)) is not None:
            return latest
        loop = asyncio.get_running_loop()
        url = settings.redis_url
        if url is None:
            url = await asyncio.to_thread(self.resolve_url, settings)
        connections = self._connections_of(loop)
        address = (url, settings.namespace, settings.partitions, settings.send_deadline)
        namespace = connections.namespaces.get(address)
        if namespace is None:
            namespace = connections.namespaces[address] = Namespace(*address)
        if settings.redis_url is not None:
            connections.latest = settings, namespace
        return namespace

    def disconnect(self, url: str, namespace: str) -> None:
        """Close this process's connections for one namespace: soon in running loops, in others when they next run."""
        for connections in list(self._of_loops):
            connections.disconnect(url, namespace)

    def run_blocking(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end from code outside an event loop (or from code that may block its loop)."""
        with self._portal_lock:
            if self._portal is None:
                self._portal = _Portal()
            portal = self._portal
        return portal.run(coroutine)

    def let_go_in_child(self) -> None:
        """Drop everything inherited in a forked child: threads do not survive a fork, connections are the parent's."""
        self._portal, self._portal_lock, self._embedded_lock = None, threading.Lock(), threading.Lock()
        for connections in list(self._of_loops):
            connections.forget()

    def _connections_of(self, loop: asyncio.AbstractEventLoop) -> _LoopConnections:
        found: _LoopConnections | None = getattr(loop, _ATTRIBUTE, None)
        if found is None:
            found = _LoopConnections(loop)
            self._of_loops.add(found)
            setattr(loop, _ATTRIBUTE, found)
            setattr(loop, "close", found.close_loop)  # noqa: B010  # a loop has no other hook for its end
        return found


class _PortalLoop(asyncio.SelectorEventLoop):
    """Does in this thread what no new thread can be started for: the interpreter is ending, and sends still work."""

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        try:
            return super().run_in_executor(executor, func, *args)
        except RuntimeError:
            done: asyncio.Future[T] = self.create_future()
            try:
                done.set_result(func(*args))
            except Exception as error:  # noqa: BLE001  # it is raised in the waiting thread
                done.set_exception(error)
            return done


class _Portal:
    """An event loop in a thread, for sends from code that runs in none.

    Where no thread can be begun (Python 3.12 begins none while the interpreter is ending), callers run the loop
    themselves, one after the other.
    """

    def __init__(self) -> None:
        self._loop = _PortalLoop()
        self._thread: threading.Thread | None = None
        # A signal handler that sends in the middle of its own thread's send gets an error, and no deadlock.
        self._lock = threading.RLock()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        with self._lock:
            if not self._has_thread():
                return self._run_here(coroutine)
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _has_thread(self) -> bool:
        if self._thread is not None:
            return True
        thread = threading.Thread(target=self._loop.run_forever, name="upnext-send", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False
        self._thread = thread
        return True

    def _run_here(self, coroutine: Coroutine[Any, Any, T]) -> T:
        # The caller may block its own event loop, which then makes no progress.
        blocked = asyncio._get_running_loop()  # noqa: SLF001  # does not raise where there is none
        asyncio._set_running_loop(None)  # noqa: SLF001  # there is no other way to run a loop within another
        try:
            return self._loop.run_until_complete(coroutine)
        finally:
            asyncio._set_running_loop(blocked)  # noqa: SLF001


connections = Connections()
"""Those of this process."""

resolve_url = connections.resolve_url
broker_for = connections.broker_for
connected = connections.connected
disconnect = connections.disconnect
run_blocking = connections.run_blocking


async def reach(settings: Settings) -> Namespace:
    """Return a broker whose server answers, or one of its partitions' servers, for commands that do not wait for one.

    Raises:
        BrokerUnavailableError: If the server cannot be reached.
        BrokerRefusedError: If it rejects this client.
    """
    broker = await broker_for(settings)
    try:
        await _greet(broker, settings.partitions)
    except (RedisError, OSError) as error:
        address = without_password(await asyncio.to_thread(resolve_url, settings))
        if classify(error) is FailureKind.REFUSED:
            what = "cannot be used" if isinstance(error, UnfitServerError) else "rejects this client"
            msg = f"The server at {address} {what}: {describe_refusal(error)}"
            raise BrokerRefusedError(msg) from error
        if isinstance(error, UnsentError):
            msg = f"No answer from the server at {address}: {error}. {error.way_out}".rstrip()
        else:
            msg = f"No answer from the server at {address}: {describe_failure(error)}."
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
        # An idle connection may have died with its server: only a new one shows whether the server is up.
        await partition.link.command("EXISTS", partition.keys.leases)
