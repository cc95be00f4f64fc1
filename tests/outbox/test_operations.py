"""What the person on call sees of an outbox: `upnext outbox`, metrics, readiness, status, doctor and the log."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, func, select, update
from sqlalchemy.orm import Session

import upnext
from tests.outbox.model import Base, outbox
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker import outbox_reports
from upnext.broker.job_ids import new_event_id
from upnext.broker.namespace import Namespace
from upnext.cli import main
from upnext.connect import broker_for
from upnext.outbox import backlog as backlog_module
from upnext.outbox.relay import Relay
from upnext.outbox.row import MAX_ATTEMPTS
from upnext.telemetry.process_metrics import process_metrics
from upnext.telemetry.server_metrics import server_metrics

SERVICE = """
import upnext
from sqlalchemy import NullPool, create_engine
from tests.outbox.model import outbox
print("hello")
worker = upnext.Worker("shop")
relay = outbox.relay(create_engine({url!r}, poolclass=NullPool), worker)
"""


@dataclass
class Shop:
    """A worker, a database with an outbox, and a service file that has the relay of it."""

    worker: upnext.Worker
    engine: Engine
    file: Path

    @property
    def outbox(self) -> str:
        """What its outbox is called: by its table and its database, never by who connects."""
        url = self.engine.url
        return f"table 'upnext_outbox' of {url.database}" + (f" on {url.host}:{url.port}" if url.host else "")

    def send(self, *orders: int) -> None:
        """Commit sends."""
        with Session(self.engine) as session, session.begin():
            for order in orders:
                self.worker.event("order.placed").within(outbox(session)).send_sync(order=order)

    def change(self, row: int, **values: object) -> None:
        """Change a row by its id."""
        with self.engine.begin() as connection:
            connection.execute(update(outbox.table).where(outbox.table.c.id == row).values(values))

    def relay(self, **options: Any) -> Relay:
        """Give the relay."""
        return outbox.relay(self.engine, self.worker, interval=0.01, **options)


@pytest.fixture
def shop(database_url: str, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    engine = create_engine(database_url)
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    file = tmp_path / f"service_{new_event_id()}.py"
    file.write_text(SERVICE.format(url=database_url))
    monkeypatch.setattr(backlog_module, "_LOOK_EVERY", 0.01)
    monkeypatch.setattr(backlog_module, "_LONGEST_SHARE", 0)
    yield Shop(upnext.Worker("shop", redis_url=valkey_url), engine, file)
    engine.dispose()


@pytest.fixture
def outbox_command(shop: Shop, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(action: str, *arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["outbox", action, str(shop.file), *arguments])
        return code, *capsys.readouterr()

    return run


def sent_before(seconds: float) -> str:
    """Return an id that says it was sent so long ago."""
    return f"{int((time.time() - seconds) * 1000):012x}{new_event_id()[12:]}"


def test_rows_are_listed_with_age_and_error_and_those_set_aside_can_be_sent_after_all(
    shop: Shop, outbox_command: Callable[..., tuple[int, str, str]]
) -> None:
    shop.send(1, 2, 3)
    shop.change(1, attempts=MAX_ATTEMPTS, error="BrokerRefusedError: no\x1b[2J", event_id=sent_before(7200))
    shop.change(2, attempts=3, error="it was away", event_id=sent_before(300), available_at=time.time() + 100)
    code, out, err = outbox_command("status")
    assert (code, err) == (0, "hello\n")
    assert out.splitlines()[1].split("  ")[0] == shop.outbox
    (found,) = json.loads(outbox_command("status", "--format", "json")[1])["outboxes"]
    assert 299 <= found.pop("oldest") < 400
    assert found == {"outbox": shop.outbox, "waiting": 2, "set_aside": 1}

    code, out, _ = outbox_command("list")
    assert code == 0
    assert [line.split()[:4] for line in out.splitlines()[2:]] == [
        ["1", "event", "order.placed", "2h"],
        ["2", "event", "order.placed", "5m"],
        ["3", "event", "order.placed", out.splitlines()[4].split()[3]],
    ]
    assert ["set aside" in line for line in out.splitlines()[2:]] == [True, False, False]
    assert "BrokerRefusedError: no\\x1b[2J" in out
    assert "order=" not in out, "payloads are not shown"
    assert outbox_command("list", "--limit", "2")[1].splitlines()[0] == f"{shop.outbox}: 2 row(s), or more"
    (row,) = json.loads(outbox_command("list", "--set-aside", "--format", "json")[1])["rows"]
    assert (row["id"], row["state"], row["attempts"], row["ordered_by"]) == (1, "set aside", MAX_ATTEMPTS, None)

    assert outbox_command("retry", "1", "2", "99")[::2] == (
        1,
        "upnext: 2 of these rows are not set aside, or not there.\n",
    ), "what waits, or was claimed by a relay, stays as it is"
    assert outbox_command("list", "--set-aside")[1] == f"{shop.outbox}: 0 row(s)\n"
    shop.change(3, attempts=MAX_ATTEMPTS)
    assert outbox_command("retry", "--all")[:2] == (0, "1 row(s) will be sent again.\n")
    assert outbox_command("retry", "--all")[:2] == (0, "0 row(s) will be sent again.\n")

    shop.change(3, attempts=MAX_ATTEMPTS)
    assert outbox_command("purge", "3")[::2] == (2, "upnext: What is purged is never sent: add --yes to do it.\n")
    assert outbox_command("purge", "2", "3", "--yes")[:2] == (1, "1 row(s) deleted.\n"), "what waits stays"
    assert outbox_command("purge", "--all", "--yes")[:2] == (0, "0 row(s) deleted.\n")
    shop.change(2, available_at=0)
    assert shop.relay().send_all_sync() == 2


def test_what_cannot_be_answered_says_why(
    shop: Shop, outbox_command: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    assert outbox_command("retry")[::2] == (2, "upnext: Pass the ids of rows that are set aside, or --all.\n")
    assert outbox_command("retry", "1", "--all")[0] == 2
    assert main(["outbox", "list", str(tmp_path / "none.py")]) == 2
    Base.metadata.drop_all(shop.engine)
    code, _, err = outbox_command("status")
    assert code == 2
    assert f"The database of {shop.outbox} fails (" in err
    shop.file.write_text("import upnext\nworker = upnext.Worker('shop')\n")
    other = shop.file.with_name(f"other_{shop.file.name}")
    other.write_text(shop.file.read_text())
    shop.file = other
    assert "has no relay of an outbox: define or import one at its top level." in outbox_command("status")[2]
    two = other.with_name(f"two_{other.name}")
    two.write_text(SERVICE.format(url=str(shop.engine.url)) + "other = outbox.relay(create_engine('sqlite://'))\n")
    shop.file = two
    assert "a row's id does not say which one it is in" in outbox_command("retry", "1")[2]


def test_outboxes_of_one_table_in_two_databases_are_told_apart(
    valkey_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the shards of a service have them: one must not stand for the other."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    urls = [f"sqlite:///{tmp_path / name}.db" for name in ("first", "second")]
    for rows, url in enumerate(urls, start=1):
        engine = create_engine(url)
        Base.metadata.create_all(engine)
        with Session(engine) as session, session.begin():
            for n in range(rows):
                worker.event("order.placed").within(outbox(session)).send_sync(order=n)
            session.flush()
            session.execute(update(outbox.table).values(attempts=MAX_ATTEMPTS))
        engine.dispose()
    file = tmp_path / f"shards_{new_event_id()}.py"
    file.write_text(
        SERVICE.format(url=urls[0]) + f"other = outbox.relay(create_engine({urls[1]!r}, poolclass=NullPool), worker)\n"
    )
    assert main(["outbox", "status", str(file), "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)["outboxes"]
    assert {each["outbox"]: each["set_aside"] for each in shown} == {
        f"table 'upnext_outbox' of {tmp_path / 'first'}.db": 1,
        f"table 'upnext_outbox' of {tmp_path / 'second'}.db": 2,
    }
    assert main(["outbox", "retry", str(file), "--all"]) == 0
    assert capsys.readouterr().out == "3 row(s) will be sent again.\n"


async def test_a_relay_that_is_behind_is_in_metrics_status_doctor_and_the_log(
    shop: Shop, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a process without workers, until it has caught up: rows put off stand for a server that refuses them."""
    caplog.set_level(logging.INFO, "upnext")
    shop.send(1, 2)
    shop.change(1, attempts=MAX_ATTEMPTS, error="refused")
    shop.change(2, attempts=1, error="refused", available_at=time.time() + 1000, event_id=sent_before(600))
    relay = shop.relay()
    async with running(relay) as service:
        await wait_until_async(lambda: "is behind" in caplog.text)
        with process_metrics(service.readings, service.outboxes) as metrics:
            found = dict(line.rsplit(" ", 1) for line in metrics().decode().splitlines() if "upnext_outbox" in line)
        label = f'{{outbox="{shop.outbox} (shop)"}}'
        assert float(found[f"upnext_outbox_rows_waiting{label}"]) == 1
        assert float(found[f"upnext_outbox_rows_set_aside{label}"]) == 1
        assert float(found[f"upnext_outbox_relay_up{label}"]) == 1
        assert 600 <= float(found[f"upnext_outbox_oldest_waiting_seconds{label}"]) < 700
        assert service.trouble() == "", "one row's trouble is not the process's"

        line = f"{shop.outbox} (shop): 1 row(s) wait, the first for 10m"
        namespace = await broker_for(shop.worker.registry.settings)
        await wait_until_async(lambda: _is_reported(namespace))
        seen = server_metrics(await namespace.status_reader.seen()).decode()
        assert f"upnext_outbox_rows_set_aside{label} 1.0" in seen
        assert f"upnext_outbox_unattended{label} 0.0" in seen
        address = ("--redis-url", shop.worker.registry.settings.redis_url or "")
        capsys.readouterr()
        for command in ("status", "doctor"):
            await asyncio.to_thread(main, [command, *address])
            out = capsys.readouterr().out
            assert line in out
            assert "1 row(s) are set aside and not sent" in out
        assert await asyncio.to_thread(main, ["status", "--format", "json", *address]) == 0
        (published,) = json.loads(capsys.readouterr().out)["outboxes"]
        assert (published["outbox"], published["waiting"], published["set_aside"]) == (f"{shop.outbox} (shop)", 1, 1)

        shop.change(2, available_at=0)
        await wait_until_async(lambda: "has caught up: 0 row(s) wait" in caplog.text)
    assert [record.getMessage().partition(" row(s)")[0] for record in caplog.records if "is behind" in record.msg] == [
        f"The relay of {shop.outbox} is behind: 1"
    ], "and no line a look"
    assert f"1 row(s) of {shop.outbox} are set aside and not sent: see `upnext outbox list`" in caplog.text


async def _is_reported(namespace: Namespace) -> bool:
    """Say whether the relay has said it on the server."""
    return bool((await namespace.status_reader.seen()).outboxes)


async def test_an_outbox_without_a_relay_is_named_for_a_day(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows that nobody sends are worse than rows that wait. What no relay wrote is left out."""
    namespace = await broker_for(shop.worker.registry.settings)
    first = namespace.partition(0)
    async with running(shop.relay()):
        await wait_until_async(lambda: _is_reported(namespace))
    report = json.loads(await first.link.command("HGET", first.keys.outboxes, f"{shop.outbox} (shop)"))
    report |= {"waiting": 3, "reported": report["reported"] - 600, "again_by": report["again_by"] - 600}
    long_ago = {**report, "reported": report["reported"] - 86400}
    found = {f"{shop.outbox} (shop)": report, "gone": long_ago, "junk": [], "odd": {**report, "since": 1e99}}
    for name, text in found.items():
        await first.link.command("HSET", first.keys.outboxes, name, json.dumps(text))
    status = await namespace.status_reader.seen()
    assert [lag.outbox for lag in status.outboxes] == [f"{shop.outbox} (shop)"]
    assert f'upnext_outbox_unattended{{outbox="{shop.outbox} (shop)"}} 1.0' in server_metrics(status).decode()
    await asyncio.to_thread(main, ["doctor", "--redis-url", shop.worker.registry.settings.redis_url or ""])
    out = capsys.readouterr().out
    assert f"{shop.outbox} (shop): no relay of it has reported for 10m" in out

    await first.link.command("DEL", first.keys.outboxes)
    await first.link.command("SET", first.keys.outboxes, "another program's")
    shop.send(1)
    async with running(shop.relay()):
        await wait_until_async(lambda: _is_sent(shop))
    assert (await namespace.status_reader.seen()).outboxes == ()


async def test_reports_of_outboxes_that_are_gone_hide_none_that_is_there(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """They come and go with the names of databases, for ever: the relays that are there delete them after a day."""
    monkeypatch.setattr(outbox_reports, "_warned", set())
    namespace = await broker_for(shop.worker.registry.settings)
    first, now = namespace.partition(0), time.time()
    report = {"waiting": 1, "set_aside": 0, "since": None, "reported": now, "again_by": now + 10}
    gone = json.dumps(report | {"reported": now - 90_000})
    for start in range(0, 3000, 1000):
        fields = [word for n in range(start, start + 1000) for word in (f"gone {n}", gone)]
        await first.link.command("HSET", first.keys.outboxes, *fields)
    await first.link.command("HSET", first.keys.outboxes, "of another program", "junk")
    async with running(shop.relay()):
        await wait_until_async(lambda: _is_reported(namespace))
        assert [lag.outbox for lag in (await namespace.status_reader.seen()).outboxes] == [f"{shop.outbox} (shop)"]
        await wait_until_async(lambda: _has_reports(namespace, 2))

    fields = [word for n in range(1500) for word in (f"there {n}", json.dumps(report))]
    await first.link.command("HSET", first.keys.outboxes, *fields)
    for _ in range(2):
        assert len((await namespace.status_reader.seen()).outboxes) == 1000
    assert caplog.text.count("More than 1000 outboxes report to upnext:{default:0}:outboxes: only 1000 of them") == 1


async def _has_reports(namespace: Namespace, number: int) -> bool:
    first = namespace.partition(0)
    return bool(await first.link.command("HLEN", first.keys.outboxes) == number)


async def _is_sent(shop: Shop) -> bool:
    with shop.engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(outbox.table)).scalar_one() == 0


async def test_a_process_whose_relay_sends_nothing_is_not_ready(shop: Shop) -> None:
    Base.metadata.drop_all(shop.engine)
    async with running(shop.worker, shop.relay()) as service:
        trouble = f"the relay of {shop.outbox} (shop) sends nothing: its database fails ("
        await wait_until_async(lambda: service.trouble().startswith(trouble))
        Base.metadata.create_all(shop.engine)
        await wait_until_async(lambda: service.trouble() == "")


async def test_a_server_that_cannot_be_used_stops_no_relay_and_claims_no_row(
    shop: Shop, valkey_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as settings that cannot be used, or an embedded server that is not installed: that may be put right."""
    caplog.set_level(logging.INFO, "upnext")
    monkeypatch.setenv("UPNEXT_REDIS_URL", valkey_url)
    relay = outbox.relay(shop.engine, interval=0.01)
    async with running(shop.worker, relay) as service:
        await wait_until_async(lambda: relay.reading().backlog)
        monkeypatch.setenv("UPNEXT_SEND_DEADLINE", "soon")
        await wait_until_async(lambda: "its server cannot be used (" in service.trouble())
        shop.send(1)
        assert "cannot send (its server cannot be used (UPNEXT_SEND_DEADLINE='soon' cannot" in caplog.text
        with shop.engine.connect() as connection:
            assert connection.execute(select(outbox.table.c.available_at)).scalar_one() == 0, "nobody has claimed it"
        monkeypatch.delenv("UPNEXT_SEND_DEADLINE")
        await wait_until_async(lambda: _is_sent(shop))
