"""The worker's side of the process that renews its leases while code holds the interpreter lock."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from upnext.broker.address import Address
from upnext.broker.scripts import script
from upnext.log import log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext.runner.lease_renewal import LeaseKeeper

_PROGRAM = Path(__file__).with_name("lease_standby_process.py")
_PLAIN_CONNECTIONS = {"Connection", "UnixDomainSocketConnection"}
_SHORT = 5.0  # seconds; with a shorter lease there is no time to load upnext's client when it is needed
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


class LeaseStandby:
    """Starts the standby process, writes to it, and ends it; used only by the watchdog's thread.

    Without a Python to start, as in a frozen application, there is none, and code that keeps the interpreter for longer
    than the lease loses it.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._state: list[tuple[str, int]] = []
        self._unsent = b""
        self._pause = _FIRST_PAUSE
        self._retry_at = 0.0 if _has_python() else float("inf")

    def beat(self, leases: Sequence[LeaseKeeper], patience: float, running: Sequence[tuple[str, str]]) -> None:
        """Signal that this process runs Python code; starts the standby process if there is none.

        Args:
            leases: The leases to renew when no more beats come.
            patience: The seconds that a handler may take at most.
            running: Handler and job id of some jobs that run now.
        """
        held = [lease for lease in leases if lease.worker_id]
        if not held or (self._process is None and monotonic() < self._retry_at):
            return
        try:
            if self._process is None:
                self._process = self._start()
                self._state, self._unsent = [], b""
            state = [(lease.worker_id, round(lease.clock_offset)) for lease in held]
            if state != self._state:
                self._state = state
                self._unsent += _line(leases=[_describe(lease) for lease in held], **_surroundings(patience, held))
            self._unsent += _line(running=running) if not self._unsent else b""
            self._unsent = self._unsent[os.write(self._stdin, self._unsent) :]
        except BlockingIOError:
            pass  # its input is full: it has enough to read
        except OSError as error:
            log.warning(
                "Cannot run the process that renews the leases while code keeps the global interpreter lock (%s); "
                "trying again in %g s",
                error,
                self._pause,
            )
            self.stop()
            self._retry_at = monotonic() + self._pause
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def stop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            if process.stdin is not None:
                process.stdin.close()  # it ends with its input
            process.wait(1.0)
        if process.returncode is None:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                process.kill()
                process.wait(1.0)

    @property
    def _stdin(self) -> int:
        assert self._process is not None
        assert self._process.stdin is not None
        return self._process.stdin.fileno()

    @staticmethod
    def _start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_PROGRAM), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            bufsize=0,
        )
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        return process


def _has_python() -> bool:
    """Return whether `sys.executable` is an interpreter instead of an application that contains one."""
    name = Path(sys.executable or "").name
    return not getattr(sys, "frozen", False) and name.startswith(("python", "pypy"))


def _line(**values: object) -> bytes:
    return json.dumps(values).encode() + b"\n"


def _surroundings(patience: float, held: Sequence[LeaseKeeper]) -> dict[str, Any]:
    dials = [_dial(lease.url) for lease in held]
    return {
        "path": [os.path.abspath(entry) for entry in sys.path],  # noqa: PTH100  # the entries are text
        "patience": patience,
        "preload": None in dials and min(lease.length for lease in held) < _SHORT,
    }


def _describe(lease: LeaseKeeper) -> dict[str, Any]:
    renew = script("renew")
    keys = (lease.keys.leases, lease.keys.workers)
    return {
        "id": lease.worker_id,
        "length": lease.length,
        "url": lease.url,
        "namespace": lease.keys.namespace,
        "partition": lease.keys.partition,
        "clock_offset": round(lease.clock_offset, 1),
        "record": lease.record.identity,
        "dial": _dial(lease.url),
        "renew": ["EVAL", renew.source, len(keys), *keys, lease.worker_id, round(lease.length * 1000)],
    }


def _dial(url: str) -> dict[str, Any] | None:
    """Return how to reach a plain server without upnext's client; None for every other kind."""
    address = Address.parse(url)
    options = address.options
    if address.kind or address.connection.__name__ not in _PLAIN_CONNECTIONS:
        return None
    if options.get("username") and not options.get("password"):
        return None
    greeting: list[list[Any]] = []
    if options.get("password"):
        greeting.append(["AUTH", *filter(None, [options.get("username")]), options["password"]])
    if options.get("db"):
        greeting.append(["SELECT", options["db"]])
    if not address.nodes:
        return {"unix": os.path.abspath(options["path"]), "greeting": greeting}  # noqa: PTH100  # it is text
    node = address.nodes[0]
    return {"host": node.host, "port": node.port, "greeting": greeting}
