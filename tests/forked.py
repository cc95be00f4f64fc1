"""Commands as processes of their own, which begin with upnext imported: importing is most of what a start takes.

A process that has imported what every service does, and nothing else, forks them: it has neither threads nor
connections. From there on a service is what `python -m upnext` makes of its arguments, environment and folder. Python
reads some environment variables only at startup, so there is one forking process for each combination of them. A
command of another environment, such as mypy with the plugin, is forked in the same way.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock, Thread
from typing import Any, NoReturn, TextIO

ROOT = Path(__file__).parents[1]
IMPORTED = {
    "upnext": (
        "upnext.cli.run",
        "upnext.embedded.joining",
        "upnext.log_format",
        "upnext.runner.service",
        "upnext.runner.service_loader",
        "upnext.runner.supervised",
        "upnext.runner.unimported",
    ),
    "mypy": (
        "mypy.main",
        "upnext_mypy.plugin",
        "upnext_codegen.analyze_file",
        "upnext_codegen.catalog.outputs",
        "upnext_codegen.generate",
    ),
    "python": ("upnext_mypy.refresh",),
}
"""What every run of a command imports."""
HEAD = struct.Struct("!I")
READ_AT_START = ("PYTHON", "LANG", "LC_")


class Forked:
    """`python -m upnext`, forked, with what tests ask of a `subprocess.Popen`: its pipes are of text.

    Args:
        arguments: Those of `upnext`.
        env: Its environment.
        cwd: Its folder.
        stdin: Its standard input: a file's number, or a pipe that does not end.
        program: What it runs in place of `upnext`, as with `python -c`, and in a session of its own.
        script: A command of an environment, that it is in place of `python -m upnext` in this one.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        stdin: int,
        program: str = "",
        script: Path | None = None,
    ) -> None:
        own: list[int] = []
        theirs = [os.dup(stdin)] if stdin >= 0 else []
        for number in range(len(theirs), 4):
            ends = os.pipe()
            theirs.append(ends[number > 0])
            own.append(ends[number == 0])
        *streams, self._ended = own
        wanted = {
            "arguments": [*arguments],
            "env": dict(env),
            "cwd": str(cwd),
            "program": program,
            "script": str(script or ""),
        }
        told = {name: value for name, value in env.items() if name.startswith(READ_AT_START)}
        python, name = (str(script.parent / "python"), script.name) if script else (sys.executable, "upnext")
        self.pid = _forker(python, name, tuple(sorted(told.items()))).fork(wanted, theirs)
        for each in theirs:
            os.close(each)
        self.stdin: TextIO | None = os.fdopen(streams.pop(0), "w") if stdin < 0 else None
        self.stdout: TextIO | None = os.fdopen(streams[0])
        self.stderr: TextIO | None = os.fdopen(streams[1])
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code if it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, and return the exit code."""
        if self.returncode is None:
            if not select.select([self._ended], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("upnext", timeout or 0)
            self.returncode = int(os.read(self._ended, 16))
            os.close(self._ended)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read what it prints until it has ended."""
        if self.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.stdin.close()
        texts = ["", ""]

        def read(number: int, stream: TextIO) -> None:
            texts[number] = stream.read()
            stream.close()

        readers = [
            Thread(target=read, args=(number, stream), daemon=True)
            for number, stream in enumerate((self.stdout, self.stderr))
            if stream is not None and not stream.closed
        ]
        for reader in readers:
            reader.start()
        end = None if timeout is None else time.monotonic() + timeout
        for reader in readers:
            reader.join(None if end is None else max(0, end - time.monotonic()))
            if reader.is_alive():
                raise subprocess.TimeoutExpired("upnext", timeout or 0)
        self.wait(None if end is None else max(0, end - time.monotonic()))
        return texts[0], texts[1]

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended since
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def run_forked(*arguments: str, env: Mapping[str, str], cwd: Path, script: Path | None = None) -> tuple[int, str, str]:
    """Run a command in a process of its own: its exit code and what it printed, on stderr too."""
    process = Forked(arguments, env=env, cwd=cwd, stdin=subprocess.PIPE, script=script)
    out, err = process.communicate()
    return process.wait(), out, err


class _Forker:
    """A process that forks them, for one test process: it ends with that.

    Args:
        python: The interpreter of their environment.
        name: Which command they are.
        told: What its environment, and that of each of them, tells Python.
    """

    def __init__(self, python: str, name: str, told: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair()
        self._one_at_a_time = Lock()  # threads of a test start commands, and each waits for the answer to its own
        others = {name: value for name, value in os.environ.items() if not name.startswith(READ_AT_START)}
        code = f"from tests.forked import _serve; _serve({theirs.fileno()}, {IMPORTED[name]!r})"
        with theirs:
            self._process = subprocess.Popen(
                [python, "-c", code],
                cwd=ROOT,
                env=others | {**told},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def fork(self, wanted: dict[str, object], files: list[int]) -> int:
        """Have a service forked that has these files as standard streams, and return its process id."""
        body = json.dumps(wanted).encode()
        with self._one_at_a_time:
            socket.send_fds(self._socket, [HEAD.pack(len(body))], files)
            self._socket.sendall(body)
            return int(HEAD.unpack(_received(self._socket, HEAD.size))[0])

    def close(self) -> None:
        """End it; what it has forked goes on."""
        self._socket.close()
        self._process.kill()
        self._process.wait()


@functools.cache
def _forker(python: str, name: str, told: tuple[tuple[str, str], ...]) -> _Forker:
    forker = _Forker(python, name, dict(told))
    atexit.register(forker.close)
    return forker


def _received(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        assert part, "the process that forks services has ended"
        data += part
    return data


def _serve(number: int, modules: Sequence[str]) -> None:
    """Fork commands until the tests have ended; in each of them, become it."""
    del sys.path[0]  # the folder of the tests, which no service has on its path, and may have modules of that name
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    for name in modules:
        importlib.import_module(name)
    with socket.socket(fileno=number) as sock:
        while True:
            head, files, *_ = socket.recv_fds(sock, HEAD.size, 4)
            if not head:
                return
            wanted = json.loads(_received(sock, HEAD.unpack(head)[0]))
            if not os.fork():
                if not (service := os.fork()):
                    break
                _tell_the_end(sock, service, files)
            for each in files:
                os.close(each)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
    _become(wanted, files)


def _become(wanted: dict[str, Any], files: list[int]) -> None:
    *streams, ended = files
    os.close(ended)
    for standard, each in enumerate(streams):
        os.dup2(each, standard)
        os.close(each)
    # As Python opens them: its own ones know what the files were like that they were opened for.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(wanted["env"])
    time.tzset()
    os.chdir(wanted["cwd"])
    script = wanted["script"]
    sys.path.insert(0, str(Path(script).parent if script else Path.cwd()))  # as Python itself does
    sys.argv = [script or "upnext", *wanted["arguments"]]
    if wanted["program"]:
        os.setsid()
        exec(compile(wanted["program"], "<string>", "exec"), {"__name__": "__main__"})
        sys.exit()
    if script:
        runpy.run_path(script, run_name="__main__")
    else:
        runpy.run_module("upnext", run_name="__main__", alter_sys=True)


def _tell_the_end(sock: socket.socket, service: int, files: list[int]) -> NoReturn:
    """Say which process the service is and, when it has ended, with which exit code: only its parent can know that."""
    sock.sendall(HEAD.pack(service))
    sock.close()
    *streams, ended = files
    for each in streams:
        os.close(each)
    _, status = os.waitpid(service, 0)
    with contextlib.suppress(BrokenPipeError):
        os.write(ended, str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)
