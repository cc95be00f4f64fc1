"""Runs workers and APIs in one process until a signal stops them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from upnext.broker.connection import PipelinedConnection
from upnext.broker.dialer import UnfitServerError
from upnext.broker.failures import FailureKind, backoff, classify, describe_failure, describe_refusal
from upnext.broker.keys import Keys
from upnext.broker.preflight import check_server
from upnext.broker.redis_types import RedisError
from upnext.connect import resolve_url
from upnext.errors import BrokerRefusedError, ConfigError
from upnext.log import log
from upnext.outbox.relay import Relay
from upnext.runner import own_tasks
from upnext.runner.announcement import announce, record
from upnext.runner.exiting import BoundedExit, overdue
from upnext.runner.listeners import Listen, listen
from upnext.runner.loop import in_event_loop, run_in_loop
from upnext.runner.runner import Runner
from upnext.runner.signals import StopSignals
from upnext.runner.start_checks import check_declarations
from upnext.runner.unimported import Lock, start_folder
from upnext.runner.watchdog import Watchdog
from upnext.settings import load, misspelt_variables, without_password
from upnext.telemetry import metrics_of_process
from upnext.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from upnext.outbox.backlog import RelayReading
    from upnext.runner.runner import WorkerReading
    from upnext.settings import Settings

imported_file: ContextVar[Path | None] = ContextVar("imported_file", default=None)
"""The file that a command such as `upnext run` imports now."""

_WARN_AFTER = (1, 20)  # failures in a row
_LAST_STEPS = 2.5  # seconds for a member to stop in, after the grace
_AFTER_GRACE = 4.5  # seconds for the process to end in, after the grace
_FOR_TASKS = 1.0  # of these, for tasks that handlers left behind
_FOR_THREADS = 0.5  # of these, for threads
_FOR_EXIT = 3.0  # seconds for the program's exit handlers


@runtime_checkable
class Servable(Protocol):
    """What `upnext.Api` is to a service: something that serves until it is stopped.

    Attributes:
        listen_address: The host and port that it listens on.
    """

    listen_address: tuple[str, int]

    async def serve(self, sockets: list[socket.socket], grace: float) -> None:
        """Serve on listening sockets until `stop`; open requests then get their grace period."""
        ...

    def stop(self) -> None:
        """Begin to stop."""
        ...


def run(*services: Worker | Servable | Relay, probe: str | None = None) -> None:
    """Run workers, APIs and relays in this process until SIGTERM or SIGINT; running jobs get their grace period.

    Args:
        services: The workers, APIs and relays.
        probe: `PORT` or `HOST:PORT` where HTTP GET is answered with 200 while all workers take jobs, else with 503;
            `/livez` always with 200, and `/metrics` for Prometheus.

    Raises:
        ConfigError: If there is none, if a setting or an annotation cannot be used, or if it is called inside an event
            loop, or while a command such as `upnext run` imports the file.
        BrokerRefusedError: If the server rejects this client.
        KeyboardInterrupt: After a SIGINT, when everything has stopped in order.
    """
    file = imported_file.get()
    if file is not None:
        raise ConfigError(
            f"upnext.run was called while {file} was imported, as `upnext run` does, which runs what is in it: put the "
            'call under `if __name__ == "__main__":`.'
        )
    if in_event_loop():
        raise ConfigError(
            "upnext.run was called inside a running event loop: use `async with worker.running():` there, or call it "
            "from code that is not async."
        )
    with StopSignals(overdue) as signals:
        serve(Service(services, Lock.beside(start_folder())), signals, probe)
    if signals.number == signal.SIGINT:
        raise KeyboardInterrupt


def serve(service: Service, signals: StopSignals, probe: str | None = None) -> BoundedExit:
    """Run a service until a signal; returns the limit for the time that the process then takes to end.

    Raises:
        ConfigError: As `run` says.
        BrokerRefusedError: As `run` says.
    """
    signals.limit = service.stop_limit
    exiting = BoundedExit(lambda: signals.left - _AFTER_GRACE + _FOR_THREADS, 1)
    try:
        run_in_loop(_serve(service, signals, probe), lambda: signals.left - _AFTER_GRACE + _FOR_TASKS)
        exiting.code = signals.code
    except BaseException as error:
        exiting.code = 3 if isinstance(error, BrokerRefusedError) else 2
        raise
    finally:
        signals.finished()
    return exiting


async def _serve(service: Service, signals: StopSignals, probe: str | None) -> None:
    loop = asyncio.get_running_loop()
    with signals.stopping(loop, service.stop), _answering(probe, service):
        try:
            await service.run(signals.begin)
        finally:
            signals.begin()


def _answering(probe: str | None, service: Service) -> contextlib.AbstractContextManager[None]:
    if probe is None:
        return contextlib.nullcontext()
    from upnext.runner.readiness_probe import answering  # noqa: PLC0415  # few ask for it, and it loads a web server

    return answering(probe, service.trouble, metrics_of_process(service.readings, service.outboxes))


class Service:
    """Workers, APIs and relays that run and stop together.

    Args:
        members: The workers, APIs and relays.
        lock: The handlers that the project is known to have.
        listen: Opens the listening sockets of an address.

    Raises:
        ConfigError: If there is none, or something else.
    """

    def __init__(
        self, members: Sequence[Worker | Servable | Relay], lock: Lock | None = None, listen: Listen = listen
    ) -> None:
        if not members:
            raise ConfigError("There is nothing to run: no upnext.Worker, no upnext.Api and no relay was given.")
        for thing in cast("Sequence[object]", members):
            if isinstance(thing, type) or not isinstance(thing, (Worker, Servable, Relay)):
                raise ConfigError(f"{thing!r} cannot be run: give an upnext.Worker, an upnext.Api or a relay.")
        self._workers = [member for member in members if isinstance(member, Worker)]
        self._relays = [member for member in members if isinstance(member, Relay)]
        self._servers: list[Servable] = [member for member in members if not isinstance(member, (Worker, Relay))]
        self._lock = lock or Lock({})
        self._listen = listen
        self._stopping = asyncio.Event()
        self._made = asyncio.Event()
        self._runners: list[Runner] = []

    @property
    def grace(self) -> float:
        """The seconds that running jobs and open requests get when everything stops."""
        if not self._workers:
            return load().grace
        return max(worker.registry.settings.grace for worker in self._workers)

    def stop_limit(self) -> float:
        """Return the seconds after which this process ends itself if it has not stopped."""
        try:
            return self.grace + _AFTER_GRACE
        except ConfigError:  # an unusable setting: then nothing runs
            return _AFTER_GRACE

    @property
    def longest_stop(self) -> float:
        """The maximum seconds until a process that was told to stop has ended."""
        return self.grace + _AFTER_GRACE + _FOR_EXIT

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The hosts and ports that the APIs listen on."""
        return [server.listen_address for server in self._servers]

    async def ready(self) -> None:
        """Wait until every worker takes jobs: from then on each send finds their handlers subscribed."""
        await self._made.wait()
        for runner in self._runners:
            await runner.ready()

    def trouble(self) -> str:
        """Return which workers take no jobs and which relays send nothing, with reasons, one per line; "" if all work.

        Can be asked from any thread.
        """
        if not self._made.is_set():
            return "the server is waited for"
        found = [(f"worker {each.registry.worker!r} takes no jobs", each.trouble) for each in self._runners]
        found += [(f"the relay of {each.outbox} sends nothing", each.trouble) for each in self.outboxes()]
        return "\n".join(f"{what}: {trouble}" for what, trouble in found if trouble)

    def readings(self) -> list[WorkerReading]:
        """Return the state of each worker. Thread-safe."""
        return [runner.reading() for runner in self._runners]

    def outboxes(self) -> list[RelayReading]:
        """Return the state of each relay. Thread-safe."""
        return [relay.reading() for relay in self._relays]

    def stop(self) -> None:
        """Begin to stop: open requests are answered, running jobs get their grace period."""
        self._stopping.set()

    async def run(self, began_to_stop: Callable[[], None] = lambda: None) -> None:
        """Run until `stop` is called, or until a member fails; then everything has stopped in order.

        Args:
            began_to_stop: Called once when everything begins to stop.

        Raises:
            ConfigError: If a setting or an annotation cannot be used.
            BrokerRefusedError: If the server rejects this client.
        """
        for worker in self._workers:
            check_declarations(worker.registry)
        with log.enabled(), contextlib.ExitStack() as opened:
            for variable, meant in misspelt_variables().items():
                log.warning("%s is ignored, as upnext has no such setting; did you mean %s?", variable, meant)
            listening: list[list[socket.socket]] = []
            if await self._open_listeners(listening, opened):
                await self._run(listening, began_to_stop)

    async def _open_listeners(self, listening: list[list[socket.socket]], opened: contextlib.ExitStack) -> bool:
        """Open the listening sockets of each API, to be closed with `opened`; False if everything stops first."""
        stopping = asyncio.create_task(own_tasks.wait_for(self._stopping))
        for server in self._servers:
            # A host name may have to be looked up.
            opening = asyncio.create_task(asyncio.to_thread(self._listen, server.listen_address))
            await asyncio.wait([opening, stopping], return_when=asyncio.FIRST_COMPLETED)
            if self._stopping.is_set():
                opening.cancel()
                return False
            listening.append(opening.result())
            for sock in listening[-1]:
                opened.callback(sock.close)
        stopping.cancel()
        return True

    async def _run(self, listening: list[list[socket.socket]], began_to_stop: Callable[[], None]) -> None:
        watchdog = Watchdog()
        with contextlib.ExitStack() as at_work:
            self._runners = [await self._runner(worker, watchdog, at_work) for worker in self._workers]
            self._made.set()
            if not self._stopping.is_set():
                try:
                    await self._run_members(listening, began_to_stop)
                finally:
                    await watchdog.stop()

    async def _run_members(self, listening: list[list[socket.socket]], began_to_stop: Callable[[], None]) -> None:
        stopping = asyncio.create_task(own_tasks.wait_for(self._stopping))
        ready = asyncio.create_task(self.ready())
        tasks = [
            asyncio.create_task(runner.run(), name=f"Worker {runner.registry.worker!r}") for runner in self._runners
        ]
        tasks += [asyncio.create_task(relay.run(), name=repr(relay)) for relay in self._relays]
        await asyncio.wait([*tasks, ready, stopping], return_when=asyncio.FIRST_COMPLETED)
        if ready.done() and not self._stopping.is_set():
            # An API answers only once the workers next to it take jobs: its first send finds their handlers subscribed.
            pairs = zip(self._servers, listening, strict=True)
            tasks += [
                asyncio.create_task(server.serve(sockets, self.grace), name="An Api") for server, sockets in pairs
            ]
            await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        began_to_stop()
        ready.cancel()
        stopping.cancel()
        for server in self._servers:
            server.stop()
        for runner in self._runners:
            runner.stop()
        for relay in self._relays:
            relay.stop()
        await self._end(tasks)

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        """Wait for the members, for the grace period and their last steps; raise what one of them raised."""
        if not tasks:
            return
        await asyncio.wait(tasks, timeout=self.grace + _LAST_STEPS)
        for task in tasks:
            task.cancel()
        done, pending = await asyncio.wait(tasks, timeout=_LAST_STEPS / 10)
        for task in pending:
            own_tasks.show(task)
            log.warning("%s does not stop; the process ends without it", task.get_name())
        for task in tasks:
            if task in done and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _runner(self, worker: Worker, watchdog: Watchdog, at_work: contextlib.ExitStack) -> Runner:
        settings = worker.registry.settings
        url = await asyncio.to_thread(resolve_url, settings)
        await self._reach(url, settings)
        if not self._stopping.is_set():
            announce(worker, url, self._lock, beside=self._workers, sends_only=bool(self._servers))
        at_work.enter_context(worker.registry.at_work())  # which handlers run is settled from here on
        unimported = self._lock.unimported(worker.name, [each.registry for each in self._workers])
        return Runner(worker.registry, worker.concurrency, url, record(worker, unimported), watchdog)

    async def _reach(self, url: str, settings: Settings) -> None:
        """Wait until the server answers; a server that rejects this client is not asked again."""
        link = PipelinedConnection(url, Keys(settings.namespace))
        try:
            await self._reach_by(link, url, settings)
        finally:
            await link.close()

    async def _reach_by(self, link: PipelinedConnection, url: str, settings: Settings) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                for danger in await check_server(link, Keys(settings.namespace)):
                    log.warning("The server at %s: %s", without_password(url), danger)
                break
            except (RedisError, OSError) as error:
                if classify(error) is FailureKind.REFUSED:
                    what = "cannot be used" if isinstance(error, UnfitServerError) else "rejects this client"
                    raise BrokerRefusedError(
                        f"The server at {without_password(url)} {what}: {describe_refusal(error)}"
                    ) from error
                failures += 1
                if failures in _WARN_AFTER:
                    log.warning("Waiting for the server at %s: %s", without_password(url), describe_failure(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff(failures)):
                    await self._stopping.wait()
