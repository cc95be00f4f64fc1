"""`upnext top`: rates from what workers have counted, a screen that fits, on a real terminal until somebody ends it."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

import upnext
from tests.runtime.running import running
from tests.servers import Server, valkey_binary
from tests.waiting import wait_until, wait_until_async
from upnext.broker.activity import Activity
from upnext.broker.broker import Broker
from upnext.broker.status import NamespaceStatus, QueueStatus, StatusReader
from upnext.broker.worker_status import WorkerStatus
from upnext.cli.polling import read_status
from upnext.cli.rates import Rates
from upnext.cli.top_screen import Size, screen
from upnext.connect import reach
from upnext.settings import Settings, load

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"

WHERE = {"server": "redis://localhost", "namespace": "default"}
HANDLER = "shop|order.placed|confirm"


def process(worker_id: str, renewed: float, ended: dict[str, tuple[int, int]], **changes: object) -> WorkerStatus:
    status = WorkerStatus(
        *(worker_id, "shop", "host", 7, 0.0, 100, "0.1.0", (HANDLER,), 0, 0, 10.0, renewed, True), Activity(ended=ended)
    )
    return replace(status, **changes)  # type: ignore[arg-type]


def namespace(now: float, *workers: WorkerStatus, queues: int = 0) -> NamespaceStatus:
    found = tuple(QueueStatus(f"shop|order.placed|h{n}", n, 0, 0, 0, float(n), True) for n in range(queues))
    return NamespaceStatus(workers, found, (), 0, 0, now=now)


def test_a_rate_is_what_all_processes_have_counted_over_the_time_between_what_they_said() -> None:
    """Not between readings: a process says its counts now and then. One that is new counts from there."""
    rates = Rates()
    local = "order.placed|confirm"
    rates.add(namespace(100, process("a", 1, {local: (10, 0)}), process("b", 0, {local: (5, 5)})))
    assert rates.of_handlers == {}
    rates.add(namespace(102, process("a", 1, {local: (30, 2)}), process("b", 2, {local: (5, 5)})))
    assert rates.of_handlers == {HANDLER: (10.0, 1.0)}
    assert rates.of_processes == {"a": 11.0}
    rates.add(namespace(104, process("a", 1, {local: (30, 2)}), process("b", 0, {local: (25, 5)})))
    assert rates.of_handlers == {HANDLER: (10.0, 0.5)}
    # Said after its lease was read: from when these counts are is read the next time.
    rates.add(namespace(105, process("a", 2, {local: (90, 2)}), process("b", 1, {local: (25, 5)})))
    assert rates.of_handlers == {HANDLER: (10.0, 0.5)}
    rates.add(namespace(106, process("c", 0, {local: (3, 0)}), process("b", 0, {}, alive=False)))
    assert rates.of_handlers == {}


def test_a_rate_forgets_what_is_long_ago() -> None:
    """It is an average over the last seconds."""
    rates = Rates()
    for second in range(100):
        rates.add(namespace(second, process("a", 0, {"e|h": (min(second, 50) * 4, 0)})))
    assert rates.of_handlers == {"shop|e|h": (0.0, 0.0)}


class Renewing:
    """A connection over which a lease is renewed, with new counts, whenever somebody asks for the time."""

    def __init__(self, broker: Broker, worker_id: str) -> None:
        self._broker = broker
        self._worker_id = worker_id

    async def command(self, *words: Any) -> Any:
        reply = await self._broker.link.command(*words)
        if words == ("TIME",):
            await renew(self._broker, self._worker_id, 50, after=_milliseconds(reply))
        return reply


async def renew(broker: Broker, worker_id: str, jobs: int, after: int = 0) -> None:
    """Write down a lease of ten seconds as a worker does, later than a time, and how many jobs it has done."""
    record = {"worker": "shop", "host": "host", "pid": 7, "ended": {"order.placed|confirm": [jobs, 0]}}
    await broker.link.command("HSET", broker.keys.workers, worker_id, json.dumps(record))
    while (now := _milliseconds(await broker.link.command("TIME"))) <= after:
        pass
    await broker.link.command("ZADD", broker.keys.leases, now + 10_000, worker_id)


def _milliseconds(time: tuple[bytes, bytes]) -> int:
    return int(time[0]) * 1000 + int(time[1]) // 1000


async def test_a_process_that_says_its_counts_during_a_reading_has_said_them_once(redis_url: str) -> None:
    """Else nothing would have ended between the two times, and the latest rate be 0."""
    broker, worker_id, rates = (await reach(load(redis_url=redis_url))).partition(0), "0123456789abcdef.10000", Rates()
    await renew(broker, worker_id, 0)
    rates.add(await broker.status_reader.read())
    link: Any = Renewing(broker, worker_id)
    rates.add(await StatusReader(link, broker.keys).read())
    for _ in range(2):
        rates.add(await broker.status_reader.read())
        assert rates.latest[0] > 0


@pytest.mark.parametrize(("width", "height"), [(200, 50), (80, 24), (40, 10), (20, 3), (10, 1)])
def test_a_screen_is_no_larger_than_its_terminal(width: int, height: int) -> None:
    """Whatever there is to show; what is left out is counted, as far as there is room for that."""
    status = namespace(100, *(process(str(n), 1, {}) for n in range(60)), queues=300)
    for fault in ("", "No answer from the server at " + "x" * 300):
        lines = screen(status, Rates(), WHERE, Size(width, height), fault)
        assert len(lines) <= height
        assert max(map(len, lines)) <= width
    if height >= 24:
        assert [line for line in lines if re.fullmatch(r"and \d+ more", line)]


async def test_workers_say_how_many_attempts_have_ended_by_handler(command: Command, redis_url: str) -> None:
    """With their lease; `status` adds them up, and `top --once` shows them."""
    worker = upnext.Worker("shop", redis_url=redis_url, lease=1)

    @worker.event("order.placed").on(retries=1, retry_delay=0)
    async def confirm(n: int) -> None:
        if n == 1 and upnext.get_current_context().attempt == 1:
            raise ValueError("once")

    @worker.task
    async def report() -> None: ...

    settings, rates = Settings(redis_url=redis_url), Rates()

    async def counted() -> dict[str, tuple[int, int]]:
        status = await read_status(settings)
        assert not isinstance(status, str)
        rates.add(status)
        return dict(status.workers[0].activity.ended)

    async def rated() -> bool:
        """Whether all is counted, and the rates are of that: counts said during a reading are rated with the next."""
        all_counted = await counted() == {"order.placed|confirm": (3, 1), "|report": (1, 0)}
        done, failed = rates.of_handlers.get(HANDLER, (0.0, 0.0))
        return all_counted and set(rates.of_handlers) == {HANDLER, "shop||report"} and done == pytest.approx(3 * failed)

    async with running(worker):
        assert await counted() == {}
        await asyncio.gather(*[(await worker.event("order.placed").send(n=n)).results(timeout=20) for n in range(3)])
        await report.wait()
        await wait_until_async(rated)
        code, out, err = await asyncio.to_thread(command, "top", "--once", url=redis_url)
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines()]
    assert ["order.placed", "confirm", "0", "0", "0", "0", "-", "-", "-", "1"] in rows


def test_a_server_that_is_away_is_exit_code_3_with_a_sentence(command: Command) -> None:
    """Where it prints once; also where standard output is not a terminal."""
    for words in (("top", "--once"), ("top",)):
        code, out, err = command(*words)
        assert (code, out) == (3, "")
        assert err == (
            "upnext: No answer from the server at redis://127.0.0.1:1: 127.0.0.1:1 refuses connections. "
            "Check that it runs, and that this is its address.\n"
        )
    assert command("top", "--interval", "0")[0] == 2


class Terminal:
    """A terminal that `upnext top` runs on."""

    def __init__(self, controller: int, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.seen = b""
        self._controller = controller
        os.set_blocking(controller, False)

    def shows(self, text: str) -> bool:
        """Whether the text was shown so far; all of it is read."""
        try:
            while data := os.read(self._controller, 65536):
                self.seen += data
        except OSError:  # nothing more now, or at all
            pass
        return text.encode() in self.seen

    def forget(self) -> None:
        self.seen = b""

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self._controller, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.process.send_signal(signal.SIGWINCH)

    def press(self, key: bytes) -> None:
        os.write(self._controller, key)


@contextmanager
def terminal(url: str) -> Iterator[Terminal]:
    controller, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    # The first terminal that the leader of a session opens is the one whose Ctrl-C it gets.
    on_it = ["sh", "-c", 'exec "$@" <"$0" >"$0"', os.ttyname(end)]
    with subprocess.Popen(
        [*on_it, sys.executable, "-m", "upnext", "top", "--interval", "0.1", "--redis-url", url],
        stderr=subprocess.PIPE,
        env={**environment, "TERM": "xterm"},
        start_new_session=True,
    ) as process:
        try:
            yield Terminal(controller, process)
        finally:
            process.kill()
            process.wait()
            os.close(end)
            os.close(controller)


@pytest.mark.parametrize(("key", "code"), [(b"q", 0), (b"\x03", 130)], ids=["q", "ctrl-c"])
def test_on_a_terminal_it_goes_on_until_a_key_ends_it(key: bytes, code: int, valkey_url: str) -> None:
    """The terminal is then as it was: its own screen, its cursor, its line mode."""
    with terminal(valkey_url) as screen_:
        wait_until(lambda: screen_.shows("0 worker(s)"), timeout=60)
        screen_.forget()
        wait_until(lambda: screen_.shows("0 worker(s)"))
        screen_.press(key)
        assert screen_.process.wait(timeout=60) == code
        screen_.shows("")
        assert screen_.seen.endswith(b"\x1b[?25h\x1b[?1049l")
        assert screen_.process.stderr is not None
        assert screen_.process.stderr.read() == b""


def test_it_says_that_the_server_is_lost_and_goes_on_when_it_is_back(tmp_path: Path) -> None:
    """With the last answer below; and it follows the size of its terminal."""
    binary = valkey_binary()
    assert binary is not None
    with Server(binary, tmp_path, tcp=True) as server, terminal(server.url) as screen_:
        wait_until(lambda: screen_.shows("0 worker(s)"), timeout=60)
        server.kill()
        wait_until(lambda: screen_.shows("No answer from the server"), timeout=30)
        assert screen_.shows("What follows is the last answer.")
        server.start()
        screen_.resize(30, 5)
        wait_until(lambda: _last_frame(screen_, "No answer") is False, timeout=30)
        screen_.forget()
        wait_until(lambda: screen_.shows("q: end") and screen_.seen.count(b"\x1b[H") > 2)
        frame = screen_.seen.split(b"\x1b[H")[-2].decode()
        lines = re.sub(r"\x1b\[[0-9;]*[mKJ]", "", frame).split("\r\n")
        assert len(lines) <= 5
        assert max(map(len, lines)) <= 30
        screen_.press(b"q")
        assert screen_.process.wait(timeout=60) == 0


def _last_frame(screen_: Terminal, text: str) -> bool:
    screen_.shows("")
    frames = screen_.seen.split(b"\x1b[H")
    return text.encode() in frames[-2]
