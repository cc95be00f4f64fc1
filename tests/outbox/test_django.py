"""The example application of Django: its outbox, its handlers, its worker and its connections."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import unittest
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import pytest

import upnext
from tests.outbox.django_shop import EXAMPLE, set_up
from tests.outbox.model import arrived, send_beside_a_relay
from tests.runtime.running import ServiceFile, running
from tests.servers import Server
from tests.waiting import wait_until
from upnext.broker.job_ids import QueueEntry, new_event_id
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


def test_calls_beside_a_relay_that_runs_share_its_work(worker: upnext.Worker, valkey_server: Server) -> None:
    from django.db import connection, transaction
    from orders.events import order_placed

    from upnext.django import outbox, relay
    from upnext.django.models import OutboxRow

    def write(numbers: range) -> None:
        with transaction.atomic():
            for number in numbers:
                order_placed.within(outbox()).send_sync(number=number)
        connection.close()  # this thread's

    sent = asyncio.run(send_beside_a_relay(relay(worker, batch=5, interval=0.01), valkey_server, write))
    assert 0 in sent
    assert 5 <= sum(sent) <= 15
    assert not OutboxRow.objects.exists()
    assert sorted(each["number"] for each in asyncio.run(arrived(worker, CONFIRM))) == list(range(20))


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


def test_the_command_shows_rows_and_has_those_sent_that_were_set_aside(
    worker: upnext.Worker, capsys: pytest.CaptureFixture[str]
) -> None:
    from django.core.management import CommandError, call_command

    from upnext.django import relay
    from upnext.django.models import OutboxRow
    from upnext.outbox.row import MAX_ATTEMPTS

    asyncio.run(send_async())
    OutboxRow.objects.update(attempts=MAX_ATTEMPTS, error="it was refused")
    call_command("upnext_outbox", "status", "--format", "json")
    assert json.loads(capsys.readouterr().out)["outboxes"] == [
        {"outbox": "database 'default'", "waiting": 0, "set_aside": 1, "oldest": None}
    ]
    call_command("upnext_outbox", "list", "--set-aside", "--outbox", "default")
    assert "it was refused" in capsys.readouterr().out
    with pytest.raises(CommandError, match="Pass the ids of rows that are set aside, or --all"):
        call_command("upnext_outbox", "retry")
    with pytest.raises(CommandError, match=r"no database 'elsewhere' in DATABASES"):
        call_command("upnext_outbox", "status", "--outbox", "elsewhere")
    with pytest.raises(SystemExit):
        call_command("upnext_outbox", "retry", str(10**6))
    call_command("upnext_outbox", "retry", str(OutboxRow.objects.get().pk))
    assert relay(worker).send_all_sync() == 1
    asyncio.run(send_async())
    OutboxRow.objects.update(attempts=MAX_ATTEMPTS)
    call_command("upnext_outbox", "purge", "--all", "--yes")
    assert not OutboxRow.objects.exists()


def test_the_example_s_own_tests_pass_each_in_its_transaction(worker: upnext.Worker) -> None:
    """Handlers use the models in the test's thread: another connection would not see what the transaction wrote."""
    from orders import tests
    from orders.models import Order

    found = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromModule(tests).run(found)
    assert (found.failures, found.errors, found.testsRun) == ([], [], 4)
    assert not Order.objects.exists()
    tests.OrderTests("test_an_order_is_placed_and_confirmed").debug()


def current_thread() -> int:
    return threading.get_ident()


def test_what_a_handler_of_captured_sends_raises_and_is_provided_with(worker: upnext.Worker) -> None:
    """It is raised as it is, also from the thread of the test; providers that are not async run there as well."""
    from upnext.django.testing import captured_sends

    local = upnext.Worker("local")
    threads: list[int] = []

    @local.task
    def note(name: str, where: Annotated[int, upnext.Provide(current_thread)]) -> None:
        threads.extend((where, threading.get_ident()))
        raise LookupError(name)

    with captured_sends() as sent:
        note.submit_sync(name="x")
        with pytest.raises(LookupError, match="x"):
            sent.run_sync()
    assert threads == [threading.get_ident()] * 2


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
    assert b"Worker 'django.default' runs 1 handler(s) and task(s)" in log


@pytest.fixture
def backend(worker: upnext.Worker, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the backend of tasks."""
    from upnext.django.tasks import UpnextBackend

    return UpnextBackend("default", {"OPTIONS": {"outbox": True, "retries": 1, "retry_delay": 0.01}})


def run_tasks(backend: Any, *results: Any) -> list[object]:
    """Relay and run what is enqueued; returns what became of each."""
    from upnext.django import relay

    async def run() -> list[object]:
        async with running(backend.worker):
            await relay(backend.worker).send_all()
            jobs = [upnext.Job.of(each.id, worker=backend.worker).result(timeout=10) for each in results]
            return await asyncio.gather(*jobs, return_exceptions=True)

    return asyncio.run(run())


def test_tasks_of_django_are_jobs_that_count_once_their_transaction_commits(backend: Any) -> None:
    from django.db import transaction

    from tests.outbox import django_tasks

    django_tasks.seen.clear()
    with transaction.atomic():
        backend.enqueue(django_tasks.add, [40], {})
        transaction.set_rollback(True)
    with transaction.atomic():
        added = backend.enqueue(django_tasks.add, [1], {"right": 2})
    tried = backend.enqueue(django_tasks.attempts, [], {})
    assert (added.status, added.args, added.kwargs, added.enqueued_at is None) == ("READY", [1], {"right": 2}, False)
    assert run_tasks(backend, added, tried) == [3, 2]
    assert django_tasks.seen == [3]


def test_how_a_task_stands_is_known_in_other_processes_until_its_result_expires(
    worker: upnext.Worker, backend: Any
) -> None:
    """From the outbox to its end; a backend is made anew for each question, as in another process."""
    from tests.outbox import django_tasks
    from upnext.django import relay
    from upnext.django.tasks import TaskResultDoesNotExist, UpnextBackend

    def asked(result: Any) -> Any:
        return UpnextBackend("default", {"OPTIONS": {"outbox": True, "retries": 1, "retry_delay": 0.01}}).get_result(
            result.id
        )

    backend.enqueue(django_tasks.nothing, [], {})
    added = backend.enqueue(django_tasks.add, [1], {"right": 2})
    empty, tried, failed, discarded = (
        backend.enqueue(task, [], {})
        for task in (django_tasks.nothing, django_tasks.attempts, django_tasks.fails, django_tasks.discards)
    )
    assert (asked(added).status, asked(added).args, asked(added).kwargs) == ("READY", [1], {"right": 2})
    relay(backend.worker).send_all_sync()
    assert (asked(added).status, asked(added).attempts, asked(added).started_at) == ("READY", 0, None)
    assert asked(added).task == django_tasks.add
    with pytest.raises(ValueError, match="not finished"):
        _ = asked(added).return_value

    run_tasks(backend, added, empty, tried, failed, discarded)
    assert (asked(added).status, asked(added).return_value, asked(added).attempts) == ("SUCCESSFUL", 3, 1)
    assert asked(added).enqueued_at <= asked(added).started_at <= asked(added).finished_at
    assert (asked(empty).status, asked(empty).return_value) == ("SUCCESSFUL", None)
    assert (asked(tried).return_value, asked(tried).attempts, asked(tried).errors) == (2, 2, [])
    (error,) = asked(failed).errors
    assert (asked(failed).status, asked(failed).attempts, error.exception_class) == ("FAILED", 2, LookupError)
    assert "it always fails" in error.traceback
    assert (asked(discarded).status, asked(discarded).errors[0].exception_class) == ("FAILED", upnext.JobDiscardedError)
    assert django_tasks.add.get_backend().supports_get_result
    added.refresh()
    assert (added.status, added.return_value) == ("SUCCESSFUL", 3)

    async def forget() -> str:
        partition = (await broker_for(backend.worker.registry.settings)).partition(0)
        await partition.link.command("EXPIRE", partition.keys.django_task(added.id), 0)
        placed = await worker.event("order.placed").options(delay=60).send(number=1)
        return placed.jobs[0].id

    other = asyncio.run(forget())
    for identity in (added.id, other, "nonsense", f"{new_event_id()}.0"):
        with pytest.raises(TaskResultDoesNotExist):
            backend.get_result(identity)


def test_a_task_that_its_relay_sends_while_it_is_asked_for_is_found(worker: upnext.Worker, backend: Any) -> None:
    """After the server was asked, and before the outbox is."""
    from django.db import connection

    from tests.outbox import django_tasks
    from upnext.django import relay
    from upnext.django.tasks import TaskResultDoesNotExist

    added = backend.enqueue(django_tasks.add, [1], {})
    sent: list[int] = []

    def send_first(execute: Any, sql: str, *arguments: Any) -> Any:
        if not sent and "upnext_outbox" in sql:
            sent.append(relay(backend.worker).send_all_sync())
        return execute(sql, *arguments)

    with connection.execute_wrapper(send_first):
        assert backend.get_result(added.id).status == "READY"
    assert sent == [1]
    with pytest.raises(TaskResultDoesNotExist):
        backend.get_result(f"{new_event_id()}.0")


def test_an_outbox_whose_rows_may_belong_elsewhere_is_not_sent(
    worker: upnext.Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker whose module sorts first would get those of the others as well."""
    from django.core.management import CommandError, call_command

    module = ModuleType("orders.archive")
    monkeypatch.setattr(module, "archive", upnext.Worker("archive", redis_url="redis://elsewhere:1"), raising=False)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(CommandError, match=r"are of different servers or namespaces.*--no-outbox"):
        call_command("upnext_worker", "--probe", "no address")
    with pytest.raises(CommandError, match="no address"):
        call_command("upnext_worker", "--no-outbox", "--probe", "no address")


@pytest.mark.parametrize("crashes", [0, 1])
def test_those_who_listen_to_the_signals_of_tasks_hear_of_each(backend: Any, crashes: int) -> None:
    """Of the end only once: an attempt whose process was killed is none of those that may fail."""
    from tests.outbox import django_tasks
    from upnext.django import relay
    from upnext.django.tasks import task_enqueued, task_finished, task_started

    async def crash(job_id: str) -> None:
        partition = (await broker_for(backend.worker.registry.settings)).partition(0)
        (queue,) = [partition.keys.queue(each) for each in backend.worker.registry.handlers]
        left = str(QueueEntry(job_id, attempt=1, crashes=1))
        assert await partition.link.command("LSET", queue, 0, left)

    heard: list[tuple[str, str, list[str]]] = []

    def listen(sender: object, task_result: Any, **_: object) -> None:
        errors = [each.exception_class_path for each in task_result.errors]
        heard.append((task_result.task.name, str(task_result.status), errors))

    signals = (task_enqueued, task_started, task_finished)
    for signal_of_tasks in signals:
        signal_of_tasks.connect(listen)
    try:
        result = backend.enqueue(django_tasks.fails, [], {})
        if crashes:
            relay(backend.worker).send_all_sync()
            asyncio.run(crash(result.id))
        (error,) = run_tasks(backend, result)
    finally:
        for signal_of_tasks in signals:
            signal_of_tasks.disconnect(listen)
    assert isinstance(error, upnext.JobFailedError)
    running_twice = [("fails", "RUNNING", [])] * 2
    assert heard == [("fails", "READY", []), *running_twice, ("fails", "FAILED", ["builtins.LookupError"])]


def test_a_listener_that_raises_neither_hides_a_send_nor_runs_a_task_again(
    backend: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from tests.outbox import django_tasks
    from upnext.django.tasks import task_enqueued, task_finished, task_started

    def listen(**_: object) -> None:
        raise ZeroDivisionError("the listener")

    django_tasks.seen.clear()
    signals = (task_enqueued, task_started, task_finished)
    for signal_of_tasks in signals:
        signal_of_tasks.connect(listen)
    try:
        results = run_tasks(backend, backend.enqueue(django_tasks.add, [40], {}))
    finally:
        for signal_of_tasks in signals:
            signal_of_tasks.disconnect(listen)
    assert (results, django_tasks.seen) == ([41], [41])
    assert len([one for one in caplog.records if one.name == "django.dispatch"]) == 3


def test_what_ends_a_task_is_kept_whatever_it_is(backend: Any) -> None:
    """What is not an `Exception`, which the runtime takes for a failure like any other, and what no retry can mend."""
    from tests.outbox import django_tasks
    from upnext.django.tasks import task_finished

    heard: list[str] = []

    def listen(sender: object, task_result: Any, **_: object) -> None:
        heard.extend(each.exception_class_path for each in task_result.errors)

    task_finished.connect(listen)
    try:
        for task, error in ((django_tasks.exits, "SystemExit"), (django_tasks.misconfigured, "ImproperlyConfigured")):
            result = backend.enqueue(task, [], {})
            run_tasks(backend, result)
            (kept,) = backend.get_result(result.id).errors
            assert kept.exception_class_path.endswith(f".{error}")
    finally:
        task_finished.disconnect(listen)
    assert heard == ["builtins.SystemExit", "django.core.exceptions.ImproperlyConfigured"]


def test_a_task_runs_after_a_moment_and_without_the_outbox_at_once(worker: upnext.Worker) -> None:
    from django.utils import timezone

    from tests.outbox import django_tasks
    from upnext.django.models import OutboxRow
    from upnext.django.tasks import UpnextBackend

    backend = UpnextBackend("plain", {})
    later = timezone.now() + timedelta(hours=1)
    result = backend.enqueue(django_tasks.add.using(run_after=later), [1], {})
    assert upnext.Job.of(result.id, worker=backend.worker).state_sync() == "open"
    assert not OutboxRow.objects.exists()
    assert asyncio.run(delayed(backend.worker)) == 1


async def delayed(worker: upnext.Worker) -> int:
    status = await (await broker_for(worker.registry.settings)).status_reader.read()
    return sum(queue.delayed for queue in status.queues)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"OPTIONS": {"outbx": True}}, r"TASKS\['default'\]\['OPTIONS'\] has 'outbx', which is none of worker, outbox"),
        ({"OPTIONS": {"retries": -1}}, r"TASKS\['default'\] cannot be used: Option retries=-1"),
        ({"QUEUES": ["no spaces"]}, r"TASKS\['default'\] cannot be used: .*no spaces"),
    ],
)
def test_what_a_backend_cannot_use_is_refused(site: str, params: dict[str, Any], message: str) -> None:
    from django.core.exceptions import ImproperlyConfigured

    from upnext.django.tasks import UpnextBackend

    with pytest.raises(ImproperlyConfigured, match=message):
        UpnextBackend("default", params)


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
from django.db.backends.signals import connection_created

wrappers = set()
connection_created.connect(lambda connection, **_: wrappers.add(connection), weak=False)

worker = upnext.Worker("reports", concurrency=3)

def query():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid(), pg_sleep(0.005)")
        pid, _ = cursor.fetchone()
    return pid, sum(each.connection is not None for each in list(wrappers))

@worker.task(retries=5, retry_delay=0.05)
def report() -> tuple[int, int]:
    return query()

@worker.task(retries=5, retry_delay=0.05)
async def report_async() -> tuple[int, int]:
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
    worker = upnext.Worker("reports", redis_url=valkey_url)

    @worker.task
    def report() -> tuple[int, int]:
        return 0, 0

    @worker.task
    async def report_async() -> tuple[int, int]:
        return 0, 0

    async def run(task: Any, times: int) -> list[tuple[int, int]]:
        jobs = [await task.submit() for _ in range(times)]
        return [await job.result(timeout=30) for job in jobs]

    with service.process(), psycopg.connect(address, autocommit=True) as database:
        kept = {pid for pid, _ in await run(report_async, 5)}
        first = await run(report, 60)
        assert len(kept) == 1, "the thread of async code keeps its connection"
        database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", [name])
        again = await run(report_async, 5)
        assert kept.isdisjoint(pid for pid, _ in again)
        assert 1 <= max(count for _, count in first + again + await run(report, 60)) <= 4
