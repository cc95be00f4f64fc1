"""`upnext run` as a child of the demo: its log is shown as it comes, and it does not outlive the demo."""

from __future__ import annotations

import fcntl
import re
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

INTERVAL = 0.05


class ServiceProcess:
    """A running service. Leaving the `with` block ends it, whatever happened."""

    def __init__(self, command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        self._folder = folder
        self._log: list[str] = []
        self._logged = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._follow)
        self._reader.start()

    def serves(self, port: int, seconds: float) -> bool:
        """Wait until the service answers over HTTP; False if it ends before, or does not answer in time."""
        deadline = time.monotonic() + seconds
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                httpx.get(f"http://127.0.0.1:{port}/openapi.json", timeout=seconds, trust_env=False)
            except httpx.TransportError:
                time.sleep(INTERVAL)
            else:
                return True
        return False

    def logs(self, pattern: str, seconds: float) -> bool:
        """Wait until a line of the log matches; False if none does in time, or before the service ends."""
        with self._logged:
            return self._logged.wait_for(lambda: self._ended or self._has(pattern), seconds) and self._has(pattern)

    def stop(self, seconds: float) -> int:
        """Ask the service to stop, and return its exit code."""
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(seconds)
        self._reader.join(seconds)
        return code

    def is_gone(self, seconds: float) -> bool:
        """Wait until the embedded server has followed the service; False if it does not in time."""
        deadline = time.monotonic() + seconds
        while self._server_lives():
            if time.monotonic() > deadline:
                return False
            time.sleep(INTERVAL)
        return True

    def _server_lives(self) -> bool:
        """Whether there is a socket to reach it at, or a process that holds its lock."""
        server = self._folder / ".upnext" / "server"
        if (server / "valkey.sock").exists():
            return True
        try:
            with (server / "users.lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def _has(self, pattern: str) -> bool:
        return any(re.search(pattern, line) for line in self._log)

    def _follow(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            # Without the date, and without the temporary folder, so that it reads well.
            print(re.sub(r"^\d{4}-\d\d-\d\d ", "", line).replace(str(self._folder), "."), end="")
            with self._logged:
                self._log.append(line)
                self._logged.notify_all()
        with self._logged:
            self._ended = True
            self._logged.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._reader.join(15)
        self.is_gone(15)
