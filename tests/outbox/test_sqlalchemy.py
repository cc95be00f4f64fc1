"""Sends within transactions of SQLAlchemy."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select, update
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

import upnext
from tests.outbox.model import Base, Order, arrived, outbox, send_beside_a_relay
from tests.runtime.running import running
from tests.servers import Server, valkey_binary
from tests.waiting import wait_until_async
from upnext.broker.job_ids import headers_of, new_event_id, partition_of
from upnext.broker.results import JobOutcome
from upnext.connect import broker_for
from upnext.event import Event
from upnext.outbox.row import MAX_ATTEMPTS
from upnext.settings import Settings
from upnext.task import Task
from upnext.transport import ServerTransport, use_transport

HANDLER = "shop|order.placed|note"
TASK = "shop||report"


@dataclass
class Shop:
    """A worker whose handlers are known on the server, and a database."""

    worker: upnext.Worker
    placed: Event
    report: Task[..., ..., Any, Any]
    engine: Engine

    async def arrived(self) -> list[int]:
        """Return the numbers of what has arrived, in order."""
        return [each["order"] for each in await arrived(self.worker, HANDLER)]

    def rows(self) -> list[Any]:
        """Return what is in the outbox."""
        with self.engine.begin() as connection:
            return list(connection.execute(select(outbox.table).order_by(outbox.table.c.id)))

    def send(self, *orders: int, ordered_by: str | None = None) -> None:
        """Commit sends."""
        with Session(self.engine) as session, session.begin():
            for each in orders:
                self.placed.within(outbox(session, ordered_by=ordered_by)).send_sync(order=each)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = create_engine(database_url)
    Base.metadata.drop_all(made)
    Base.metadata.create_all(made)
    yield made
    made.dispose()


@pytest.fixture
async def shop(engine: Engine, valkey_url: str) -> Shop:
    return await subscribed(engine, valkey_url)


async def subscribed(engine: Engine, url: str) -> Shop:
    shop = declared(engine, url)
    namespace = await broker_for(shop.worker.registry.settings)
    await namespace.partition(0).publisher.subscribe("order.placed", [HANDLER])
    return shop


def declared(engine: Engine, url: str) -> Shop:
    worker = upnext.Worker("shop", redis_url=url)
    placed = worker.event("order.placed")

    @placed.on
    async def note(order: int) -> None: ...

    @worker.task
    async def report(order: int) -> int:
        return order

    return Shop(worker, placed, report, engine)


async def test_what_is_committed_is_sent_and_what_is_rolled_back_is_not(shop: Shop) -> None:
    with Session(shop.engine) as session:
        session.add(Order(id=1))
        receipt = shop.placed.within(outbox(session)).send_sync(order=1)
        session.commit()
        session.add(Order(id=2))
        shop.placed.within(outbox(session)).send_sync(order=2)
        session.rollback()
        with session.begin_nested() as savepoint:
            shop.placed.within(outbox(session)).send_sync(order=3)
            savepoint.rollback()
        shop.placed.within(outbox(session)).send_sync(order=4)
        session.commit()
    assert await shop.arrived() == []
    relay = outbox.relay(shop.engine, shop.worker)
    assert await relay.send_all() == 2
    assert [each["order"] for each in await arrived(shop.worker, HANDLER)] == [1, 4]
    assert (await arrived(shop.worker, HANDLER))[0]["event_id"] == receipt.event_id
    assert shop.rows() == []
    assert await relay.send_all() == 0


async def test_sessions_that_are_async_write_it_as_well(valkey_url: str, tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}")
    shop = await subscribed(engine.sync_engine, valkey_url)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with AsyncSession(engine) as session, session.begin():
        session.add(Order(id=1))
        await shop.placed.within(outbox(session)).send(order=1)
        await shop.report.within(outbox(session)).submit(order=2)
    async with AsyncSession(engine) as session:
        await shop.placed.within(outbox(session)).send(order=3)
    assert await outbox.relay(engine, shop.worker).send_all() == 2
    assert [each["order"] for each in await arrived(shop.worker, HANDLER, TASK)] == [1, 2]
    await engine.dispose()


async def test_jobs_run_and_can_be_waited_for_by_their_ids_after_the_commit(shop: Shop) -> None:
    with Session(shop.engine) as session, session.begin():
        job = shop.report.within(outbox(session)).submit_sync(order=7)
        receipt = shop.placed.within(outbox(session)).send_sync(order=8)
        with pytest.raises(upnext.ConfigError, match=r"is sent after its commit.*Job\.of\(job_id\)\.result\(\)"):
            job.result_sync()
        with pytest.raises(upnext.ConfigError, match=r"Receipt\.of\(event_id\)\.results\(\)"):
            receipt.results_sync()
        with pytest.raises(upnext.ConfigError, match="is sent after its commit"):
            shop.report.within(outbox(session)).wait_sync(order=9)
        assert receipt.jobs == ()
    async with running(shop.worker):
        await outbox.relay(shop.engine, shop.worker).send_all()
        assert await upnext.Job.of(job.id, worker=shop.worker).result(timeout=10) == 7
        assert await upnext.Receipt.of(receipt.event_id, worker=shop.worker).results(timeout=10) == {"note": None}


class Looks(ServerTransport):
    """The server, which counts how often it was asked how jobs stand."""

    count = 0

    async def outcomes(
        self, settings: Settings, event_id: str, jobs: Sequence[str]
    ) -> tuple[tuple[str, ...] | None, list[JobOutcome]]:
        found = await super().outcomes(settings, event_id, jobs)
        self.count += 1
        return found


async def test_whoever_waits_by_the_id_waits_for_the_relay_too(shop: Shop) -> None:
    """As another process does. What no relay sends in time is late."""
    with Session(shop.engine) as session, session.begin():
        task = shop.report.within(outbox(session)).submit_sync(order=7).id
        event = shop.placed.within(outbox(session)).send_sync(order=8).event_id
    job, receipt = upnext.Job.of(task, worker=shop.worker), upnext.Receipt.of(event, worker=shop.worker)
    for wait in (job.result, receipt.results):
        with pytest.raises(upnext.ResultTimeoutError, match="or no relay has sent it yet"):
            await wait(timeout=0.05)
    async with running(shop.worker):
        with use_transport(looks := Looks()):
            waiting = asyncio.gather(job.result(timeout=30), receipt.results(timeout=30))
            await wait_until_async(lambda: looks.count > 1)
            assert await outbox.relay(shop.engine, shop.worker).send_all() == 2
            assert await waiting == [7, {"note": None}]


async def test_what_was_sent_and_is_lost_since_is_not_waited_for(shop: Shop) -> None:
    """Nor is a send that was in no outbox."""
    shop.send(1)
    receipt = upnext.Receipt.of(shop.rows()[0].event_id, worker=shop.worker)
    assert await outbox.relay(shop.engine, shop.worker).send_all() == 1
    namespace = await broker_for(shop.worker.registry.settings)
    with use_transport(looks := Looks()):
        waiting = asyncio.create_task(receipt.results(timeout=30))
        await wait_until_async(lambda: looks.count)
        await namespace.link.command("FLUSHALL")
        with pytest.raises(upnext.JobLostError, match="It was there when this wait began"):
            await waiting
    with pytest.raises(upnext.JobLostError):
        await upnext.Receipt.of(new_event_id(), worker=shop.worker).results(timeout=30)


async def test_options_and_their_order_with_within_do_not_matter(shop: Shop) -> None:
    with Session(shop.engine) as session, session.begin():
        within = shop.placed.within(outbox(session))
        within.options(delay=600).send_sync(order=1)
        shop.placed.options(delay=600).within(outbox(session)).send_sync(order=2)
        for _ in range(2):
            within.options(key="once").send_sync(order=3)
        within.send_sync(order=4)
        shop.report.options(key="once").within(outbox(session)).submit_sync(order=5)
    dues = [None if row.due_at is None else row.due_at - time.time() for row in shop.rows()]
    assert [due is not None and 590 < due < 601 for due in dues] == [True, True, False, False, False, False]
    await outbox.relay(shop.engine, shop.worker).send_all()
    assert await shop.arrived() == [3, 4]


async def test_payloads_are_checked_where_they_are_sent(shop: Shop) -> None:
    with Session(shop.engine) as session, session.begin():
        with pytest.raises(upnext.PayloadError, match="'order'"):
            shop.placed.within(outbox(session)).send_sync(order="x")
        with pytest.raises(upnext.PayloadError, match="keyword arguments only"):
            shop.placed.within(outbox(session)).send_sync(1)
    assert shop.rows() == []


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda shop: shop.placed.within(Session()), r"within\(Session\) cannot be used: give it outbox\(session\)"),
        (lambda shop: shop.report.within(None), r"within\(NoneType\) cannot be used"),
        (lambda shop: outbox(shop.engine), r"outbox\(Engine\) cannot be used: give it the Session"),
        (lambda shop: outbox(Session(), ordered_by=""), r"ordered_by='' cannot be used"),
        (lambda shop: outbox(Session(), ordered_by=17), r"ordered_by=17 cannot be used"),
        (lambda shop: outbox.relay("sqlite://"), r"'sqlite://' cannot be used: relay\(\) takes the Engine"),
        (lambda shop: outbox.relay(shop.engine, batch=0), r"batch=0 cannot be used"),
        (lambda shop: outbox.relay(shop.engine, interval=0), r"interval=0 cannot be used"),
        (lambda shop: outbox.relay(shop.engine, lease=float("inf")), r"lease=inf cannot be used"),
    ],
)
def test_what_cannot_be_used_is_refused(use: Callable[[Shop], object], message: str) -> None:
    with pytest.raises(upnext.ConfigError, match=message):
        use(declared(create_engine("sqlite://"), "redis://127.0.0.1:1"))


async def test_what_is_ordered_is_sent_in_order_by_several_relays_and_once(shop: Shop) -> None:
    for start in range(0, 45, 3):
        shop.send(start, ordered_by="a")
        shop.send(start + 1, ordered_by="b")
        shop.send(start + 2)
    relays = [outbox.relay(shop.engine, shop.worker, batch=7, interval=0.01) for _ in range(3)]
    tasks = [asyncio.create_task(relay.run()) for relay in relays]
    await wait_until_async(lambda: not shop.rows())
    for relay in relays:
        relay.stop()
    await asyncio.gather(*tasks)
    found = await shop.arrived()
    assert sorted(found) == list(range(45))
    for lane in (0, 1):
        assert [each for each in found if each % 3 == lane] == list(range(lane, 45, 3))


async def test_a_row_that_is_refused_holds_up_only_its_own_order_and_that_not_for_ever(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    bad = shop.worker.event("bad.event")
    partition = (await broker_for(shop.worker.registry.settings)).partition(0)
    await partition.link.command("SET", partition.keys.unrouted("bad.event"), "of another program")
    with Session(shop.engine) as session, session.begin():
        bad.within(outbox(session, ordered_by="a")).send_sync()
        shop.placed.within(outbox(session, ordered_by="a")).send_sync(order=1)
        shop.placed.within(outbox(session)).send_sync(order=2)
    relay = outbox.relay(shop.engine, shop.worker)
    with pytest.raises(
        upnext.UpnextError, match=r"1 row\(s\) of table 'upnext_outbox' of .* were not sent, 1 were: .*rejects"
    ):
        await relay.send_all()
    refused, waiting = shop.rows()
    assert (refused.attempts, waiting.attempts) == (1, 0)
    assert refused.error.startswith("BrokerRefusedError: The server rejects this client")
    assert "(bad.event) was not sent, attempt 1: The server rejects" in caplog.text

    assert await relay.send_all() == 0, "what is behind it waits while it is put off"
    _again_at_once(shop, attempts=MAX_ATTEMPTS - 1)
    with pytest.raises(upnext.UpnextError):
        await relay.send_all()
    assert f"(bad.event) was refused {MAX_ATTEMPTS} times and is set aside, later rows pass it" in caplog.text
    assert await relay.send_all() == 1
    assert await shop.arrived() == [2, 1]

    await partition.link.command("DEL", partition.keys.unrouted("bad.event"))
    assert await relay.send_all() == 0
    _again_at_once(shop, attempts=0)
    assert await relay.send_all() == 1
    assert shop.rows() == []


def _again_at_once(shop: Shop, attempts: int) -> None:
    with shop.engine.begin() as connection:
        connection.execute(update(outbox.table).where(outbox.table.c.attempts > 0).values(attempts=attempts))
        connection.execute(update(outbox.table).values(available_at=0))


async def test_a_row_that_somebody_spoilt_is_refused_like_one_that_the_server_refuses(shop: Shop) -> None:
    shop.send(1, 2)
    first = shop.rows()[0]
    with shop.engine.begin() as connection:
        connection.execute(update(outbox.table).where(outbox.table.c.id == first.id).values(headers="{"))
    with pytest.raises(upnext.UpnextError, match=r"1 row\(s\) .* were not sent, 1 were"):
        await outbox.relay(shop.engine, shop.worker).send_all()
    assert [(row.id, row.attempts, row.error[:16]) for row in shop.rows()] == [(first.id, 1, "JSONDecodeError:")]


async def test_a_server_that_is_away_counts_against_no_row(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("UPNEXT_SEND_DEADLINE", "1")
    binary = valkey_binary()
    assert binary is not None
    with Server(binary, tmp_path / "server", appendonly=True) as server:
        shop = await subscribed(engine, server.url)
        server.stop()
        shop.send(1, 2, 3, ordered_by="a")
        relay = outbox.relay(engine, shop.worker, interval=0.01)
        task = asyncio.create_task(relay.run())
        await wait_until_async(lambda: "cannot send (" in caplog.text)
        assert [(row.attempts, "Unavailable" in row.error) for row in shop.rows()] == [
            (0, True),
            (0, False),
            (0, False),
        ]
        server.start()
        await wait_until_async(lambda: not shop.rows())
        assert await shop.arrived() == [1, 2, 3]
        relay.stop()
        await task


async def test_a_database_that_fails_is_told_once_and_tried_again(
    engine: Engine, valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "upnext")
    Base.metadata.drop_all(engine)
    shop = await subscribed(engine, valkey_url)
    relay = outbox.relay(engine, shop.worker, interval=0.01)
    task = asyncio.create_task(relay.run())
    await wait_until_async(lambda: "cannot send (its database fails" in caplog.text)
    Base.metadata.create_all(engine)
    shop.send(1)
    await wait_until_async(lambda: "sends again" in caplog.text)
    await wait_until_async(lambda: not shop.rows())
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "INFO"]
    relay.stop()
    await task


async def test_what_hooks_add_travels_and_a_test_that_keeps_sends_sees_them_and_no_row(
    shop: Shop, upnext_sent: Any
) -> None:
    class Trace(upnext.Hooks):
        def around_send(self, send: upnext.HookedSend, /) -> AbstractContextManager[None]:
            send.headers["traceparent"] = send.name
            return nullcontext()

    shop.worker.add_hooks(Trace())
    shop.send(1)
    assert upnext_sent.one(shop.placed).fields == {"order": 1}
    assert shop.rows() == []
    with use_transport(None):
        shop.send(2)
        async with AsyncSession(create_async_engine("sqlite+aiosqlite://")) as session:
            await shop.placed.within(outbox(session)).send(order=3)
            assert [each.headers for each in session.new] == ['{"traceparent": "order.placed"}']
    assert [row.headers for row in shop.rows()] == ['{"traceparent": "order.placed"}']
    await outbox.relay(shop.engine, shop.worker).send_all()
    (found,) = await arrived(shop.worker, HANDLER)
    partition = (await broker_for(shop.worker.registry.settings)).partition(0)
    envelope = await partition.link.command("HGET", partition.keys.events, found["event_id"])
    assert headers_of(envelope) == {"traceparent": "order.placed"}


async def test_a_relay_runs_beside_the_workers_of_a_service_and_stops_with_it(shop: Shop) -> None:
    with Session(shop.engine) as session, session.begin():
        receipt = shop.placed.within(outbox(session)).send_sync(order=1)
    relay = outbox.relay(shop.engine, shop.worker, interval=0.01)
    async with running(shop.worker, relay):
        await wait_until_async(lambda: not shop.rows())
        assert await upnext.Receipt.of(receipt.event_id, worker=shop.worker).results(timeout=10) == {"note": None}


async def test_calls_of_one_relay_that_send_at_the_same_time_share_the_work(shop: Shop, valkey_server: Server) -> None:
    """One that finds nothing more takes nothing away from the one that is sending."""
    relay = outbox.relay(shop.engine, shop.worker)
    shop.send(*range(20))
    valkey_server.pause()
    try:
        calls = {asyncio.create_task(relay.send_all()) for _ in range(2)}
        (ended,), _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        assert ended.result() == 0
    finally:
        valkey_server.resume()
    assert sum(await asyncio.gather(*calls)) == 20
    assert shop.rows() == []
    assert sorted(await shop.arrived()) == list(range(20))


async def test_calls_beside_a_relay_that_runs_share_its_work(shop: Shop, valkey_server: Server) -> None:
    relay = outbox.relay(shop.engine, shop.worker, batch=5, interval=0.01)
    sent = await send_beside_a_relay(relay, valkey_server, lambda orders: shop.send(*orders))
    assert 0 in sent
    assert 5 <= sum(sent) <= 15
    assert shop.rows() == []
    assert sorted(await shop.arrived()) == list(range(20))


def test_a_relay_can_run_again_in_another_event_loop(engine: Engine, valkey_url: str) -> None:
    shop = declared(engine, valkey_url)
    relay = outbox.relay(engine, shop.worker, interval=0.01)

    async def run() -> None:
        async with running(relay):
            await wait_until_async(lambda: not shop.rows())

    for order in range(2):
        shop.send(order)
        asyncio.run(run())


async def test_ids_say_in_which_partition_the_event_will_be(engine: Engine, valkey_url: str) -> None:
    worker = upnext.Worker("shop", redis_url=valkey_url, partitions=3)
    placed = worker.event("order.placed")
    ids: list[str] = []
    with Session(engine) as session, session.begin():
        ids += [placed.within(outbox(session)).send_sync(order=n).event_id for n in range(9)]
        ids.append(placed.options(key="k").within(outbox(session)).send_sync(order=9).event_id)
    assert await outbox.relay(engine, worker).send_all() == 10
    namespace = await broker_for(worker.registry.settings)
    for each in ids:
        partition = namespace.partition(partition_of(each))
        assert await partition.link.command("HEXISTS", partition.keys.events, each), each
