"""How the processes of a project agree on one embedded server.

Four files in the server's folder are locked with flock. A lock belongs to an open file, ends with the last process
that has that file open, however the process ends, and is inherited by fork. So no state has to be cleaned up: after
`kill -9` or a power cut the locks are free, and whatever else lies in the folder (a socket, the data) says nothing
about life.

    start.lock    exclusive, by a user while it joins: joining is done by one process at a time
    users.lock    shared, by every user until it ends; exclusive, by the keeper once the last user is gone
    keeper.lock   exclusive, by the keeper for its whole life
    data.lock     exclusive, by the keeper and the server it starts: never two servers on the same data

A user joins as follows:

1. Lock start.lock, and lock users.lock shared. The latter waits while a keeper is stopping its server. From here on no
   keeper can begin to stop.
2. Until the server answers: try keeper.lock. If it is free there is no keeper, so start one and hand it the locked
   file. As the lock goes from hand to hand there are never two keepers, and a free lock never means one that is about
   to take it. If it is free again after that, the server cannot run: say so.
3. Unlock start.lock. Keep users.lock.

A keeper (`keeper.py`) waits for data.lock, starts the server, and waits for an exclusive lock on users.lock, which it
gets when the last user has ended. Then it stops the server, removes the short link to its folder, if there is one
(`location.py`), and ends. A user that arrives meanwhile waits in step 1 and finds keeper.lock free in step 2.

It cannot deadlock: every process locks in the order start, users, keeper, data. Users wait only for start.lock and
users.lock; the first is held by a joining user, whose step 2 is bounded in time, the second by a stopping keeper, which
waits only for its own server, for a bounded time as well. A starting keeper waits for data.lock, which is held only by
an orphaned server that is about to stop; a user waits for that keeper for a bounded time.

Forks: a child shares its parent's lock on users.lock, so the server lives until both are gone; that is why users.lock
is never unlocked, only closed. The other locks are unlocked explicitly, so that a child that was forked during the
few milliseconds of a join does not hold them.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from upnext.embedded import keeper
from upnext.embedded.location import LOG, server_binary, socket_path
from upnext.embedded.pruning import prune
from upnext.embedded.state_folder import existing_server_folder, make_private, server_folder
from upnext.errors import ConfigError

_PATIENCE = 30.0
"""Seconds to wait for a server that does not say anything."""

_WAITING = (
    "Waiting for the embedded server: another process starts or stops it, and holds '%s'. If that does not end, look "
    "for a process that was stopped (Ctrl-Z), or set UPNEXT_REDIS_URL to the URL of a Redis or Valkey server."
)

_logger = logging.getLogger("upnext")


class _Use(NamedTuple):
    """A server that this process, or the one that it was forked from, has joined.

    Attributes:
        url: The server's.
        users: The open users.lock.
        identity: Which file that is.
    """

    url: str
    users: int
    identity: tuple[int, int]

    @property
    def lasts(self) -> bool:
        """Whether the lock is still held: a process that becomes a daemon closes all of its open files."""
        try:
            return _identity(self.users) == self.identity
        except OSError:
            return False


def _identity(file: int) -> tuple[int, int]:
    status = os.fstat(file)
    return status.st_dev, status.st_ino


_joined: dict[Path, _Use] = {}
"""By project."""
_SILENCE = 5.0
"""Seconds for which a lock is waited for without a word."""


def join(root: Path, folder: Path | None = None) -> str:
    """Return the URL of the project's server, which runs from now on until this process has ended.

    Args:
        root: The project.
        folder: The server's own folder; by default the one that is kept for the project.
    """
    if (url := _joined_url(root)) is not None:
        return url
    binary = server_binary()
    folder, started = server_folder(root) if folder is None else make_private(folder), False
    with _locked(folder / "start.lock"):
        if _joined_url(root) is None:
            users = keeper.open_lock(folder / "users.lock")
            try:
                _lock(users, fcntl.LOCK_SH, folder / "users.lock")
                address = socket_path(folder)
                started = _await_server(folder, binary, address)
            except BaseException:
                os.close(users)
                raise
            _joined[root] = _Use(f"unix://{quote(os.fsencode(address))}", users, _identity(users))
            _logger.warning(
                "Using the embedded server, which is for development only. Its data are in '%s'. "
                "Set UPNEXT_REDIS_URL to use a Redis or Valkey server of your own.",
                folder,
            )
    if started:
        prune()
    return _joined[root].url


def _joined_url(root: Path) -> str | None:
    """Return the URL of the server that this process already uses; None if there is none, or no longer."""
    use = _joined.get(root)
    return use.url if use is not None and use.lasts else None


def join_running(root: Path) -> str | None:
    """Return the URL of the project's server if it is running, keeping it alive until this process has ended.

    Waits for a process that is starting it. Starts none, and makes no folder.
    """
    if (url := _joined_url(root)) is not None:
        return url
    folder = existing_server_folder(root)
    if folder is None:
        return None
    with _locked(folder / "start.lock"):
        users = keeper.open_lock(folder / "users.lock")
        try:
            address = _running(folder, users)
        except BaseException:
            os.close(users)
            raise
        if address is None:
            os.close(users)
            return None
        _joined[root] = _Use(f"unix://{quote(os.fsencode(address))}", users, _identity(users))
    return _joined[root].url


def _running(folder: Path, users: int) -> Path | None:
    """Lock users.lock and return the address of the server; None if none answers, or it is stopping."""
    try:
        fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    address = socket_path(folder)
    deadline = time.monotonic() + _PATIENCE
    while (answer := _ping(address)).startswith(b"-LOADING") and time.monotonic() < deadline:
        time.sleep(0.01)
    return address if answer.startswith(b"+PONG") else None


def _await_server(folder: Path, binary: Path, address: Path) -> bool:
    """Return once the server answers; start a keeper if there is none. Called with start.lock and users.lock held.

    Returns:
        Whether it was started here.
    """
    started, logged = False, _log_size(folder)
    deadline = time.monotonic() + _PATIENCE
    while True:
        with _free(folder / "keeper.lock") as lock:
            if lock is not None:
                if started:
                    raise ConfigError(_what_failed(folder, "stopped while it started", logged))
                _start_keeper(folder, binary, lock, address)
                started = True
        answer = _ping(address)
        if answer.startswith(b"+PONG"):
            return started
        if answer.startswith(b"-LOADING"):  # it is loading its data, and is ready once it has loaded all
            deadline = time.monotonic() + _PATIENCE
        if time.monotonic() > deadline:
            raise ConfigError(_what_failed(folder, f"has not answered for {_PATIENCE:g} seconds", logged))
        time.sleep(0.01)


def _start_keeper(folder: Path, binary: Path, lock: int, address: Path) -> None:
    """Start a keeper that owns the given lock; return when it is independent of this process."""
    logged = _log_size(folder)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(folder / LOG, flags, 0o600), "ab") as log:
        starter = subprocess.run(
            [sys.executable, "-I", "-S", keeper.__file__, binary, str(lock), address.parent],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            pass_fds=(lock,),
            start_new_session=True,
            check=False,
        )
    if starter.returncode:
        raise ConfigError(_what_failed(folder, "could not be started", logged))


def _ping(address: Path) -> bytes:
    """Return the server's reply to a PING, nothing if it does not listen."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1.0)
        try:
            client.connect(os.fsencode(address))
            client.sendall(b"PING\r\n")
            return client.recv(64)
        except OSError:
            return b""


def _log_size(folder: Path) -> int:
    """Return the length of the log, since everything in it so far comes from an earlier server."""
    try:
        return (folder / LOG).lstat().st_size
    except FileNotFoundError:
        return 0


def _what_failed(folder: Path, what: str, logged: int) -> str:
    log = folder / LOG
    words = log.read_bytes()[logged:].decode(errors="replace").strip() if log.exists() else ""
    last = f" Its last words: {words.splitlines()[-1]!r}." if words else " It could not say why: the disk may be full."
    way_out = f"Read '{log}', or set UPNEXT_REDIS_URL to the URL of a Redis or Valkey server."
    return f"The embedded server {what}.{last} {way_out}"


@contextmanager
def _locked(path: Path) -> Generator[None]:
    lock = keeper.open_lock(path)
    try:
        _lock(lock, fcntl.LOCK_EX, path)
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)
        os.close(lock)


def _lock(file: int, kind: int, path: Path) -> None:
    """Lock a file, and report if that takes long: its holder may be stopped, by Ctrl-Z or a debugger."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        timer = threading.Timer(_SILENCE, _logger.warning, (_WAITING, path))
        timer.daemon = True
        timer.start()
        try:
            fcntl.flock(file, kind)
        finally:
            timer.cancel()


@contextmanager
def _free(path: Path) -> Generator[int | None]:
    """Yield the locked file if no other process holds the lock, else None.

    It is closed in the end, not unlocked: a keeper may own it by then.
    """
    lock = keeper.open_lock(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        yield None
        return
    try:
        yield lock
    finally:
        os.close(lock)
