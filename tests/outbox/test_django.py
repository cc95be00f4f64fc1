"""The example application of Django: its outbox, its handlers, its worker and its connections."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import upnext
from tests.outbox.django_shop import EXAMPLE, set_up
from tests.outbox.model import arrived
from tests.runtime.running import ServiceFile
from tests.servers import Server
from tests.waiting import wait_until
from upnext.connect import broker_for
from upnext.registry import declarations

CONFIRM = "orders|order.placed|confirm"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, valkey_server: Server) -> Iterator[str]:
    """Set the example up; Django can be set up once in a process."""
    database = str(tmp_path_factory.mktemp("django") / "shop.db")
    before = set(declarations)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UPNEXT_REDIS_URL", valkey_server.url)
        set_up(database)
        from django.core.management import call_command

        from upnext.django.connections import leave_connections_alone

        leave_connections_alone()  # it is a process of many tests
        call_command("migrate", verbosity=0)
        yield database
    for registry in set(declarations) - before:
        declarations.forget(registry)


@pytest.fixture
def worker(site: str, valkey_url: str) -> upnext.Worker:
    """Give the application's worker, with nothing in its tables and its handlers known on the server."""
    from orders.events import worker
    from orders.models import Order

    from upnext.django.models import OutboxRow

    Order.objects.all().delete()
    OutboxRow.objects.all().delete()

    async def subscribe() -> None:
        namespace = await broker_for(worker.registry.settings)
        await namespace.partition(0).publisher.subscribe("order.placed", [CONFIRM])

    asyncio.run(subscribe())
    return worker


def test_a_request_sends_what_it_commits_and_nothing_that_it_rolls_back(worker: upnext.Worker) -> None:
    from django.test import Client

    from upnext.django import relay

    client = Client()
    assert client.post("/orders", {"number": 1}).status_code == 202
    with pytest.raises(ValueError, match="rolls both back"):
        client.post("/orders", {"number": -2})
    assert client.post("/orders", {"number": 3}).status_code == 202
    assert relay(worker).send_all_sync() == 2
    assert [each["number"] for each in asyncio.run(arrived(worker, CONFIRM))] == [1, 3]
    assert relay(worker).send_all_sync() == 0


def test_async_code_and_tasks_and_options_write_rows_as_well(worker: upnext.Worker) -> None:
    from orders.events import order_placed

    from upnext.django import outbox
    from upnext.django.models import OutboxRow

    asyncio.run(send_async())
    order_placed.options(key="k", delay=60).within(outbox(ordered_by="a")).send_sync(number=2)
    rows = list(OutboxRow.objects.order_by("id").values_list("name", "body", "ordered_by"))
    assert [(name, json.loads(body), order) for name, body, order in rows] == [
        ("order.placed", {"number": 1}, None),
        ("order.placed", {"number": 2}, "a"),
    ]
    assert [str(row).partition(" ")[0] for row in OutboxRow.objects.all()] == ["order.placed", "order.placed"]


async def send_async() -> None:
    from orders.events import order_placed

    from upnext.django import outbox

    await order_placed.within(outbox()).send(number=1)


def test_what_cannot_be_used_is_refused(worker: upnext.Worker) -> None:
    from django.core.management import CommandError, call_command
    from django.db.utils import ConnectionDoesNotExist

    from upnext.django import outbox, relay

    with pytest.raises(ConnectionDoesNotExist):
        outbox(using="elsewhere")
    with pytest.raises(upnext.ConfigError, match="ordered_by=''"):
        outbox(ordered_by="")
    with pytest.raises(upnext.ConfigError, match="batch=0"):
        relay(batch=0)
    with pytest.raises(CommandError, match=r"no database 'elsewhere' in DATABASES"):
        call_command("upnext_worker", "--outbox", "elsewhere")


def test_the_migrations_are_those_of_the_models_and_nothing_is_to_be_checked(site: str) -> None:
    from django.core.management import call_command

    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
    call_command("check", fail_level="WARNING")


def test_the_worker_runs_the_handlers_that_it_finds_and_the_relay(worker: upnext.Worker, site: str) -> None:
    from django.test import Client
    from orders.models import Order

    command = [sys.executable, "manage.py", "upnext_worker"]
    process = subprocess.Popen(command, cwd=EXAMPLE, env=os.environ | {"DATABASE": site}, stderr=subprocess.PIPE)
    try:
        Client().post("/orders", {"number": 7})
        wait_until(lambda: Order.objects.get(number=7).is_confirmed, timeout=30)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, log
    assert b"confirm (order.placed), thank (order.placed)" in log


SERVICE = """
import django
from django.conf import settings

settings.configure(INSTALLED_APPS=["upnext.django"], DATABASES={"default": {
    "ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": os.environ["POSTGRES_PORT"],
    "USER": "tests", "NAME": "postgres", "CONN_MAX_AGE": 60, "OPTIONS": {"application_name": os.environ["APPLICATION"]},
}})
django.setup()

from asgiref.sync import sync_to_async
from django.db import connection

worker = upnext.Worker("reports", concurrency=3)

def query():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]

@worker.task(retries=5, retry_delay=0.05)
def report() -> int:
    return query()

@worker.task(retries=5, retry_delay=0.05)
async def report_async() -> int:
    return await sync_to_async(query)()
"""


async def test_connections_heal_and_a_worker_has_no_more_of_them_than_jobs_at_once(
    postgres_url: str, valkey_url: str, tmp_path: Path
) -> None:
    """One more may be there: that of the thread in which async code uses the models."""
    import psycopg

    port, name = postgres_url.rpartition(":")[2].partition("/")[0], f"reports-{os.getpid()}"
    service = ServiceFile(tmp_path, valkey_url, SERVICE, POSTGRES_PORT=port, APPLICATION=name)
    address = postgres_url.replace("+psycopg", "")
    mine = "FROM pg_stat_activity WHERE application_name = %s"
    worker = upnext.Worker("reports", redis_url=valkey_url)

    @worker.task
    def report() -> int:
        return 0

    @worker.task
    async def report_async() -> int:
        return 0

    async def pids(task: Any, times: int) -> set[int]:
        jobs = [await task.submit() for _ in range(times)]
        return {await job.result(timeout=30) for job in jobs}

    with service.process(), psycopg.connect(address, autocommit=True) as database:

        def count() -> int:
            row = database.execute(f"SELECT count(*) {mine}", [name]).fetchone()
            assert row is not None
            return int(row[0])

        first = await pids(report, 30) | await pids(report_async, 5)
        assert 1 <= count() <= 4
        database.execute(f"SELECT pg_terminate_backend(pid) {mine}", [name])
        assert not first & (await pids(report, 30) | await pids(report_async, 5))
        assert 1 <= count() <= 4
