"""What docs/testing.md shows and claims, in runs of pytest of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields
from inspect import Parameter, signature
from pathlib import Path

import pytest

from tests.docs.story import ROOT
from upnext_pytest import plugin
from upnext_pytest.sends import Sends, Sent
from upnext_pytest.workers import Workers

PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
(BLOCK,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SHOP = ROOT / "examples" / "shop"
NAMES = (SHOP / "tests" / "test_orders.py").read_text(encoding="utf-8").partition("@pytest.mark")[0]
ASYNC = "anyio_mode = auto\n"  # as pytest-asyncio's mode of that name
BACKEND = "\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n\n\n"


def page_run(folder: Path, source: str, *, ini: str = "", **variables: str) -> str:
    """Run tests beside the example application's names and return what pytest printed last."""
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = {SHOP}\n{ASYNC}{ini}")
    (folder / "test_page.py").write_text(NAMES + BACKEND + source)
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
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
            "--tb=short",
            ".",
        ],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(("UPNEXT_", "PYTEST_"))},
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_the_tests_that_the_page_shows_pass(tmp_path: Path, valkey_url: str) -> None:
    """As they stand there, with the names of the example application's own tests."""
    shown = re.findall(r"^async def (test_\w+)", BLOCK, re.MULTILINE)
    said = page_run(tmp_path, BLOCK, UPNEXT_TEST_REDIS_URL=valkey_url)
    assert f"{len(shown)} passed" in said, said


def test_the_table_names_every_fixture() -> None:
    listed = re.findall(r"^\| `(upnext_\w+)` \|", PAGE, re.MULTILINE)
    assert set(listed) == {name for name in vars(plugin) if name.startswith("upnext_") and name != "upnext_pytest"}


def test_a_send_has_what_the_page_says() -> None:
    said = PAGE.partition("one is a `Sent` with ")[2].partition("(a second send")[0]
    assert set(re.findall(r"`(\w+)`", said)) - {"send"} == {field.name for field in fields(Sent)}
    for name in ("of", "one", "names", "clear", "run", "run_sync"):
        assert hasattr(Sends, name)
    drained = signature(Workers.drained).parameters
    assert f"running.drained(timeout={drained['timeout'].default:g})" in PAGE
    assert (drained["check"].kind, drained["check"].default) == (Parameter.KEYWORD_ONLY, True)
    assert hasattr(Workers, "drained_sync")


WHAT_WAS_SENT = """
async def test_a_bad_send_is_refused_as_in_production(upnext_sent):
    with pytest.raises(upnext.PayloadError, match="field 'total' is missing"):
        await order_placed.send(order_id="1", email="ada@example.org")
    assert list(upnext_sent) == []


async def test_each_send_is_listed(upnext_sent):
    await payment_failed.options(delay=60, key="k").send(order_id="1", reason=Decline.LIMIT_EXCEEDED)
    await payment_failed.options(key="k").send(order_id="1", reason=Decline.LIMIT_EXCEEDED)
    first, second = upnext_sent.of(payment_failed)
    assert (first.delay, first.key, first.repeated, second.repeated, first.is_task) == (60, "k", False, True, False)
    assert first.event_id == second.event_id
    assert upnext_sent.names == ["payment.failed", "payment.failed"]
    upnext_sent.clear()
    assert upnext_sent.names == []
    with pytest.raises(AssertionError):
        upnext_sent.one(payment_failed)


class Boom(Exception):
    pass


quick = upnext.Worker("quick")
rang = quick.event("rang")
threads = []


@rang.on(retries=5)
def ring(at: datetime, **kwargs: object) -> datetime:
    threads.append((type(at), upnext.get_current_context().attempt))
    if kwargs:
        raise Boom
    return at


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def test_what_a_handler_raises_is_raised_there_without_retries(upnext_sent):
    threads.clear()
    receipt = await rang.send(at=NOON, loud=True)
    with pytest.raises(Boom):
        await upnext_sent.run()
    assert threads == [(datetime, 1)]


def test_run_sync_is_for_tests_that_are_not_async(upnext_sent):
    receipt = rang.options(delay=3600).send_sync(at=NOON)
    upnext_sent.run_sync()
    assert receipt.results_sync() == {"ring": NOON.isoformat().replace("+00:00", "Z")}


async def test_inline_runs_within_the_send(upnext_inline):
    receipt = await rang.send(at=NOON)
    assert set(await receipt.results(timeout=0)) == {"ring"}
"""


def test_what_the_page_says_of_sends_holds(tmp_path: Path) -> None:
    """Without a server."""
    said = page_run(tmp_path, WHAT_WAS_SENT, ini="upnext_forbid_sends = true\n")
    assert "5 passed" in said, said


REAL_WORKERS = """
slow = upnext.Worker("slow", redis_url="redis://127.0.0.1:1")  # it does not count here
rang = slow.event("rang")


@rang.on
async def ring(fail: bool = False):
    if fail:
        raise ValueError("no")


async def test_drained_raises_the_first_failure(upnext_workers):
    async with upnext_workers(slow) as running:
        await rang.send(fail=True)
        with pytest.raises(upnext.JobFailedError, match="'ring'"):
            await running.drained()
        await rang.send(fail=True)
        assert [type(one) for one in await running.drained(check=False)] == [upnext.JobFailedError]


def test_a_test_that_is_not_async_runs_them_in_a_thread(upnext_workers):
    with upnext_workers(slow) as running:
        rang.send_sync()
        running.drained_sync()
        rang.options(delay=3600).send_sync()
        running.drained_sync()


def test_a_namespace_of_its_own(upnext_namespace, upnext_server):
    import os
    assert os.environ["UPNEXT_NAMESPACE"] == upnext_namespace
    assert os.environ["UPNEXT_REDIS_URL"] == upnext_server
"""


@pytest.mark.parametrize("by", ["variable", "setting"])
def test_what_the_page_says_of_real_workers_holds(tmp_path: Path, valkey_url: str, by: str) -> None:
    """On the server that the variable names, else on the one of the setting."""
    named = "redis://127.0.0.1:1" if by == "variable" else valkey_url
    variables = {"UPNEXT_TEST_REDIS_URL": valkey_url} if by == "variable" else {}
    said = page_run(tmp_path, REAL_WORKERS, ini=f"upnext_redis_url = {named}\n", **variables)
    assert "3 passed" in said, said


def test_a_send_without_a_fixture_can_be_forbidden(tmp_path: Path) -> None:
    source = "async def test_send():\n    await place_order(Decimal(1))\n"
    said = page_run(tmp_path, source, ini="upnext_forbid_sends = true\n")
    assert "1 failed" in said
    assert "upnext_sent" in said
