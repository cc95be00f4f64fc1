"""`upnext rename ... --finish`: former names go when the server has nothing that knows them, and not before."""

from __future__ import annotations

import asyncio

import pytest
from redis import Redis

import upnext
from tests.cli.deploying import Change, prepare
from tests.cli.projects import Outcome, Shell
from tests.runtime.running import running
from upnext.cli import main

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


async def test_the_subscription_under_the_former_name_is_named_with_what_ends_it(
    empty: Shell, valkey_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It outlives the rename: what is sent under the old name would queue jobs that nobody takes."""
    source = "import upnext\nworker = upnext.Worker('shop')\norder_placed = worker.event('order.placed')\n"
    empty.write({"pyproject.toml": "", "shop.py": source + OLD.replace("\n    ", "\n")})
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.event("order.placed").on
    async def mail(order_id: str) -> None: ...

    async with running(worker):
        pass
    assert empty.run("rename", *EVENT, "--write").code == 0
    done = await asyncio.to_thread(finish, empty, valkey_url, *EVENT)
    command = ("unsubscribe", "--event", "order.placed", "mail")
    assert done.code == 0
    assert done.out.endswith(
        "Run `upnext gen`, and deploy. Then end what is still subscribed under the former name, or events that "
        f"somebody sends under it queue jobs that nobody takes:\n  upnext {' '.join(command)}\n"
    )
    assert await asyncio.to_thread(main, [*command, "--redis-url", valkey_url]) == 0
    assert "Handler 'mail' of 'order.placed' (worker 'shop') is not subscribed any more" in capsys.readouterr().out


SELECTED = "--event order.placed --handler mail"
RUN_THEM = (
    f"let a worker that has both names run them (`upnext jobs list {SELECTED}` shows them), or `upnext jobs cancel "
    "ID`, which makes dead letters of them"
)
STOP_THEM = "deploy the release that has both names there, or stop them (`upnext status` names them)"
LEFT = [
    (EVENT, (({"order_id": "1"}, "waiting"),), "1 waiting jobs of shop|order.placed|mail", RUN_THEM),
    (
        FIELD,
        (({"order_id": "1"}, "waiting"), ({"number": "1"}, "waiting")),
        "1 waiting jobs of shop|order.placed|mail",
        RUN_THEM,
    ),
    (
        EVENT,
        (({"order_id": "1"}, "dead"),),
        "1 dead jobs of shop|order.placed|mail",
        f"`upnext dead replay {SELECTED}`, or `upnext dead purge {SELECTED} --yes`",
    ),
    (
        FIELD,
        (({"order_id": "1"}, "dead"),),
        "1 dead jobs of shop|order.placed|mail",
        f"`upnext dead list {SELECTED}`, then `upnext dead replay ID`, or `upnext dead purge ID --yes`",
    ),
    (EVENT, (), "1 worker(s) that know shop|order.placed|mail by no other name", STOP_THEM),
    (FIELD, (), "1 worker(s) whose shop|order.placed|mail takes 'order_id'", STOP_THEM),
]


@pytest.mark.parametrize("number", range(len(LEFT)))
def test_what_still_knows_the_former_name_is_listed(
    number: int, empty: Shell, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, jobs, left, way_out = LEFT[number]
    prepare(empty, valkey_url, Change(OLD, OLD, jobs=jobs), monkeypatch)
    assert empty.run("rename", *names, "--write").code == 0
    done = finish(empty, valkey_url, *names)
    assert done.code == 1
    assert f"still on the server: {left}\n  help: {way_out}\n" in done.out
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
