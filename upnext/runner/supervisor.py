"""Runs several processes of one service: starts them, restarts those that die, stops them together."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING

from upnext.errors import ConfigError
from upnext.log import log
from upnext.runner.listeners import listen
from upnext.runner.reloading import FileWatcher
from upnext.runner.supervised import SUPERVISED, Conversation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_BACKOFF_CAP = 30.0
_HEALTHY = 10.0  # seconds after which a process counts as having started well
_LOOK = 0.1
_FINAL_CODES = (2, 3)  # exit codes that another try will not change
_NOT_IMPORTED = 1  # the exit code of a process whose file cannot be imported
_UNINTRODUCED = 5.0  # seconds to stop in, of a process that is still being imported
_OVERDUE = 2.0  # seconds that a process may take beyond its announced time to exit


def supervise(
    file: Path, processes: int, *, reload: bool, probe: str | None = None, options: Sequence[str] = ()
) -> int:
    """Run a service in several processes until a signal; returns the exit code.

    Each process is a new interpreter: nothing is shared by a fork, neither connections nor threads. A process that
    dies is started again, after a pause that doubles while it keeps dying. Where none has ever come through the import
    of the file, all end.

    Args:
        file: The service's file.
        processes: How many.
        reload: Whether to start them again when a Python file of the project changes.
        probe: Where the first of them says whether it takes jobs; the others do on the ports that follow.
        options: Further options of `upnext run` for each of them.

    Raises:
        ConfigError: If that is not an address.
    """
    commands = [[sys.executable, "-P", "-m", "upnext", "run", str(file), *options] for _ in range(processes)]
    if probe is not None:
        from upnext.runner.http_pages import parse  # noqa: PLC0415  # few ask for it, and it loads a web server

        for number, command in enumerate(commands):
            host, port = parse(probe, number)
            command += ["--probe", f"{host}:{port}"]
    return _Supervisor(commands, FileWatcher(file) if reload else None).run()


class _SharedListeners:
    """The listening sockets of the service's APIs: connections wait there while processes restart."""

    def __init__(self) -> None:
        self._sockets: dict[tuple[str, int], list[socket.socket]] = {}

    def get(self, address: tuple[str, int]) -> list[socket.socket] | str:
        """Return the sockets of an address, or the reason why there are none."""
        if address not in self._sockets:
            try:
                self._sockets[address] = listen(address)
            except ConfigError as error:
                return str(error)
        return self._sockets[address]

    def keep(self, addresses: set[tuple[str, int]]) -> None:
        """Close all others."""
        for address in set(self._sockets) - addresses:
            for sock in self._sockets.pop(address):
                sock.close()


class _Child:
    """One of the processes, across all of its restarts.

    Attributes:
        cannot_import: Whether it has ended in the midst of the import, and has never come through one.
        addresses: Where it listens; None until it says so.
        process: The process, while it runs.
    """

    def __init__(self, command: list[str], *, reload: bool) -> None:
        self._command = command
        self._reload = reload
        self._failures = 0
        self._resume_at = 0.0
        self._started = 0.0
        self._life = -1  # as long as the connection is open
        self._conversation: Conversation | None = None
        self._longest_stop = _UNINTRODUCED
        self._has_served = False
        self.cannot_import = False
        self.addresses: set[tuple[str, int]] | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def tend(self, listeners: _SharedListeners) -> int | None:
        """Start the process when it is time to, and answer it; returns an exit code that ends the service."""
        if self.process is None:
            if monotonic() >= self._resume_at:
                self._try_start()
            return None
        code = self.process.poll()
        self._answer(listeners)  # after it has exited as well: its last report counts
        if code is None:
            return None
        self.stop()
        pid, self.process = self.process.pid, None
        if self._reload and code > 0:
            # Perhaps it read a file that was only half written; the next change is another chance.
            log.warning("Process %d ended with %d; waiting for a change", pid, code)
            self._resume_at = math.inf
            return None
        if code in _FINAL_CODES:
            return code
        self.cannot_import = not self._has_served and (self.cannot_import or code == _NOT_IMPORTED)
        self._failures = 0 if monotonic() - self._started > _HEALTHY else self._failures + 1
        log.warning("Process %d ended with %d; starting it again in %.1f s", pid, code, self._put_off())
        return None

    def stop(self) -> None:
        """Tell the process to stop in order; a signal could be its second, which would end it at once."""
        if self._conversation is not None:
            os.close(self._life)
            self._conversation.close()
            self._conversation = None

    def wait(self) -> None:
        """Wait for a process that was told to stop, no longer than it announced; then kill it."""
        # A process that has exited by itself, and waits for a change, is started again too.
        self._resume_at, self._failures = 0.0, 0
        if self.process is None:
            return
        try:
            self.process.wait(self._longest_stop + _OVERDUE)
        except subprocess.TimeoutExpired:
            log.warning("Process %d has not stopped in time; it is killed, and its jobs run again", self.process.pid)
            self.process.kill()
            self.process.wait()
        self.process = None

    def kill(self) -> None:
        """Kill the process, if it runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()

    def _put_off(self) -> float:
        """Delay the next start by a pause that doubles with each failure; returns its seconds."""
        pause = 0.0 if not self._failures else min(0.5 * 2**self._failures, _BACKOFF_CAP)
        self._resume_at = monotonic() + pause
        return pause

    def _try_start(self) -> None:
        try:
            self._start()
        except OSError as error:  # out of memory, files or processes: the other processes continue
            self.stop()
            self._failures += 1
            log.warning("A process cannot be started (%s); trying again in %.1f s", error, self._put_off())

    def _start(self) -> None:
        # Nothing is ever written to the pipe: it ends when this process does, however that happens.
        own, channel = socket.socketpair()
        try:
            life, self._life = os.pipe()
        except OSError:
            own.close()
            channel.close()
            raise
        self._conversation = Conversation(own)
        self._longest_stop, self.addresses = _UNINTRODUCED, None
        environment = {**os.environ, SUPERVISED: f"{life},{channel.fileno()}"}
        if self._reload:
            # Python uses a compiled file if the source's size and second match, which an edit can leave unchanged.
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
        try:
            # Several processes cannot share one input, and programs started by a handler must not wait for it.
            self.process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, env=environment, pass_fds=(life, channel.fileno())
            )
        finally:
            os.close(life)
            channel.close()
        self._started = monotonic()

    def _answer(self, listeners: _SharedListeners) -> None:
        for message in self._conversation.messages() if self._conversation is not None else ():
            if "stop" in message:
                self._longest_stop = float(message["stop"])
                self._has_served, self.cannot_import = True, False
                self.addresses = {(str(host), int(port)) for host, port in message["addresses"]}
            elif self._conversation is not None:
                host, port = message["listen"]
                self._conversation.answer(listeners.get((str(host), int(port))))


class _Supervisor:
    def __init__(self, commands: list[list[str]], watcher: FileWatcher | None) -> None:
        self._children = [_Child(command, reload=watcher is not None) for command in commands]
        self._watcher = watcher
        self._listeners = _SharedListeners()
        self._signals: SimpleQueue[int] = SimpleQueue()  # unlike an Event, it can be used in signal handlers
        self._number = 0

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._receive)
        if self._watcher is not None:
            self._watcher.start()
        code: int | None = None
        while not self._number and code is None:
            codes = [child.tend(self._listeners) for child in self._children]
            code = next((code for code in codes if code is not None), None)
            if code is None and all(child.cannot_import for child in self._children):
                log.error("None of the %d processes could import the service's file", len(self._children))
                code = _NOT_IMPORTED
            self._close_unused_listeners()
            if self._watcher is not None and self._watcher.changed():
                log.info("A Python file changed; starting again")
                self._end()
            with suppress(Empty):
                self._signals.get(timeout=_LOOK)
        self._end()
        self._listeners.keep(set())
        return code if code is not None else 130 if self._number == signal.SIGINT else 0

    def _receive(self, number: int, _: object) -> None:
        if self._number:
            for child in self._children:
                child.kill()
            os._exit(128 + number)
        self._number = number
        self._signals.put(number)

    def _close_unused_listeners(self) -> None:
        used = [child.addresses for child in self._children]
        if all(addresses is not None for addresses in used):
            self._listeners.keep({address for addresses in used for address in addresses or ()})

    def _end(self) -> None:
        for child in self._children:
            child.stop()
        for child in self._children:
            child.wait()
