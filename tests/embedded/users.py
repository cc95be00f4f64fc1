"""Processes that use a project's embedded server, for the tests to start, to end and to kill."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import redis

from tests.forked import Forked
from tests.waiting import wait_until

USER = """
import json, os, resource, signal, sys
from concurrent.futures import ThreadPoolExecutor
from upnext.embedded import joining, server_url
from upnext.errors import ConfigError

if "cannot write" in sys.argv:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
if "impatient" in sys.argv:
    joining._SILENCE = 0.0
try:
    with ThreadPoolExecutor(8) as threads:
        (url,) = set(threads.map(lambda _: server_url(), range(8 if "threads" in sys.argv else 1)))
except ConfigError as error:
    print(json.dumps({"error": str(error)}), flush=True)
    sys.exit()
forked = 0
if "fork" in sys.argv:
    forked = os.fork()
    if forked == 0:
        if server_url() != url:
            os._exit(1)
        os.closerange(0, 3)
        signal.pause()
if "daemon" in sys.argv:
    if os.fork():
        os._exit(0)
    os.closerange(3, 256)
    url = server_url()
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # what runs in the background of a script inherits that it is ignored
print(json.dumps({"url": url, "forked": forked}), flush=True)
sys.stdin.read()
"""


class User:
    """A process that joins the server of the project whose folder it runs in, and stays until it is told to go."""

    def __init__(self, folder: Path, *options: str, env: Mapping[str, str] | None = None) -> None:
        environment = {**os.environ, **(env or {})}
        self.process = Forked(options, cwd=folder, env=environment, stdin=subprocess.PIPE, program=USER)
        self._answer: dict[str, Any] | None = None

    @property
    def answer(self) -> dict[str, Any]:
        """What the process said after it joined; waits for it."""
        if self._answer is None:
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            assert line, self.process.communicate()[1]
            self._answer = json.loads(line)
        return self._answer

    @property
    def url(self) -> str:
        """The URL that the process got; waits for it."""
        assert "url" in self.answer, self.answer
        url: str = self.answer["url"]
        return url

    def leave(self) -> str:
        """Let the process end as it would by itself, and return what it wrote to stderr."""
        _, errors = self.process.communicate(timeout=120)
        return errors

    def kill(self) -> None:
        """End the process as `kill -9` does."""
        self.process.kill()
        self.process.communicate()


class Project:
    """A folder with an embedded server, and its users."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        (root / "pyproject.toml").touch()
        self.root = root
        self.users: list[User] = []

    @property
    def folder(self) -> Path:
        """The server's folder: where the link in the project leads, as it stands in its log lines."""
        return (self.root / ".upnext" / "server").readlink()

    @property
    def log(self) -> str:
        """What the server and its keeper have written so far."""
        return (self.folder / "valkey.log").read_text(encoding="utf-8")

    def user(self, *options: str, folder: Path | None = None, env: Mapping[str, str] | None = None) -> User:
        """Start another user."""
        user = User(folder or self.root, *options, env=env)
        self.users.append(user)
        return user

    def wait_until_stopped(self) -> None:
        """Return when neither a keeper nor a server is left."""
        for name in ("keeper.lock", "data.lock"):
            wait_until(lambda name=name: _is_free(self.folder / name), what=f"{name} to be free")

    def close(self) -> None:
        """Kill all users and wait for the server to stop."""
        for user in self.users:
            user.kill()
        if (self.root / ".upnext" / "server").is_symlink():
            self.wait_until_stopped()


@contextlib.contextmanager
def client_of(user: User) -> Iterator[redis.Redis]:
    """Give a client of the server that a user got."""
    with redis.Redis.from_url(user.url, decode_responses=True) as client:
        yield client


def server_pid(user: User) -> int:
    """Return the process id of the server that a user got."""
    with client_of(user) as client:
        pid: int = client.info("server")["process_id"]
        return pid


def parent_of(pid: int) -> int:
    """Return the process id of a process's parent."""
    return psutil.Process(pid).ppid()


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and that nobody has asked for yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill(pid: int) -> None:
    """End a process as `kill -9` does, and wait until it has ended."""
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid), what=f"the end of process {pid}")


def _is_free(path: Path) -> bool:
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
