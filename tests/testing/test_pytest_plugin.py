"""The pytest plugin, as other projects use it: in runs of pytest of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAD = """
import asyncio
import pytest
import upnext
from upnext.broker.job_ids import new_event_id

pytestmark = pytest.mark.anyio
worker = upnext.Worker("shop", redis_url="redis://127.0.0.1:1")  # nobody there: the fixtures decide
placed, shipped = worker.event("order.placed"), worker.event("order.shipped")
ran = []

@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"

@placed.on(retries=2, retry_delay=0.01)
async def confirm(order_id: int, context: upnext.Context, **kwargs: object) -> int:
    ran.append(("confirm", order_id, context.attempt, upnext.get_current_context() is context))
    if order_id < 0 and context.attempt < 3:
        raise ValueError("negative")
    await shipped.send(order_id=order_id)
    return order_id

@shipped.on
def pack(order_id: int) -> None:
    ran.append(("pack", order_id))
    if order_id == 13:
        raise RuntimeError("unlucky")

@worker.task
def double(n: int) -> int:
    return 2 * n

@worker.task(unique=True)
def index(n: int) -> int:
    ran.append(("index", n))
    return n

saved = worker.event("doc.saved")

@saved.on(unique=True)
def keep(n: int) -> int:
    ran.append(("keep", n))
    return n

@pytest.fixture(autouse=True)
def clear():
    ran.clear()
"""


def pytest_run(folder: Path, source: str, *arguments: str, ini: str = "", **variables: str) -> tuple[int, str]:
    """Run pytest on a file with these tests and return its exit code and what it printed."""
    (folder / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
    (folder / "test_them.py").write_text(HEAD + source)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:valkey",
        "-p",
        "no:faker",
        "-p",
        "no:hypothesispytest",  # a third of a run's time, and nothing here has to do with it
        "-p",
        "no:cacheprovider",
        *arguments,
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("UPNEXT_", "PYTEST_"))}
    done = subprocess.run(
        command, cwd=folder, env={**environment, **variables}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_the_shops_own_tests_pass_in_two_processes(tmp_path: Path) -> None:
    """Each test has its namespace on the embedded server that the processes share."""
    shop = ROOT / "examples" / "shop"
    quiet = ("-q", "-n", "2", "-p", "no:valkey", "-p", "no:faker", "-p", "no:cacheprovider", "-c", os.devnull)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *quiet, "--rootdir", str(shop), "--basetemp", str(tmp_path / "base"), "tests"],
        cwd=shop,
        env={name: value for name, value in os.environ.items() if not name.startswith(("UPNEXT_", "PYTEST_"))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout


def test_sends_are_recorded_checked_and_run_when_told(tmp_path: Path) -> None:
    """Nothing reaches a server: there is none at that address."""
    code, out = pytest_run(
        tmp_path,
        """
async def test_recorded(upnext_sent):
    receipt = await placed.options(delay=5, key="k").send(order_id=1, note="x")
    (sent,) = upnext_sent
    assert (sent.name, sent.fields, sent.delay, sent.key) == ("order.placed", {"order_id": 1, "note": "x"}, 5.0, "k")
    assert (sent.event_id, sent.handlers, sent.is_task) == (receipt.event_id, ("confirm",), False)
    assert ran == []
    again = await placed.options(key="k").send(order_id=1)
    assert again.repeated and again.event_id == receipt.event_id and upnext_sent[1].repeated
    with pytest.raises(AssertionError, match="'order.shipped' was sent 0 times, not once; sent: order.placed, "):
        upnext_sent.one(shipped)
    later = upnext.Receipt.of(receipt.event_id, worker=worker)
    for waits in (receipt, later, upnext.Job.of(receipt.jobs[0].id, worker=worker)):
        with pytest.raises(upnext.UpnextError, match="nothing has run its handlers"):
            await (waits.result() if isinstance(waits, upnext.Job) else waits.results())
    assert await receipt.jobs[0].state() == "open"
    await upnext_sent.run()
    assert await receipt.jobs[0].state() == "done"
    assert await later.results() == {"confirm": 1}
    unknown = new_event_id()
    assert await upnext.Job.of(unknown + ".0", worker=worker).state() == "lost"
    with pytest.raises(upnext.JobLostError):
        await upnext.Receipt.of(unknown, worker=worker).results()
    assert ran == [("confirm", 1, 1, True), ("pack", 1)]
    assert upnext_sent.one(shipped).fields == {"order_id": 1}
    assert await receipt.results() == {"confirm": 1}

async def test_unique(upnext_sent):
    first, second = await index.submit(n=1), await index.submit(n=1)
    assert (first.existing, second.existing, second.id) == (False, True, first.id)
    await upnext_sent.run()
    assert ran == [("index", 1)]
    assert await second.result() == 1
    assert not (await index.submit(n=1)).existing
    assert len(upnext_sent) == 3

async def test_joined(upnext_sent):
    await saved.send(n=1)
    second = await saved.send(n=1)
    assert [job.existing for job in second.jobs] == [True]
    assert len(upnext_sent.of(saved)) == 2
    await upnext_sent.run()
    assert ran == [("keep", 1)]
    assert await second.results() == await upnext.Receipt.of(second.event_id).results() == {"keep": 1}

async def test_still_checked(upnext_sent):
    with pytest.raises(upnext.PayloadError, match="field 'order_id'"):
        await placed.send(order_id="1")
    assert upnext_sent.names == []

async def test_errors_are_raised_here(upnext_sent):
    await shipped.send(order_id=13)
    with pytest.raises(RuntimeError, match="unlucky") as caught:
        await upnext_sent.run()
    assert "raised in handler 'pack' of 'order.shipped'" in caught.value.__notes__[0]

def test_sync(upnext_sent):
    placed.send_sync(order_id=2)
    job = double.submit_sync(4)
    assert upnext_sent.names == ["order.placed", "double"] and upnext_sent.of(double)[0].is_task
    upnext_sent.run_sync()
    assert ran == [("confirm", 2, 1, True), ("pack", 2)] and job.result_sync() == 8

async def test_inline(upnext_inline):
    receipt = await placed.send(order_id=3)
    assert ran == [("confirm", 3, 1, True), ("pack", 3)] and await receipt.results() == {"confirm": 3}
    assert await double.wait(5) == 10
    with pytest.raises(RuntimeError, match="unlucky"):
        await placed.send(order_id=13)
""",
    )
    assert code == 0, out
    assert "7 passed" in out


@pytest.mark.parametrize("partitions", ["1", "3"])
def test_real_workers_run_on_a_namespace_of_their_own(tmp_path: Path, valkey_url: str, partitions: str) -> None:
    """On the server that the environment names, which is left as it was."""
    import redis

    code, out = pytest_run(
        tmp_path,
        """
async def test_all_jobs(upnext_workers, upnext_namespace):
    await placed.options(delay=1000).send(order_id=9)
    async with upnext_workers(worker) as running:
        receipt = await placed.send(order_id=-1)
        assert await running.drained() == []
        assert [entry[0] for entry in ran] == ["confirm", "confirm", "confirm", "pack"]
        assert await receipt.results() == {"confirm": -1}
        await shipped.send(order_id=13)
        with pytest.raises(upnext.JobFailedError, match="unlucky"):
            await running.drained()
        assert await running.drained() == []

async def test_next_one_finds_nothing(upnext_workers):
    async with upnext_workers(worker) as running:
        await running.drained()
    assert ran == []

def test_sync(upnext_workers):
    with upnext_workers(worker) as running:
        placed.send_sync(order_id=5)
        shipped.send_sync(order_id=13)
        (failure,) = running.drained_sync(check=False)
    assert failure.handler == "pack" and ("confirm", 5, 1, True) in ran
""",
        UPNEXT_TEST_REDIS_URL=valkey_url,
        UPNEXT_PARTITIONS=partitions,
    )
    assert code == 0, out
    with redis.Redis.from_url(valkey_url) as client:
        assert client.keys("upnext:*") == []


def test_sends_without_a_fixture_can_be_forbidden(tmp_path: Path) -> None:
    """So that no test reaches a server by mistake."""
    code, out = pytest_run(
        tmp_path,
        """
async def test_forgotten():
    with pytest.raises(upnext.UpnextError, match="'order.placed' was sent by a test that uses no fixture of upnext"):
        await placed.send(order_id=1)

async def test_asked(upnext_sent):
    await placed.send(order_id=1)
    assert len(upnext_sent) == 1
""",
        ini="upnext_forbid_sends = true",
    )
    assert code == 0, out


@pytest.mark.skipif(sys.platform == "win32", reason="there is no embedded server")
def test_a_run_without_a_server_says_how_to_name_one(tmp_path: Path) -> None:
    """In one line."""
    source = "def test_it(upnext_namespace): ...\n"
    code, out = pytest_run(tmp_path, source, UPNEXT_TEST_REDIS_URL="http://:pw-x@host")
    assert code == 1
    assert "Redis URL 'http://host' cannot be used" in out
    assert "set UPNEXT_TEST_REDIS_URL, or upnext_redis_url in pytest's settings" in out
    assert "pw-x" not in out


def test_what_is_provided_is_made_inline_and_can_be_put_in_place(tmp_path: Path) -> None:
    """Its last state is seen in the test; after the test it is as it was."""
    code, said = pytest_run(
        tmp_path,
        """
from typing import Annotated
from upnext.provide import overridden

closed = []

async def session():
    yield "real"

def fake(context: upnext.Context):
    try:
        yield f"fake for {context.handler}"
    except BaseException as error:
        closed.append(type(error).__name__)
        raise
    closed.append("closed")

paid = worker.event("order.paid")

@paid.on
async def book(order_id: int, db: Annotated[str, upnext.Provide(session)]) -> str:
    if order_id == 2:
        raise ValueError
    if order_id == 3:
        raise upnext.Discard("booked already")
    return db

async def test_real(upnext_inline):
    assert await (await paid.send(order_id=1)).results() == {"book": "real"}

async def test_fake(upnext_inline, upnext_provide):
    upnext_provide(session, fake)
    assert await (await paid.send(order_id=1)).results() == {"book": "fake for book"}
    with pytest.raises(ValueError):
        await paid.send(order_id=2)
    with pytest.raises(upnext.JobDiscardedError, match="booked already"):
        await (await paid.send(order_id=3)).results()
    assert closed == ["closed", "ValueError", "Discard"]

async def test_real_again():
    assert overridden(session) is session
    assert await book(1, "given") == "given"
""",
    )
    assert code == 0, said
