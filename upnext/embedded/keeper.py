"""The process that owns an embedded server: starts it, and stops it when the last user is gone (see `joining.py`).

It runs as a script, in the server's folder, in a session of its own: Ctrl-C in a user's terminal does not reach it, nor
the server. It imports the standard library only, and little of it, as it lives as long as the server.

    python -I -S keeper.py <server binary> <number of the open, locked keeper.lock> <the folder as its users reach it>
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time

SERVER_OPTIONS = [
    *("--port", "0", "--unixsocket", "valkey.sock", "--unixsocketperm", "700"),
    *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
    *("--always-show-logo", "no", "--maxmemory-policy", "noeviction"),
    # Not even a tampered append-only file can load native code.
    *("--rename-command", "MODULE", ""),
]

_STOP_PATIENCE = 30.0
"""Seconds that the server has to write its data when it is told to stop."""

_SHORTEST_LIFE = 1.0
"""Seconds. A server that crashes later is started again; one that crashes sooner would only do so once more."""

_PR_SET_PDEATHSIG = 1
_SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}


def open_lock(path: str | os.PathLike[str]) -> int:
    """Return a newly opened file to lock; only this user can open it, and executed programs do not inherit it."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def main(binary: str, keeper_lock: int, reached_at: str) -> int:
    """Keep the server until the last user is gone. The folder is the current one; the lock is held on entry."""
    os.umask(0o077)
    _dismiss_orphan()
    if os.fork():
        return 0  # to its starter, which then need not wait for the keeper, and has no unexpected child
    signal.signal(signal.SIGCHLD, _do_nothing)  # or it might be garbage-collected before it is awaited
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, _SIGNALS)
    users_lock = open_lock("users.lock")
    data_lock = open_lock("data.lock")
    fcntl.flock(data_lock, fcntl.LOCK_EX)
    threading.Thread(target=_stop_after_last_user, args=(users_lock,), daemon=True).start()
    try:
        return _keep(binary, data_lock)
    finally:
        _remove_link(reached_at, users_lock)
        # Explicitly, as a process that was forked while its parent started this one may have the file open; and before
        # users.lock is released, so that the next user finds it unlocked.
        fcntl.flock(keeper_lock, fcntl.LOCK_UN)


def _do_nothing(signum: int, frame: object) -> None:
    """Do nothing: the signal only has to be noticed."""


def _dismiss_orphan() -> None:
    """Stop a server whose keeper was killed, if there is one; make sure that it is not mistaken for the next one.

    On Linux it is stopping already. It holds data.lock until it has stopped.
    """
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1.0)
        with contextlib.suppress(OSError):  # the usual case: nothing listens there
            client.connect("valkey.sock")
            client.sendall(b"SHUTDOWN\r\n")
    with contextlib.suppress(FileNotFoundError):
        os.unlink("valkey.sock")


def _stop_after_last_user(users_lock: int) -> None:
    """Wait for the exclusive lock, which cannot be had while there are users. It is held until this process ends."""
    fcntl.flock(users_lock, fcntl.LOCK_EX)
    os.kill(os.getpid(), signal.SIGTERM)


def _remove_link(link: str, users_lock: int) -> None:
    """Remove the short link to the folder, if it is a link and unused by users or a recreated folder."""
    if os.path.islink(link) and os.path.exists(link) and os.path.samefile(link, "."):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(users_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(link)


def _keep(binary: str, data_lock: int) -> int:
    """Run the server until a signal tells to stop it; return the exit code of the keeper."""
    while True:
        started = time.monotonic()
        server = _start(binary, data_lock)
        while server.poll() is None:
            if signal.sigwait(_SIGNALS) != signal.SIGCHLD:
                return _stop(server)
        if server.returncode < 0:
            # It could not report that itself: the kernel kills a process that takes too much memory.
            with contextlib.suppress(OSError):  # the disk may be full
                os.write(2, b"The server was ended by signal %d.\n" % -server.returncode)
        if time.monotonic() - started < _SHORTEST_LIFE:
            return 1


def _start(binary: str, data_lock: int) -> subprocess.Popen[bytes]:
    keeper = os.getpid()
    die_with_parent = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def before_exec() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if die_with_parent:
            die_with_parent(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != keeper:
                os._exit(1)

    return subprocess.Popen(
        [binary, *SERVER_OPTIONS],
        env={**os.environ, "LC_ALL": "C"},  # the server does not start in a locale that the machine does not have
        pass_fds=(data_lock,),
        preexec_fn=before_exec,  # noqa: PLW1509  (its one other thread is blocked in flock, and holds no lock of Python's)
    )


def _stop(server: subprocess.Popen[bytes]) -> int:
    server.terminate()
    try:
        return server.wait(_STOP_PATIENCE)
    except subprocess.TimeoutExpired:
        server.kill()
        return server.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
