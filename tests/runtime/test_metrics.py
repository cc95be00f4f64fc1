"""What Prometheus is told: of its jobs by a process, of a namespace by the exporter; and the files that go with it."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

import upnext
from tests.runtime.running import ServiceFile, running
from tests.servers import Server, free_port, valkey_binary
from tests.waiting import wait_until, wait_until_async
from upnext.broker.claims import Claim
from upnext.broker.job_ids import new_event_id
from upnext.broker.outbox_reports import OutboxReports
from upnext.cli import main
from upnext.connect import broker_for
from upnext.instruments import JobEnd, begin_job, watching_jobs
from upnext.outbox.backlog import RelayReading
from upnext.outbox.row import OutboxBacklog
from upnext.runner.readiness_probe import answering
from upnext.telemetry.process_metrics import process_metrics

ROOT = Path(__file__).parents[2]
Samples = dict[str, float]


def samples(text: str) -> Samples:
    """Return each sample as `name{label=value,...}`."""
    return {
        f"{sample.name}{{{','.join(f'{name}={value}' for name, value in sorted(sample.labels.items()))}}}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def shop(url: str) -> upnext.Worker:
    worker = upnext.Worker("shop", redis_url=url, concurrency=7)

    @worker.event("order.placed").on(limit=7, rate="1000/day")
    async def confirm(n: int) -> None:
        if n == 2:
            raise ValueError("no")

    @worker.event("order.placed").on(name="slow", timeout=0.05)
    async def slow(n: int) -> None:
        await asyncio.sleep(0 if n == 1 else 60)

    return worker


async def test_a_process_counts_its_jobs_by_handler_and_outcome(valkey_url: str) -> None:
    """And says how many slots it has, and that it is ready; what it has counted stays until it ends."""
    worker = shop(valkey_url)
    async with running(worker) as service:
        with process_metrics(service.readings) as scrape:
            before = samples(scrape().decode())
            for n in (1, 2):
                receipt = await worker.event("order.placed").send(n=n)
                await asyncio.gather(*(_settled(job) for job in receipt.jobs))
            await wait_until_async(lambda: samples(scrape().decode())["upnext_slots_free{worker=shop}"] == 7)
            after = samples(scrape().decode())

    def grown(name: str) -> float:
        return after.get(name, 0.0) - before.get(name, 0.0)

    of = {name: f"event=order.placed,handler={name}" for name in ("confirm", "slow")}
    assert grown(f"upnext_jobs_started_total{{{of['confirm']}}}") == 2
    assert grown(f"upnext_jobs_total{{{of['confirm']},outcome=done}}") == 1
    assert grown(f"upnext_jobs_total{{{of['confirm']},outcome=failed}}") == 1
    assert grown(f"upnext_jobs_total{{{of['slow']},outcome=timeout}}") == 1
    assert grown(f"upnext_job_duration_seconds_count{{{of['slow']}}}") == 2
    assert grown(f"upnext_job_wait_seconds_count{{{of['confirm']}}}") == 2
    assert after[f"upnext_jobs_in_progress{{{of['confirm']}}}"] == 0
    assert after["upnext_slots{worker=shop}"] == 7
    assert after["upnext_ready{worker=shop}"] == 1
    assert after["upnext_last_claim_timestamp_seconds{worker=shop}"] > 1.7e9
    assert after["upnext_lease_renewal_failures_total{worker=shop}"] == 0
    assert after[f"upnext_build_info{{version={upnext.__version__}}}"] == 1


def test_an_attempt_that_does_not_begin_after_all_took_no_time(valkey_url: str) -> None:
    """Its lease was lost in between: it is counted as released."""
    (handler, *_) = shop(valkey_url).registry.handlers.values()
    of = f"event={handler.subject},handler={handler.name}"
    with process_metrics(lambda: ()) as scrape:
        before = samples(scrape().decode())
        end = begin_job(Claim(handler.id, f"{new_event_id()}.0", "1:0:0", True, None), handler)
        assert end is not None
        end(None)
        after = samples(scrape().decode())
    for name, grown in (
        (f"upnext_jobs_total{{{of},outcome=released}}", 1),
        (f"upnext_job_duration_seconds_count{{{of}}}", 0),
    ):
        assert after.get(name, 0) - before.get(name, 0) == grown


async def test_two_services_of_one_process_are_counted_once_and_together(valkey_url: str) -> None:
    """Until the last of them ends."""
    first, second = upnext.Worker("first", redis_url=valkey_url), upnext.Worker("second", redis_url=valkey_url)

    @first.task(name="counted")
    async def counted() -> None: ...

    started = "upnext_jobs_started_total{event=counted,handler=counted}"
    async with running(first) as one, running(second) as other:
        with process_metrics(one.readings) as scrape:
            with process_metrics(other.readings):
                await counted.wait()
                found = samples(scrape().decode())
                assert {name for name in found if name.startswith("upnext_ready")} == {
                    "upnext_ready{worker=first}",
                    "upnext_ready{worker=second}",
                }
                assert found[started] == 1
            await counted.wait()
            found = samples(scrape().decode())
            assert (found[started], "upnext_ready{worker=second}" in found) == (2, False)
        await counted.wait()
        assert samples(scrape().decode())[started] == 2


async def test_what_goes_by_one_name_in_a_process_is_one_series(valkey_url: str) -> None:
    """Prometheus drops a sample that another one of the same scrape contradicts, without a word to who reads it."""
    workers = [upnext.Worker("shop", redis_url=valkey_url, concurrency=n) for n in (3, 4)]
    readings = [
        RelayReading("a table", OutboxBacklog(waiting=2, set_aside=0, oldest=time.time() - 100), ""),
        RelayReading("a table", None, "its database fails"),
        RelayReading("a table", OutboxBacklog(waiting=1, set_aside=1, oldest=None), ""),
    ]
    async with running(*workers) as service:
        with process_metrics(service.readings, lambda: readings) as scrape:
            await wait_until_async(lambda: samples(scrape().decode())["upnext_ready{worker=shop}"] == 1)
            names = [line.rpartition(" ")[0] for line in scrape().decode().splitlines() if not line.startswith("#")]
            found = samples(scrape().decode())
    assert sorted(set(names)) == sorted(names)
    assert (found["upnext_slots{worker=shop}"], found["upnext_slots_free{worker=shop}"]) == (7, 7)
    of = "{outbox=a table}"
    assert (found[f"upnext_outbox_rows_waiting{of}"], found[f"upnext_outbox_rows_set_aside{of}"]) == (2, 1)
    assert 100 <= found[f"upnext_outbox_oldest_waiting_seconds{of}"] < 300
    assert found[f"upnext_outbox_relay_up{of}"] == 0, "one of its relays sends nothing"


async def _settled(job: upnext.Job[object]) -> None:
    with suppress(upnext.JobFailedError):
        await job.result(timeout=20)


def test_the_probe_port_of_a_process_has_metrics_and_both_states(valkey_url: str, tmp_path: Path) -> None:
    """Also what the application counts itself; the log is JSON, with the job that a line was logged in."""
    port = free_port()
    body = """
        import logging
        from prometheus_client import Counter
        worker = upnext.Worker("shop")
        SOLD = Counter("shop_sold", "Sold.")

        @worker.event("order.placed").on
        async def confirm(n: int) -> None:
            SOLD.inc()
            logging.getLogger("shop").warning("sold %d", n, extra={"n": n})
    """
    service = ServiceFile(tmp_path, valkey_url, body, UPNEXT_LOG="json")
    with service.process("--probe", str(port)) as process:
        wait_until(lambda: get(port, "/readyz") == (200, "ready\n"), timeout=60)
        assert get(port, "/livez") == (200, "alive\n")
        assert main(["send", "order.placed", "n:=3", "--unchecked", "--redis-url", valkey_url]) == 0
        ended = "upnext_jobs_total{event=order.placed,handler=confirm,outcome=done}"
        wait_until(lambda: samples(get(port, "/metrics")[1]).get(ended) == 1)
        assert samples(get(port, "/metrics")[1])["shop_sold_total{}"] == 1
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    lines = [json.loads(line) for line in err.splitlines()]
    assert {"time", "level", "logger", "message"} <= set.intersection(*map(set, lines))
    (sold,) = [line for line in lines if line["logger"] == "shop"]
    assert (sold["message"], sold["level"], sold["n"]) == ("sold 3", "warning", 3)
    assert (sold["event"], sold["handler"], sold["attempt"]) == ("order.placed", "confirm", 1)
    assert sold["job_id"].startswith(sold["event_id"])


def test_another_form_of_log_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything runs."""
    (tmp_path / "service.py").touch()
    monkeypatch.setenv("UPNEXT_LOG", "yaml")
    assert main(["run", str(tmp_path / "service.py")]) == 2
    assert "UPNEXT_LOG='yaml' cannot be used: it must be text or json." in capsys.readouterr().err


def test_without_the_library_the_probe_says_what_to_install() -> None:
    """The other paths answer as ever."""
    port = free_port()
    with answering(str(port), lambda: "no"):
        status, said = get(port, "/metrics")
        assert (status, "pip install 'upnext[prometheus]'" in said) == (501, True)
        assert get(port, "/anything?else") == (503, "no\n")


def test_metrics_of_an_application_that_raise_are_500_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The process goes on answering; HEAD says the same without a body."""

    def broken() -> bytes:
        raise ZeroDivisionError

    port = free_port()
    with answering(str(port), str, nullcontext(broken)):
        assert get(port, "/metrics?a=1") == (500, "this cannot be answered; the log says why\n")
        assert get(port, "/readyz") == (200, "ready\n")
        request = urllib.request.Request(f"http://127.0.0.1:{port}/readyz", method="HEAD")
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert (answer.status, answer.headers["Content-Length"], answer.read()) == (200, "6", b"")
    assert [record.getMessage() for record in caplog.records] == ["Cannot answer GET /metrics"]


async def test_an_instrument_that_raises_does_a_job_no_harm(valkey_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged; the job runs and ends."""

    class Broken:
        def begin(self, claim: object, handler: object) -> JobEnd:
            if handler.name == "slow":  # type: ignore[attr-defined]
                raise RuntimeError("begin")

            def end(outcome: object) -> None:
                raise RuntimeError("end")

            return end

    worker = shop(valkey_url)
    async with running(worker):
        with watching_jobs(Broken()):
            receipt = await worker.event("order.placed").send(n=1)
            assert await receipt.results(timeout=20) == {"confirm": None, "slow": None}
    said = [record.getMessage() for record in caplog.records]
    assert len([line for line in said if line.startswith("An instrument could not note the beginning of job")]) == 1
    assert len([line for line in said if line.startswith("An instrument could not note the end of job")]) == 1


@contextmanager
def exporter(*words: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    port = free_port()
    command = [sys.executable, "-m", "upnext", "exporter", "--listen", str(port), *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: get(port, "/livez")[0] == 200, timeout=60)
            yield process, port
        finally:
            process.terminate()
            process.wait(timeout=60)


async def test_the_exporter_says_what_waits_is_delayed_and_is_dead(
    valkey_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By handler, with the age of the oldest; `--once` prints the same."""
    worker = shop(valkey_url)
    async with running(worker):
        with pytest.raises(upnext.JobFailedError):
            await (await worker.event("order.placed").send(n=2)).results(timeout=20)
    for _ in range(3):
        await worker.event("order.placed").send(n=1)
    await worker.event("order.placed").options(delay=100).send(n=1)
    await worker.event("order.lost").send(n=1)
    assert await asyncio.to_thread(main, ["exporter", "--once", "--redis-url", valkey_url]) == 0
    found = samples(capsys.readouterr().out)
    of = "event=order.placed,handler=confirm"
    assert found["upnext_up{}"] == 1
    assert found["upnext_dead_letters{}"] == 2
    assert found["upnext_jobs_later{}"] == 2
    assert found[f"upnext_jobs_waiting{{{of}}}"] == 3
    assert found[f"upnext_jobs_delayed{{{of}}}"] == 1
    assert found[f"upnext_jobs_retrying{{{of}}}"] == 0
    assert found[f"upnext_jobs_parked{{{of}}}"] == 4
    assert found[f"upnext_handler_paused{{{of}}}"] == 0
    assert 0 <= found[f"upnext_oldest_waiting_seconds{{{of}}}"] < 300
    assert found["upnext_events_unrouted{event=order.lost}"] == 1


def test_the_exporter_outlives_its_server(tmp_path: Path) -> None:
    """It says that it is away, on standard error why, and goes on when it is back; SIGTERM ends it with exit code 0."""
    binary = valkey_binary()
    assert binary is not None
    with Server(binary, tmp_path, tcp=True) as server, exporter("--redis-url", server.url) as (process, port):
        assert samples(get(port, "/metrics")[1])["upnext_up{}"] == 1
        assert get(port, "/readyz")[0] == 200
        server.kill()
        assert samples(get(port, "/metrics")[1]) == {
            "upnext_up{}": 0,
            f"upnext_build_info{{version={upnext.__version__}}}": 1,
        }
        assert get(port, "/readyz")[0] == 503
        assert get(port, "/other")[0] == 404
        server.start()
        wait_until(lambda: samples(get(port, "/metrics")[1])["upnext_up{}"] == 1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
        assert process.stderr is not None
        assert "upnext: No answer from the server" in process.stderr.read()


def test_without_a_server_a_single_scrape_is_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    """It still says that the server is away."""
    assert main(["exporter", "--once", "--redis-url", "redis://127.0.0.1:1"]) == 3
    assert "upnext_up 0.0\n" in capsys.readouterr().out
    assert main(["exporter", "--listen", "x", "--redis-url", "redis://127.0.0.1:1"]) == 2
    assert "Option listen='x' cannot be used" in capsys.readouterr().err


NAME = re.compile(r"\b(?:upnext|messaging)_[a-z_]+\b")


def used_in(path: Path) -> set[str]:
    """Return the metrics that a file's expressions name."""
    if path.suffix == ".json":
        board = json.loads(path.read_text())
        expressions = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
        expressions += [each["query"] for each in board["templating"]["list"] if isinstance(each.get("query"), str)]
    else:
        groups = yaml.safe_load(path.read_text())["groups"]
        expressions = [rule["expr"] for group in groups for rule in group["rules"]]
    return {name for expression in expressions for name in NAME.findall(expression)}


@pytest.mark.parametrize("file", ["grafana.json", "alerts.yml"])
async def test_every_metric_of_the_dashboard_and_the_alerts_is_in_a_scrape(
    file: str, valkey_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a worker that ran a job, and of the exporter, beside an outbox."""
    worker = shop(valkey_url)
    worker.cron(every=timedelta(hours=1), name="tidy")(lambda: None)
    reports = OutboxReports((await broker_for(worker.registry.settings)).partition(0))
    await reports.write("a table", waiting=1, set_aside=0, age=5.0, again_in=10.0)
    async with running(worker) as service:
        with process_metrics(service.readings) as scrape:
            await (await worker.event("order.placed").send(n=1)).results(timeout=20)
            own = scrape().decode()
        await worker.event("order.lost").send(n=1)
        assert await asyncio.to_thread(main, ["exporter", "--once", "--redis-url", valkey_url]) == 0
    known = {name.partition("{")[0] for name in samples(own + "\n" + capsys.readouterr().out)}
    used = used_in(ROOT / "docs" / "monitoring" / file)
    assert used
    assert used - known == set()


def test_the_dashboard_has_what_grafana_imports_and_every_alert_says_what_to_do() -> None:
    """A panel a place, no id twice; each alert has a severity, a summary and a description."""
    board = json.loads((ROOT / "docs" / "monitoring" / "grafana.json").read_text())
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= set(board)
    places = [tuple(panel["gridPos"].values()) for panel in board["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    rules = yaml.safe_load((ROOT / "docs" / "monitoring" / "alerts.yml").read_text())["groups"][0]["rules"]
    for rule in rules:
        assert {"alert", "expr", "for", "labels", "annotations"} == set(rule)
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in {"page", "ticket"}
