"""Processes that send from wherever they are: after a fork, from any loop or thread, and right before their end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import upnext
from tests.runtime.running import running
from tests.servers import Server, valkey_binary
from upnext import unheard_events


def run_sender(url: str | None, tmp_path: Path, body: str, before: str = "") -> str:
    """Run a script that knows `event` and return what it printed; `before` comes before its imports."""
    head = f"import os, sys, upnext\nurl = {url!r}\nevent = upnext.Worker('s', redis_url=url).event('order.placed')\n"
    file = tmp_path / "sender.py"
    file.write_text(before + head + textwrap.dedent(body))
    command = [sys.executable, "-W", "ignore", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def numbers_of(url: str, count: int) -> list[int]:
    """Run a worker until it has been through so many events; returns their numbers."""
    worker = upnext.Worker("shop", redis_url=url)
    numbers: list[int] = []
    done = asyncio.Event()

    @worker.event("order.placed").on
    async def handle(n: int) -> None:
        numbers.append(n)
        if len(numbers) == count:
            done.set()

    async with running(worker):
        await asyncio.wait_for(done.wait(), 30)
    return sorted(numbers)


async def test_an_event_is_there_when_its_sender_dies_right_after(valkey_url: str, tmp_path: Path) -> None:
    """`send` returns when the server has it, so the process may end without a word."""
    run_sender(valkey_url, tmp_path, "event.send_sync(n=1)\nos._exit(0)\n")
    assert await numbers_of(valkey_url, 1) == [1]


async def test_a_sender_says_once_that_no_handler_has_ever_connected_where_it_sends(
    valkey_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker may be in another namespace, which says so; what waits for such an event says it, too."""
    caplog.set_level("INFO")
    monkeypatch.setenv("UPNEXT_NAMESPACE", "staging")
    unheard = upnext.Worker("sender", redis_url=valkey_url).event("order.placed")
    await unheard.send(n=0)  # it reads its settings now
    monkeypatch.setenv("UPNEXT_NAMESPACE", "prod")
    shop = upnext.Worker("shop", redis_url=valkey_url)

    @shop.event("order.placed").on
    async def handle(n: int) -> None: ...

    async with running(shop):
        receipt = await unheard.send(n=1)
        with pytest.raises(upnext.ResultTimeoutError, match=r"no handler of it has connected .*its namespace.*doctor"):
            await receipt.results(timeout=0.05)
        await (await shop.event("order.placed").send(n=1)).results(timeout=20)
    (line,) = [message for message in caplog.messages if "ever connected" in message]
    assert line == (
        "Event 'order.placed' is stored, but no handler of it has ever connected to namespace 'staging' on "
        f"{valkey_url}: it waits for the first one. If its worker runs, that is of another namespace or server; see "
        "`upnext doctor`."
    )
    assert f" at a time, in namespace 'prod' on {valkey_url}: handle (order.placed)" in caplog.text


async def test_of_thousands_of_events_that_nobody_hears_it_is_said_that_there_are_more(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Names that a program makes up would fill its memory, and its log."""
    monkeypatch.setattr(unheard_events, "_reported", set[tuple[str, str, str]]())
    shop = upnext.Worker("shop", redis_url=valkey_url)
    for number in [*range(unheard_events.MOST_REPORTED + 2), 0]:
        await shop.event(f"order.made_up_{number}").send()
    said = [message for message in caplog.messages if "ever connected" in message]
    assert len(said) == unheard_events.MOST_REPORTED + 1
    assert said[-1] == (
        "More than 1000 events are stored that no handler has ever connected for; the others are not told of. See "
        "`upnext doctor`."
    )


async def test_a_wait_that_blocked_the_worker_it_waited_for_says_so(valkey_url: str) -> None:
    """As an async endpoint does that waits without `await`, in an application whose worker runs inside."""
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.task
    async def double(n: int) -> int:
        return 2 * n

    async with running(worker):
        job = await double.submit(2)
        with pytest.raises(upnext.ResultTimeoutError, match=r"blocked the event loop .*`await job\.result\(\)`"):
            job.result_sync(timeout=0.05)
        with pytest.raises(upnext.ResultTimeoutError, match=r"blocked the event loop .*`await task\.wait\(\)`"):
            double.options(wait=0.05).wait_sync(2)
        assert await job.result(timeout=20) == 4
    with pytest.raises(upnext.ResultTimeoutError) as caught:
        await asyncio.to_thread((await double.submit(2)).result_sync, timeout=0.05)
    assert "blocked" not in str(caught.value)


_PATCHED = "from gevent import monkey\nmonkey.patch_all()\n"
_GREENLETS = """
import gevent

jobs = [gevent.spawn(event.send_sync, n=n) for n in range(20)]
gevent.joinall(jobs, timeout=40)
print([job.exception for job in jobs if not job.successful()])
"""


async def test_greenlets_send_at_the_same_time(valkey_url: str, tmp_path: Path) -> None:
    assert run_sender(valkey_url, tmp_path, _GREENLETS, _PATCHED) == "[]\n"
    assert await numbers_of(valkey_url, 20) == list(range(20))


def test_greenlets_start_one_embedded_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They share one thread: if one waited there for a lock of another, all of them would stand still."""
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    assert run_sender(None, tmp_path, _GREENLETS, _PATCHED) == "[]\n"


async def test_an_interpreter_that_is_ending_still_sends(tmp_path: Path) -> None:
    """From `atexit`, also in a loop there, and from a thread that outlives the main one, to a server with a name."""
    binary = valkey_binary()
    assert binary is not None
    with Server(binary, tmp_path / "server", tcp=True) as server:
        run_sender(
            server.url.replace("127.0.0.1", "localhost"),
            tmp_path,
            """
            import asyncio, atexit, threading
            async def block():
                event.send_sync(n=3)
                await asyncio.sleep(0)
            atexit.register(lambda: asyncio.run(block()))
            atexit.register(lambda: event.send_sync(n=2))
            threading.Thread(target=lambda: (threading.main_thread().join(), event.send_sync(n=1))).start()
            """,
        )
        assert await numbers_of(server.url, 3) == [1, 2, 3]


async def test_a_forked_child_has_connections_of_its_own(valkey_url: str, tmp_path: Path) -> None:
    """Parent and children send at the same time after a fork, and no answer goes to another."""
    run_sender(
        valkey_url,
        tmp_path,
        """
        ids = {event.send_sync(n=0).event_id}
        children = []
        for first in (100, 200):
            if not (pid := os.fork()):
                sent = {event.send_sync(n=first + n).event_id for n in range(20)}
                os._exit(len(sent) != 20)
            children.append(pid)
        ids |= {event.send_sync(n=n).event_id for n in range(1, 21)}
        assert len(ids) == 21
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0]
        """,
    )
    assert await numbers_of(valkey_url, 61) == [*range(21), *range(100, 120), *range(200, 220)]


async def test_sends_from_several_loops_and_from_inside_a_running_one_work(valkey_url: str, tmp_path: Path) -> None:
    """One after the other, in threads, and blocking inside a coroutine."""
    run_sender(
        valkey_url,
        tmp_path,
        """
        import asyncio, threading
        async def send(n):
            await event.send(n=n)
        async def block(n):
            event.send_sync(n=n)
        for n in range(3):
            asyncio.run(send(n))
        asyncio.run(block(3))
        threads = [threading.Thread(target=asyncio.run, args=(send(n),)) for n in range(4, 8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        """,
    )
    assert await numbers_of(valkey_url, 8) == list(range(8))


async def test_without_a_free_file_descriptor_a_send_ends_with_a_typed_error(valkey_url: str, tmp_path: Path) -> None:
    """When some are free again, the next send works."""
    out = run_sender(
        valkey_url,
        tmp_path,
        """
        import asyncio, resource, socket
        from urllib.parse import unquote, urlsplit
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        os.environ["UPNEXT_SEND_DEADLINE"] = "1"
        async def main():
            await event.send(n=0)
            other = socket.socket(socket.AF_UNIX)
            other.connect(unquote(urlsplit(url).path))
            other.sendall(b"CLIENT KILL TYPE normal SKIPME yes\\r\\n")
            other.recv(100)
            await asyncio.sleep(0.05)
            taken = []
            try:
                while True:
                    taken.append(os.dup(0))
            except OSError:
                pass
            try:
                await event.send(n=1)
            except upnext.BrokerError as error:
                print(type(error).__name__)
            for fd in taken:
                os.close(fd)
            await event.send(n=2)
        asyncio.run(main())
        """,
    )
    assert out in ("BrokerUnavailableError\n", "SendOutcomeUnknownError\n")
    assert await numbers_of(valkey_url, 2) == [0, 2]


async def test_fifty_handlers_get_an_event_or_none_does(redis_url: str) -> None:
    """The fan-out is one write: whatever is in the way of one queue is in the way of all."""
    worker = upnext.Worker("shop", redis_url=redis_url)
    event = worker.event("order.placed")
    for number in range(50):

        @event.on(name=f"handler-{number}")
        async def handle(n: int) -> int:
            return n

    async with running(worker):
        receipt = await event.send(n=1)
        assert set((await receipt.results(timeout=20)).values()) == {1}
        assert len(receipt.jobs) == 50
