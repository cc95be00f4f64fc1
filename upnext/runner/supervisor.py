"""Several processes of one service: started, started again when they die, stopped together."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic

from upnext.log import log

SUPERVISED = "UPNEXT_SUPERVISED"
"""Environment variable that tells a process that its standard input ends with its supervisor."""

_BACKOFF_CAP = 30.0
_HEALTHY = 10.0  # seconds after which a process counts as having started well
_LOOK = 0.2
_NO_USE = (2, 3)  # exit codes that another try will not change


def supervise(file: Path, processes: int, *, reload: bool, probe: str | None = None) -> int:
    """Run a service in several processes until a signal; returns the exit code.

    Each process is a new interpreter: nothing is shared by a fork, neither connections nor threads. A process that
    dies is started again, after a pause that doubles while it keeps dying.

    Args:
        file: The service's file.
        processes: How many.
        reload: Whether to start them again when a Python file in the current folder changes.
        probe: Where the first of them says whether it takes jobs; the others do on the ports that follow.

    Raises:
        ConfigError: If that is no address.
    """
    commands = [[sys.executable, "-m", "upnext", "run", str(file)] for _ in range(processes)]
    if probe is not None:
        from upnext.runner.probe import parse  # noqa: PLC0415  # few ask for it, and it loads a web server

        for number, command in enumerate(commands):
            host, port = parse(probe, number)
            command += ["--probe", f"{host}:{port}"]
    return _Supervisor(commands, reload=reload).run()


def stop_with_supervisor() -> None:
    """In a supervised process: stop in order when the supervisor is gone, so that none is left behind."""
    if os.environ.pop(SUPERVISED, None) is not None:
        threading.Thread(target=_outlive, name="upnext-supervised", daemon=True).start()


def _outlive() -> None:
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


class _Child:
    def __init__(self, command: list[str], *, reload: bool) -> None:
        self._command = command
        self._reload = reload
        self._failures = 0
        self._resume_at = 0.0
        self._started = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def tend(self) -> int | None:
        """Start the process if it is time to; returns an exit code that ends the service."""
        if self.process is None:
            if monotonic() >= self._resume_at:
                environment = {**os.environ, SUPERVISED: "1"}
                if self._reload:
                    # A compiled file stands for its source as long as size and second are the same: an edit can be.
                    environment["PYTHONDONTWRITEBYTECODE"] = "1"
                # The pipe is never written to: it ends when this process does, however that happens.
                self.process = subprocess.Popen(self._command, stdin=subprocess.PIPE, env=environment)
                self._started = monotonic()
            return None
        code = self.process.poll()
        if code is None:
            return None
        self.let_go()
        if self._reload and code > 0:
            # Perhaps it read a file that was only half written; the next change is another chance.
            log.warning("Process %d ended with %d; waiting for a change", self.process.pid, code)
            self.process, self._resume_at = None, math.inf
            return None
        if code in _NO_USE:
            return code
        self._failures = 0 if monotonic() - self._started > _HEALTHY else self._failures + 1
        pause = 0.0 if not self._failures else min(0.5 * 2**self._failures, _BACKOFF_CAP)
        log.warning("Process %d ended with %d; starting it again in %.1f s", self.process.pid, code, pause)
        self._resume_at = monotonic() + pause
        self.process = None
        return None

    def let_go(self) -> None:
        """Wait for a process that has ended, or was told to, and close its pipe."""
        if self.process is not None and self.process.stdin is not None:
            self.process.wait()
            self.process.stdin.close()

    def restart(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
        self.let_go()
        self.process, self._resume_at, self._failures = None, 0.0, 0


class _Supervisor:
    def __init__(self, commands: list[list[str]], *, reload: bool) -> None:
        self._children = [_Child(command, reload=reload) for command in commands]
        self._reload = reload
        self._stop = threading.Event()
        self._number = 0

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._receive)
        files = _python_files() if self._reload else {}
        code: int | None = None
        while not self._stop.is_set() and code is None:
            code = next((code for child in self._children if (code := child.tend()) is not None), None)
            if self._reload and (now := _python_files()) != files:
                files = now
                log.info("A Python file changed; starting again")
                for child in self._children:
                    child.restart()
            self._stop.wait(_LOOK)
        self._end()
        return code if code is not None else 130 if self._number == signal.SIGINT else 0

    def _receive(self, number: int, _: object) -> None:
        if self._stop.is_set():
            for process in self._living():
                process.kill()
            os._exit(128 + number)
        self._number = number
        self._stop.set()

    def _living(self) -> list[subprocess.Popen[bytes]]:
        return [c.process for c in self._children if c.process is not None and c.process.poll() is None]

    def _end(self) -> None:
        for process in self._living():
            process.terminate()
        for child in self._children:
            child.let_go()


def _python_files() -> dict[str, int]:
    here, files = Path.cwd(), dict[str, int]()
    for path in sorted(here.rglob("*.py")):
        if not any(part.startswith(".") or part == "node_modules" for part in path.relative_to(here).parts):
            with suppress(OSError):  # it has gone meanwhile: editors write beside a file, and then in its place
                files[str(path)] = path.stat().st_mtime_ns
    return files
