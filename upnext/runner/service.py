"""Runs workers and APIs in one process until a signal stops them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from upnext.broker.connection import PipelinedConnection
from upnext.broker.dialer import UnfitServerError
from upnext.broker.failures import FailureKind, backoff, classify
from upnext.broker.keys import Keys
from upnext.broker.preflight import check_server
from upnext.broker.redis_types import RedisError
from upnext.connect import resolve_url
from upnext.errors import BrokerRefusedError, ConfigError
from upnext.log import log
from upnext.runner.announcement import announce, record
from upnext.runner.loop import run_in_loop
from upnext.runner.runner import Runner
from upnext.runner.signals import listening
from upnext.runner.unimported import Lock, start_folder
from upnext.runner.worker_resources import THREADS
from upnext.settings import without_password
from upnext.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext.settings import Settings

_TELL_AFTER = (1, 20)  # failures in a row
_LAST_STEPS = 2.0  # seconds to stop in, after the grace


@runtime_checkable
class Server(Protocol):
    """What `upnext.Api` is to a service: something that serves until it is told to stop."""

    async def serve(self) -> None:
        """Serve until `stop`."""
        ...

    def stop(self) -> None:
        """Begin to stop."""
        ...


def run(*services: Worker | Server, probe: str | None = None) -> None:
    """Run workers and APIs in this process until SIGTERM or SIGINT; running jobs get their grace.

    Args:
        services: The workers and APIs.
        probe: `PORT` or `HOST:PORT` where HTTP GET is answered with 200 while all workers take jobs, else with 503.

    Raises:
        ConfigError: If there is none, or a setting or an annotation cannot be used.
        BrokerRefusedError: If the server will not serve this client.
        KeyboardInterrupt: After a SIGINT, when everything has stopped in order.
    """
    number = run_in_loop(serve(services, probe, Lock.beside(start_folder())))
    leave_stuck_threads(128 + number if number == signal.SIGINT else 0)
    if number == signal.SIGINT:
        raise KeyboardInterrupt


def leave_stuck_threads(code: int) -> None:
    """End the process now if a handler's thread is still running: its job was handed to another worker already."""
    if any(thread.name.startswith(THREADS) and not thread.daemon for thread in threading.enumerate()):
        _leave("A handler's thread does not end; the process ends without it", code)


def _leave_blocked(number: int) -> None:
    _leave(
        "A handler keeps the event loop to itself; the process ends without it", 130 if number == signal.SIGINT else 0
    )


def _leave(why: str, code: int) -> None:
    log.warning(why)
    with contextlib.suppress(BaseException):  # handlers of the application: this process has to end
        logging.shutdown()
    os._exit(code)


async def serve(services: Sequence[Worker | Server], probe: str | None = None, lock: Lock | None = None) -> int:
    """Run them until a signal, and return its number (0 if they ended without one).

    Args:
        services: The workers and APIs.
        probe: As for `run`.
        lock: The handlers that the project is known to have.

    Raises:
        ConfigError: As `run` says.
        BrokerRefusedError: As `run` says.
    """
    service = Service(services, lock)
    with listening(service.stop, service.patience, _leave_blocked) as received, _answering(probe, service):
        await service.run()
    ended_by = received[0] if received else 0
    if service.stuck:
        # The loop would wait for it for ever; its job was handed to another worker already.
        _leave("A handler will not be cancelled; the process ends without it", 130 if ended_by == signal.SIGINT else 0)
    return ended_by


def _answering(probe: str | None, service: Service) -> contextlib.AbstractContextManager[None]:
    if probe is None:
        return contextlib.nullcontext()
    from upnext.runner.probe import answering  # noqa: PLC0415  # few ask for it, and it loads a web server

    return answering(probe, service.trouble)


class Service:
    """Workers and APIs that run and stop together.

    Args:
        members: The workers and APIs.
        lock: The handlers that the project is known to have.

    Raises:
        ConfigError: If there is none, or something else.
    """

    def __init__(self, members: Sequence[Worker | Server], lock: Lock | None = None) -> None:
        if not members:
            raise ConfigError("There is nothing to run: no upnext.Worker and no upnext.Api was given.")
        for thing in cast("Sequence[object]", members):
            if isinstance(thing, type) or not isinstance(thing, (Worker, Server)):
                raise ConfigError(f"{thing!r} cannot be run: give an upnext.Worker or an upnext.Api.")
        self._workers = [member for member in members if isinstance(member, Worker)]
        self._servers: list[Server] = [member for member in members if not isinstance(member, Worker)]
        self._lock = lock or Lock({})
        self._stopping = asyncio.Event()
        self._made = asyncio.Event()
        self._runners: list[Runner] = []

    @property
    def stuck(self) -> bool:
        """Whether a handler still runs after everything has stopped, because it will not be cancelled."""
        return any(runner.stuck for runner in self._runners)

    def patience(self) -> float:
        """Return the seconds that code which blocks the event loop gets when everything stops."""
        return max((worker.registry.settings.grace for worker in self._workers), default=0.0) + _LAST_STEPS

    async def ready(self) -> None:
        """Wait until every worker takes jobs: from then on each send finds their handlers subscribed."""
        await self._made.wait()
        for runner in self._runners:
            await runner.ready()

    def trouble(self) -> str:
        """Say which workers take no jobs now, and why, a line each; "" if all do. Can be asked from any thread."""
        if not self._made.is_set():
            return "the server is waited for"
        found = [(runner.registry.worker, runner.trouble) for runner in self._runners]
        return "\n".join(f"worker {name!r} takes no jobs: {trouble}" for name, trouble in found if trouble)

    def stop(self) -> None:
        """Begin to stop: requests under way are answered, running jobs get their grace."""
        self._stopping.set()

    async def run(self) -> None:
        """Run until `stop` is called, or until a member fails; then everything has stopped in order.

        Raises:
            ConfigError: If a setting or an annotation cannot be used.
            BrokerRefusedError: If the server will not serve this client.
        """
        for worker in self._workers:
            for handler in worker.registry.handlers.values():
                handler.signature.prepare()
        self._runners = [await self._runner(worker) for worker in self._workers]
        self._made.set()
        if self._stopping.is_set():
            return
        stopping = asyncio.create_task(self._stopping.wait())
        ready = asyncio.create_task(self.ready())
        tasks = [asyncio.create_task(runner.run()) for runner in self._runners]
        await asyncio.wait([*tasks, ready, stopping], return_when=asyncio.FIRST_COMPLETED)
        if ready.done() and not self._stopping.is_set():
            # An API answers only when the workers beside it take jobs: its first send finds their handlers subscribed.
            tasks += [asyncio.create_task(server.serve()) for server in self._servers]
            await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        stopping.cancel()
        for server in self._servers:
            server.stop()
        for runner in self._runners:
            runner.stop()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    async def _runner(self, worker: Worker) -> Runner:
        settings = worker.registry.settings
        url = await asyncio.to_thread(resolve_url, settings)
        await self._reach(url, settings)
        unimported = self._lock.unimported(worker.registry)
        announce(worker, url, unimported, beside=self._workers, sends_only=bool(self._servers))
        return Runner(worker.registry, worker.concurrency, url, record(worker, unimported))

    async def _reach(self, url: str, settings: Settings) -> None:
        """Wait until the server answers; one that refuses us will not answer another time."""
        link, failures = PipelinedConnection(url, Keys(settings.namespace)), 0
        while not self._stopping.is_set():
            try:
                for danger in await check_server(link, Keys(settings.namespace)):
                    log.warning("The server at %s: %s", without_password(url), danger)
                break
            except (RedisError, OSError) as error:
                if classify(error) is FailureKind.REFUSED:
                    await link.close()
                    what = "cannot be used" if isinstance(error, UnfitServerError) else "refuses this client"
                    raise BrokerRefusedError(f"The server at {without_password(url)} {what}: {error}") from error
                failures += 1
                if failures in _TELL_AFTER:
                    log.warning("Waiting for the server at %s: %s", without_password(url), classify(error).value)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff(failures)):
                    await self._stopping.wait()
        await link.close()
