"""The process that renews a worker's leases while code in the worker holds Python's global interpreter lock.

It is a child of the worker process, runs as a script, and imports little of the standard library, because it lives as
long as the worker does. The worker's watchdog writes a line to its standard input several times within a lease. When
the lines stop coming, this process renews the leases itself, for as long as the worker

- is there: this process is still its child;
- is neither stopped nor a zombie, as the system says: a frozen worker must lose its leases;
- has not been silent for longer than its longest handler may run.

A plain server is spoken to over a socket directly; any other way (TLS, sentinels, clusters) takes upnext's own client,
which is loaded when it is first needed.

    python -I -S lease_standby_process.py <process id of the worker>
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time

TYPE_CHECKING = False  # `typing` takes time and memory to import
if TYPE_CHECKING:
    from typing import Any

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_SILENCE = 0.3  # of the shortest lease, after which the worker counts as silent; it writes every tenth
_RENEWALS = 5
_TIMEOUT = 5.0
_STOPPED = (b"T", b"t", b"Z", b"X", b"x")
_PRELOAD_AFTER = 2.0  # seconds of life
_REPORT_AFTER = 2.0  # seconds of silence
_GRACE = 60.0  # seconds of silence that are left after the longest handler's timeout


class Standby:
    """Renews leases while their worker is silent.

    Args:
        worker: The process id of the worker.
    """

    def __init__(self, worker: int) -> None:
        self._worker = worker
        self._leases: list[dict[str, Any]] = []
        self._path: list[str] = []
        self._length = self._patience = 0.0
        self._preload = False
        self._running: list[tuple[str, str]] = []
        self._last_message = self._began = now()
        self._renewed = 0.0
        self._reports = 0
        self._clients: dict[str, Any] = {}
        self._buffer = b""

    def run(self) -> None:
        """Stand by until the worker is gone."""
        while os.getppid() == self._worker:
            if select.select([0], [], [], self._tick())[0]:
                data = os.read(0, 1 << 16)
                if not data:
                    return
                self._feed(data)
            if os.getppid() != self._worker:
                return
            self._look()

    def _tick(self) -> float:
        return self._length / 20 if self._leases else 1.0

    def _feed(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "leases" in message:
                self._leases, self._path, self._patience = message["leases"], message["path"], message["patience"]
                self._preload = message["preload"]
                self._length = min(lease["length"] for lease in self._leases)
            self._running = message.get("running", [])
        if lines:
            self._last_message = now()
            self._renewed, self._reports = 0.0, 0
            self._close()

    def _look(self) -> None:
        if self._preload and now() - self._began > _PRELOAD_AFTER:
            self._preload = False
            self._load()
        silent = now() - self._last_message
        if not self._leases or silent < _SILENCE * self._length or is_stopped(self._worker):
            return
        if silent > self._patience + _GRACE:
            self._report(2, "no handler may take that long, so its leases run out and others take its jobs", silent)
            return
        if silent >= _REPORT_AFTER:
            names = ", ".join(sorted({handler.rpartition("|")[2] for handler, _ in self._running}))
            self._report(1, f"its leases are renewed for it. Last seen running: {names or 'no job'}", silent)
        if now() - self._renewed >= self._length / _RENEWALS:
            self._renewed = now()
            for lease in self._leases:
                self._renew(lease, silent)

    def _report(self, number: int, consequence: str, silent: float) -> None:
        if self._reports < number:
            self._reports = number
            say(
                f"Worker process {self._worker} has not run Python code for {silent:.1f} s, because code keeps the "
                f"global interpreter lock; {consequence}"
            )

    def _renew(self, lease: dict[str, Any], silent: float) -> None:
        record = dict(lease["record"])
        handler, job = self._running[0] if len(self._running) == 1 else ("", "")
        record["blocked"] = {
            "what": "interpreter",
            "since": round(time.time() - silent + lease["clock_offset"], 1),
            "handler": handler,
            "job": job,
            "frame": "",
        }
        text = json.dumps(record)
        if lease["dial"] is not None:
            try:
                renew_plainly(lease, text)
            except OSError:
                pass  # the server is away; the next try comes soon
            except ValueError:
                lease["dial"] = None  # perhaps another node holds the key: upnext's client finds it
            return
        try:
            self._client(lease).renew(lease["id"], text)
        except Exception as error:  # noqa: BLE001  # whatever it is, there is another try
            say(f"Cannot renew the lease of worker process {self._worker} ({type(error).__name__}); retrying")

    def _client(self, lease: dict[str, Any]) -> Any:
        client = self._clients.get(lease["id"])
        if client is None:
            self._load()
            from upnext.broker.keys import Keys  # noqa: PLC0415  # as late as possible
            from upnext.broker.leases import LeaseClient  # noqa: PLC0415

            keys = Keys(lease["namespace"], lease["partition"])
            client = self._clients[lease["id"]] = LeaseClient(lease["url"], keys, lease["length"])
        return client

    def _load(self) -> None:
        """Load upnext's client from the worker's installation."""
        from importlib import import_module  # noqa: PLC0415  # as late as possible

        sys.path[:] = self._path
        import_module("upnext.broker.leases")

    def _close(self) -> None:
        clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()


def now() -> float:
    """Return a time in seconds that includes suspensions."""
    return time.clock_gettime(_CLOCK)


def say(line: str) -> None:
    """Write a line in the format of the command line's log; if it cannot be written, nothing can be done."""
    try:
        sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')},000 WARNING {line}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass


def is_stopped(worker: int) -> bool:
    """Return whether the system reports that a process is stopped; also if it reports nothing."""
    try:
        with open(f"/proc/{worker}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in _STOPPED
    except (OSError, IndexError):
        pass
    import subprocess  # noqa: PLC0415  # a fifth of what starting takes, and needed where there is no /proc only

    try:
        command = ["ps", "-o", "stat=", "-p", str(worker)]
        state = subprocess.run(command, capture_output=True, check=False, timeout=2).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return True
    return not state or state[:1] in _STOPPED


def renew_plainly(lease: dict[str, Any], record: str) -> None:
    """Renew a lease on a plain server; raises OSError or ValueError if that fails."""
    dial = lease["dial"]
    timeout = min(_TIMEOUT, lease["length"] / 2)
    if "unix" in dial:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        connection.connect(dial["unix"])
    else:
        connection = socket.create_connection((dial["host"], dial["port"]), timeout)
    with connection, connection.makefile("rb") as replies:
        commands = [*dial["greeting"], [*lease["renew"], record]]
        connection.sendall(b"".join(map(pack, commands)))
        for _ in dial["greeting"]:
            if replies.readline()[:1] != b"+":
                raise ValueError
        if replies.readline()[:1] != b":":
            raise ValueError


def pack(words: list[str | int]) -> bytes:
    """Return a command in the form in which it is written to a server."""
    parts = [str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def main(worker: int) -> None:
    """Run the standby process."""
    # Signals that stop a worker gracefully are not for this process: it exits when the worker has exited.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    Standby(worker).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
