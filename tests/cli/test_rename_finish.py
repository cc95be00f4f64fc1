"""`upnext rename ... --finish`: former names go when the server has nothing that knows them, and not before."""

from __future__ import annotations

import asyncio

import pytest
from redis import Redis

import upnext
from tests.cli.deploying import Change, prepare
from tests.cli.projects import Outcome, Shell
from tests.runtime.running import running

MAIL = """
    @order_placed.on
    async def mail({field}: str, **kwargs: object) -> None: ...

"""
OLD = MAIL.format(field="order_id")
EVENT = ("event", "order.placed", "order.created")
FIELD = ("field", "order.placed", "order_id", "number")


def finish(empty: Shell, url: str, *names: str, write: bool = True) -> Outcome:
    options = ("--write",) if write else ()
    return empty.run("rename", *names, "--finish", *options, "--redis-url", url)


@pytest.mark.parametrize("names", [EVENT, FIELD], ids=["event", "field"])
def test_former_names_are_taken_out_where_nothing_knows_them(
    names: tuple[str, ...], empty: Shell, valkey_url: str
) -> None:
    Redis.from_url(valkey_url).flushall()
    source = "import upnext\nworker = upnext.Worker('shop')\norder_placed = worker.event('order.placed')\n\n"
    handler = "@order_placed.on\nasync def mail(order_id: str): ...\n"
    empty.write({"pyproject.toml": "", "shop.py": source + handler})
    before = empty.text("shop.py")
    assert finish(empty, valkey_url, *names).code == 2
    assert empty.run("rename", *names, "--write").code == 0
    bridged = empty.text("shop.py")
    done = finish(empty, valkey_url, *names, write=False)
    assert (done.code, empty.text("shop.py")) == (0, bridged)
    done = finish(empty, valkey_url, *names)
    assert (done.code, empty.text("shop.py")) == (0, before.replace(names[-2], names[-1])), done.out


LEFT = [
    (EVENT, (({"order_id": "1"}, "waiting"),), "1 waiting jobs of shop|order.placed|mail"),
    (
        FIELD,
        (({"order_id": "1"}, "waiting"), ({"number": "1"}, "waiting")),
        "1 waiting jobs of shop|order.placed|mail",
    ),
    (FIELD, (({"order_id": "1"}, "dead"),), "1 dead jobs of shop|order.placed|mail"),
    (EVENT, (), "1 worker(s) that know shop|order.placed|mail by no other name"),
    (FIELD, (), "1 worker(s) whose shop|order.placed|mail takes 'order_id'"),
]


@pytest.mark.parametrize("number", range(len(LEFT)))
def test_what_still_knows_the_former_name_is_listed(
    number: int, empty: Shell, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, jobs, left = LEFT[number]
    prepare(empty, valkey_url, Change(OLD, OLD, jobs=jobs), monkeypatch)
    assert empty.run("rename", *names, "--write").code == 0
    done = finish(empty, valkey_url, *names)
    assert done.code == 1
    assert f"still on the server: {left}" in done.out
    assert done.out.endswith(f"Nothing is written while the server has something that knows {names[-2]!r}.\n")


@pytest.mark.parametrize("names", [EVENT, FIELD], ids=["event", "field"])
async def test_a_job_that_runs_with_the_former_name_is_listed(
    names: tuple[str, ...], empty: Shell, valkey_url: str
) -> None:
    """It may have to run again, when the release that knows the name is gone. One with the new name is not."""
    source = "import upnext\nworker = upnext.Worker('shop')\norder_placed = worker.event('order.placed')\n"
    empty.write({"pyproject.toml": "", "shop.py": source + OLD.replace("\n    ", "\n")})
    assert empty.run("rename", *names, "--write").code == 0
    worker = upnext.Worker("shop", redis_url=valkey_url)
    begun, release = asyncio.Semaphore(0), asyncio.Event()

    @worker.event("order.placed").on
    async def mail(order_id: str = "", number: str = "") -> None:
        begun.release()
        await release.wait()

    async with running(worker):
        for payload in ({"order_id": "1"}, {"number": "2"}):
            await worker.event("order.placed").send(**payload)
            await begun.acquire()
        done = await asyncio.to_thread(finish, empty, valkey_url, *names)
        release.set()
    count = 2 if names is EVENT else 1
    assert done.code == 1
    assert f"still on the server: {count} running jobs of shop|order.placed|mail" in done.out
