"""Several processes of one service under a supervisor: an Api, their input, how they stop, and --reload."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.running import ServiceFile
from tests.servers import free_port
from tests.waiting import wait_until
from upnext.runner import reloading

API = """
worker = upnext.Worker("shop", concurrency=1)
event = worker.event("order.placed")
api = upnext.Api("shop", port={port})

@event.on
async def handle(n: int) -> int:
    return n

@api.get("/pid")
async def pid() -> int:
    return os.getpid()

@api.get("/send")
async def send(n: int) -> dict[str, object]:
    return await (await event.send(n=n)).results(timeout=30)
"""


def get(port: int, path: str) -> str:
    """Return what the Api answers, over a connection of its own; "" while nobody listens."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as client:
        try:
            client.request("GET", path)
            return client.getresponse().read().decode()
        except ConnectionRefusedError:
            return ""


def test_all_processes_serve_an_api_on_one_port(valkey_url: str, tmp_path: Path) -> None:
    """They share the socket, also when one dies and is started again; all of them stop in order."""
    port = free_port()
    service = ServiceFile(tmp_path, valkey_url, API.format(port=port))
    with service.process("--processes", "3") as process:
        wait_until(lambda: get(port, "/pid"), timeout=60)
        pids: set[str] = set()
        wait_until(lambda: pids.add(get(port, "/pid")) or len(pids) == 3, timeout=60)
        assert get(port, "/send?n=5") == '{"handle":5}'
        os.kill(int(min(pids)), signal.SIGKILL)
        wait_until(lambda: get(port, "/pid") not in pids, timeout=60)
        process.terminate()
        assert process.wait(30) == 0
    assert get(port, "/pid") == ""


def test_a_port_that_another_program_has_is_named_once(valkey_url: str, tmp_path: Path) -> None:
    """The service ends with exit code 2, as with one process."""
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        service = ServiceFile(tmp_path, valkey_url, API.format(port=port))
        for arguments in ([], ["--processes", "2"]):
            with service.process(*arguments) as process:
                _, errors = process.communicate(timeout=60)
                assert process.returncode == 2
                assert f"The Api cannot listen on 127.0.0.1:{port}" in errors


INPUT = """
import subprocess
worker = upnext.Worker("shop")

@worker.event("order.placed").on
def handle(n: int) -> None:
    note("read", repr(subprocess.run(["cat"], capture_output=True, text=True, timeout=30).stdout))
"""


@pytest.mark.parametrize("arguments", [[], ["--processes", "2"], ["--reload"]], ids=str)
def test_what_a_handler_starts_reads_no_input_of_the_service(
    valkey_url: str, tmp_path: Path, arguments: list[str]
) -> None:
    """A tool that reads its standard input finds its end, and waits for nothing."""
    import upnext

    service = ServiceFile(tmp_path, valkey_url, INPUT)
    with service.process(*arguments) as process:
        upnext.Worker("tests", redis_url=valkey_url).event("order.placed").send_sync(n=1)
        service.ledger.wait_for("read ''", timeout=60)
        process.terminate()
        assert process.wait(30) == 0


TERMINAL = """
note("terminal", os.isatty(0))
worker = upnext.Worker("shop")

@worker.task
def handle() -> None: ...
"""


def test_a_service_that_is_started_in_a_terminal_keeps_it(valkey_url: str, tmp_path: Path) -> None:
    """A debugger asks there."""
    inner, outer = os.openpty()
    service = ServiceFile(tmp_path, valkey_url, TERMINAL)
    with service.process(stdin=outer):
        service.ledger.wait_for("terminal True")
    os.close(inner)
    os.close(outer)


SLOW = """
worker = upnext.Worker("shop")

@worker.event("order.placed").on
async def handle(n: int) -> None:
    note("start", os.getpid())
    await asyncio.sleep(1)
    note("end")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group_lets_jobs_end(valkey_url: str, tmp_path: Path, number: int) -> None:
    """As Ctrl-C does, and a service manager: each process gets the signal, and none takes it for a second one."""
    import upnext

    service = ServiceFile(tmp_path, valkey_url, SLOW, UPNEXT_GRACE="20")
    command = [sys.executable, "-m", "upnext", "run", str(service.file), "--processes", "2"]
    process = subprocess.Popen(
        command, env=service.environment, cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        upnext.Worker("tests", redis_url=valkey_url).event("order.placed").send_sync(n=1)
        service.ledger.wait_for("start", timeout=60)
        os.killpg(process.pid, number)
        assert process.wait(60) == (0 if number == signal.SIGTERM else 130)
        assert service.ledger.count("end") == 1
    finally:
        process.kill()
        process.wait()


def test_processes_stop_when_their_supervisor_is_killed(valkey_url: str, tmp_path: Path) -> None:
    """None is left behind, however the supervisor ended."""
    import upnext

    service = ServiceFile(tmp_path, valkey_url, SLOW)
    with service.process("--processes", "1", "--reload") as process:
        upnext.Worker("tests", redis_url=valkey_url).event("order.placed").send_sync(n=1)
        service.ledger.wait_for("start", timeout=60)
        pid = int(service.ledger.lines[0].split()[1])
        process.kill()
        wait_until(lambda: not Path(f"/proc/{pid}").exists() if Path("/proc").exists() else True, timeout=60)
    assert service.ledger.count("end") == 1


def test_reload_survives_folders_that_vanish_and_still_sees_a_change(valkey_url: str, tmp_path: Path) -> None:
    """A checkout or a build makes and removes folders while it looks."""
    body = 'worker = upnext.Worker("shop")\nnote("loaded", "{version}")\n'
    service = ServiceFile(tmp_path, valkey_url, body.format(version=1))
    over = threading.Event()

    def churn() -> None:
        while not over.is_set():
            for n in range(30):
                (tmp_path / f"made/{n}/a/b").mkdir(parents=True, exist_ok=True)
            shutil.rmtree(tmp_path / "made")

    churning = threading.Thread(target=churn)
    with service.process("--reload") as process:
        service.ledger.wait_for("loaded 1", timeout=60)
        churning.start()
        try:
            for version in range(2, 5):  # each of them is a look that has survived
                text = service.file.read_text().replace(f'"{version - 1}"', f'"{version}"')
                service.file.write_text(text)
                service.ledger.wait_for(f"loaded {version}", timeout=60)
        finally:
            over.set()
            churning.join()
        process.terminate()
        assert process.wait(30) == 0


def test_reload_does_not_list_what_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installing a package into a virtual environment restarts nothing; nor does what .gitignore names."""
    (tmp_path / ".gitignore").write_text("generated/\n")
    for folder in ("env", "node_modules", "generated"):
        (tmp_path / folder).mkdir()
    (tmp_path / "env" / "pyvenv.cfg").touch()
    service = tmp_path / "service.py"
    service.touch()
    walks, over = 0, threading.Event()
    discover = reloading.discover

    def counted(project: Any) -> Any:
        nonlocal walks
        if over.is_set():
            threading.Event().wait()  # the thread looks no more
        walks += 1
        return discover(project)

    monkeypatch.setattr(reloading, "discover", counted)
    watcher = reloading.FileWatcher(service)
    watcher.start()
    try:
        wait_until(lambda: walks)
        for folder in ("env", "node_modules", "generated"):
            (tmp_path / folder / "new.py").touch()
        before = walks
        wait_until(lambda: walks >= before + 2, what="a walk that began after that")
        assert not watcher.changed()
        (tmp_path / "other.py").touch()
        wait_until(watcher.changed)
    finally:
        over.set()


def test_a_process_that_cannot_be_started_again_ends_no_other(valkey_url: str, tmp_path: Path) -> None:
    """Where no files are left for a moment, or no memory: it is tried again, and the others take jobs meanwhile."""
    resource = pytest.importorskip("resource", reason="limits of another process are Linux's")
    service = ServiceFile(tmp_path, valkey_url, 'worker = upnext.Worker("shop")\nnote("loaded", os.getpid())\n')
    with service.process("--processes", "2") as process:
        service.ledger.wait_for("loaded", 2, timeout=60)
        pids = [int(line.split()[1]) for line in service.ledger.lines]
        before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, before[1]))
        os.kill(pids[0], signal.SIGKILL)
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        assert any("A process cannot be started ([Errno 24] Too many open files)" in line for line in lines)
        os.kill(pids[1], 0)  # it lives
        assert service.ledger.count("loaded") == 2
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
        service.ledger.wait_for("loaded", 3, timeout=60)
        process.terminate()
        assert process.wait(30) == 0


def test_a_file_that_no_process_can_import_ends_the_command(valkey_url: str, tmp_path: Path) -> None:
    """With the exit code of one process, so that who deployed it hears of it."""
    service = ServiceFile(tmp_path, valkey_url, "import upnextt\n")
    with service.process("--processes", "2") as process:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1
    assert "No module named 'upnextt'" in errors
    assert "None of the 2 processes could import the service's file" in errors


def test_a_process_that_cannot_import_the_file_ends_no_other(valkey_url: str, tmp_path: Path) -> None:
    """One that serves is enough: the others are tried again."""
    body = """
    import pathlib
    try:
        pathlib.Path(os.environ["LEDGER"] + ".first").mkdir()
    except FileExistsError:
        note("fails")
        raise
    worker = upnext.Worker("shop")
    note("works")
    """
    service = ServiceFile(tmp_path, valkey_url, body)
    with service.process("--processes", "2") as process:
        service.ledger.wait_for("fails", 2, timeout=60)
        process.terminate()
        assert process.wait(30) == 0
    assert service.ledger.count("works") == 1


def test_a_process_serves_under_a_supervisor_of_the_previous_release(valkey_url: str, tmp_path: Path) -> None:
    """That one runs on while its release is replaced: it passes a pipe as standard input, and no socket."""
    port = free_port()
    service = ServiceFile(tmp_path, valkey_url, API.format(port=port))
    process = subprocess.Popen(
        [sys.executable, "-m", "upnext", "run", str(service.file)],
        stdin=subprocess.PIPE,
        env={**service.environment, "UPNEXT_SUPERVISED": "1"},
    )
    try:
        wait_until(lambda: get(port, "/pid") == str(process.pid), timeout=60)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
