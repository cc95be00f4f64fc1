"""Spans, metrics and log events as OpenTelemetry's conventions for messaging have them, read from the real SDK."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.log_format import JsonFormatter
from upnext.telemetry.otel import OpenTelemetry

SCHEMA = "https://opentelemetry.io/schemas/1.44.0"


@dataclass
class Telemetry:
    """What was recorded."""

    spans: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    metrics: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)
    logs: InMemoryLogRecordExporter = field(default_factory=InMemoryLogRecordExporter)

    def __post_init__(self) -> None:
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.meters = MeterProvider([self.metrics])
        self.loggers = LoggerProvider()
        self.loggers.add_log_record_processor(SimpleLogRecordProcessor(self.logs))

    def hooks(self, *, parent: bool) -> OpenTelemetry:
        return OpenTelemetry(
            parent=parent, tracer_provider=self.tracers, meter_provider=self.meters, logger_provider=self.loggers
        )

    def named(self, name: str) -> list[ReadableSpan]:
        found = [span for span in self.spans.get_finished_spans() if span.name == name]
        return sorted(found, key=lambda span: str(attributes(span).get("messaging.destination.subscription.name")))

    def points(self) -> dict[str, list[Any]]:
        read = self.metrics.get_metrics_data()
        assert read is not None
        (resource,) = read.resource_metrics
        (scope,) = resource.scope_metrics
        assert (scope.scope.name, scope.scope.version, scope.schema_url) == ("upnext", upnext.__version__, SCHEMA)
        return {metric.name: list(metric.data.data_points) for metric in scope.metrics}


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def trace_of(span: ReadableSpan) -> int:
    return span.get_span_context().trace_id


def identity(span: trace.SpanContext | None) -> tuple[int, int] | None:
    return None if span is None else (span.trace_id, span.span_id)


@pytest.fixture(params=[True, False], ids=["parent", "links"])
def parent(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def telemetry(*, parent: bool) -> Iterator[Telemetry]:
    telemetry = Telemetry()
    hooks = telemetry.hooks(parent=parent)
    upnext.add_hooks(hooks)
    yield telemetry
    upnext.remove_hooks(hooks)


async def test_one_request_is_one_trace_over_three_handlers_to_a_nested_send(
    telemetry: Telemetry, valkey_url: str, *, parent: bool
) -> None:
    """As parents: with links, each attempt begins a trace of its own, whose link leads back."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    placed, paid = worker.event("order.placed"), worker.event("order.paid")
    seen: dict[str, Any] = {}

    @placed.on
    async def confirm(n: int) -> None:
        seen["baggage"] = baggage.get_baggage("tenant")

    @placed.on
    def reserve(n: int) -> None:
        seen["in thread"] = trace.get_current_span().get_span_context().trace_id

    @placed.on
    async def bill(n: int) -> None:
        await paid.send(n=n)

    @paid.on
    async def book(n: int) -> None: ...

    api = upnext.Api("shop-api")
    tracer = telemetry.tracers.get_tracer("http")

    @api.post("/orders")
    async def place(n: int) -> dict[str, str]:
        with tracer.start_as_current_span("POST /orders", kind=SpanKind.SERVER):
            context.attach(baggage.set_baggage("tenant", "acme"))
            receipt = await placed.send(n=n)
        await receipt.results(timeout=20)
        return {"event": receipt.event_id}

    async with (
        running(worker),
        httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://shop") as client,
    ):
        answer = await client.post("/orders", params={"n": 1})
        await wait_until_async(lambda: telemetry.named("process order.paid"))
    (request,), (send,), (nested,) = map(telemetry.named, ("POST /orders", "send order.placed", "send order.paid"))
    jobs, (last,) = telemetry.named("process order.placed"), telemetry.named("process order.paid")
    names = [attributes(span)["messaging.destination.subscription.name"] for span in jobs]
    assert names == ["bill", "confirm", "reserve"]
    bill_span, _, reserve_span = jobs
    assert send.parent == request.get_span_context()
    assert nested.parent == bill_span.get_span_context()
    for span, origin in [*((job, send) for job in jobs), (last, nested)]:
        assert [identity(link.context) for link in span.links] == [identity(origin.get_span_context())]
        assert identity(span.parent) == (identity(origin.get_span_context()) if parent else None)
    traces = {trace_of(span) for span in (request, send, nested, *jobs, last)}
    assert len(traces) == (1 if parent else 5)
    assert seen == {"baggage": "acme", "in thread": trace_of(reserve_span)}
    root = answer.json()["event"]
    conversations = {attributes(span)["messaging.message.conversation_id"] for span in (send, nested, *jobs, last)}
    assert conversations == {root}


async def test_spans_and_metrics_have_the_names_and_attributes_of_the_conventions(
    telemetry: Telemetry, valkey_url: str
) -> None:
    """All of them, and no others; nothing of the payload."""
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.event("order.placed").on
    async def confirm(secret: str) -> None: ...

    async with running(worker):
        receipt = await worker.event("order.placed").send(secret="hunter2")
        await receipt.results(timeout=20)
        await wait_until_async(lambda: telemetry.named("process order.placed"))
    (send,), (process,) = telemetry.named("send order.placed"), telemetry.named("process order.placed")
    common = {"messaging.system": "upnext", "messaging.destination.name": "order.placed"}
    server = {"server.address": valkey_url.removeprefix("unix://")}
    assert (send.kind, send.status.status_code) == (SpanKind.PRODUCER, StatusCode.UNSET)
    assert attributes(send) == {
        **common,
        **server,
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.message.id": receipt.event_id,
        "messaging.message.conversation_id": receipt.event_id,
        "messaging.destination.partition.id": "0",
    }
    process_labels = {
        **common,
        **server,
        "messaging.operation.name": "process",
        "messaging.destination.subscription.name": "confirm",
        "messaging.destination.partition.id": "0",
    }
    assert (process.kind, process.status.status_code) == (SpanKind.CONSUMER, StatusCode.UNSET)
    assert attributes(process) == {
        **process_labels,
        "messaging.operation.type": "process",
        "messaging.message.id": receipt.event_id,
        "messaging.message.conversation_id": receipt.event_id,
        "messaging.upnext.job.id": receipt.jobs[0].id,
        "messaging.upnext.attempt": 1,
        "messaging.upnext.outcome": "done",
    }
    for span in (send, process):
        assert span.instrumentation_scope is not None
        assert (span.instrumentation_scope.name, span.instrumentation_scope.schema_url) == ("upnext", SCHEMA)
    points = telemetry.points()
    assert set(points) == {
        "messaging.client.operation.duration",
        "messaging.process.duration",
        "messaging.client.sent.messages",
        "messaging.client.consumed.messages",
    }
    for name in ("messaging.process.duration", "messaging.client.consumed.messages"):
        (point,) = points[name]
        assert dict(point.attributes) == process_labels
    for name in ("messaging.client.operation.duration", "messaging.client.sent.messages"):
        (point,) = points[name]
        assert dict(point.attributes) == {**common, **server, "messaging.operation.name": "send"}
    bounds = points["messaging.process.duration"][0].explicit_bounds
    assert tuple(bounds) == (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
    assert telemetry.logs.get_finished_logs() == ()


class UnreadableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no message")


async def test_an_attempt_that_fails_is_an_error_with_its_type_and_a_log_event(
    telemetry: Telemetry, valkey_url: str
) -> None:
    """Each attempt is a span; one that the handler discards is none."""
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.event("order.placed").on(retries=2, retry_delay=0)
    async def confirm() -> None:
        attempt = upnext.get_current_context().attempt
        raise [ConnectionResetError("away" * 1_000_000), UnreadableError(), upnext.Discard()][attempt - 1]

    async with running(worker):
        with pytest.raises(upnext.UpnextError):
            await (await worker.event("order.placed").send()).results(timeout=20)
        await wait_until_async(lambda: len(telemetry.named("process order.placed")) == 3)
    spans = {attributes(span)["messaging.upnext.attempt"]: span for span in telemetry.named("process order.placed")}
    assert spans[1].status.status_code is StatusCode.ERROR
    assert attributes(spans[1])["error.type"] == "ConnectionResetError"
    assert attributes(spans[1])["messaging.upnext.outcome"] == "failed"
    assert spans[3].status.status_code is StatusCode.UNSET
    assert attributes(spans[3])["messaging.upnext.outcome"] == "discarded"
    errors = [dict(point.attributes).get("error.type") for point in telemetry.points()["messaging.process.duration"]]
    unreadable = f"{__name__}.UnreadableError"
    assert sorted(errors, key=str) == ["ConnectionResetError", None, unreadable]
    event, second = [data.log_record for data in telemetry.logs.get_finished_logs()]
    assert (event.event_name, event.severity_number.value) == ("messaging.process.exception", 17)
    assert event.attributes["exception.type"] == "ConnectionResetError"
    assert event.attributes["exception.message"].startswith("awayaway")
    assert "ConnectionResetError: awayaway" in event.attributes["exception.stacktrace"]
    assert "in confirm" in event.attributes["exception.stacktrace"]
    assert sum(map(len, event.attributes.values())) < 20_000, "an exporter drops whole batches that are too large"
    assert event.span_id == spans[1].get_span_context().span_id
    assert second.attributes["exception.type"] == unreadable
    assert second.attributes["exception.message"] == "(its message cannot be read)"


async def test_a_send_that_is_not_stored_is_an_error(telemetry: Telemetry) -> None:
    """With the address that was tried, and without a password."""
    worker = upnext.Worker("shop", redis_url="redis://:hunter2@127.0.0.1:1")

    @worker.event("order.placed").on
    async def confirm() -> None: ...

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UPNEXT_SEND_DEADLINE", "1")
        with pytest.raises(upnext.BrokerUnavailableError):
            await worker.event("order.placed").send()
    (send,) = telemetry.named("send order.placed")
    assert send.status.status_code is StatusCode.ERROR
    assert attributes(send)["error.type"] == "upnext.errors.BrokerUnavailableError"
    assert (attributes(send)["server.address"], attributes(send)["server.port"]) == ("127.0.0.1", 1)
    (data,) = telemetry.logs.get_finished_logs()
    assert (data.log_record.event_name, data.log_record.severity_number.value) == ("messaging.send.exception", 13)
    assert "hunter2" not in send.to_json() + data.to_json()


async def test_a_line_of_the_log_in_json_has_the_span_that_it_was_written_in(
    telemetry: Telemetry, valkey_url: str
) -> None:
    """And its job."""
    worker, lines = upnext.Worker("shop", redis_url=valkey_url), list[dict[str, Any]]()

    @worker.event("order.placed").on
    async def confirm() -> None:
        record = logging.makeLogRecord({"name": "shop", "msg": "sold %s", "args": ("\udc80",), "extra": object})
        lines.append(json.loads(JsonFormatter().format(record)))

    async with running(worker):
        receipt = await worker.event("order.placed").send()
        await receipt.results(timeout=20)
        await wait_until_async(lambda: telemetry.named("process order.placed"))
    ((process,), (line,)) = telemetry.named("process order.placed"), lines
    found = process.get_span_context()
    assert (line["trace_id"], line["span_id"]) == (f"{found.trace_id:032x}", f"{found.span_id:016x}")
    assert (line["job_id"], line["message"]) == (receipt.jobs[0].id, "sold \\udc80")
    assert line["extra"] == repr(object)


async def test_baggage_that_is_too_large_is_left_at_home(telemetry: Telemetry, valkey_url: str) -> None:
    """The context travels all the same."""
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.task
    async def report() -> object:
        return baggage.get_baggage("large")

    token = context.attach(baggage.set_baggage("large", "x" * 4090))
    try:
        async with running(worker):
            assert await (await report.submit()).result(timeout=20) is None
            await wait_until_async(lambda: telemetry.named("process report"))
    finally:
        context.detach(token)
    (send,), (process,) = telemetry.named("send report"), telemetry.named("process report")
    assert [identity(link.context) for link in process.links] == [identity(send.get_span_context())]


def test_a_send_from_a_thread_is_a_child_of_what_is_current_there(telemetry: Telemetry, valkey_url: str) -> None:
    """`send_sync` takes the context along."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    with telemetry.tracers.get_tracer("shell").start_as_current_span("shell") as shell:
        worker.event("order.placed").send_sync()
    (send,) = telemetry.named("send order.placed")
    assert send.parent == shell.get_span_context()


def test_without_the_library_it_is_said_what_to_install() -> None:
    """Nothing else of upnext needs it."""
    code = (
        "import sys\n"
        "sys.modules['opentelemetry'] = None\n"
        "import upnext; upnext.Worker('shop'); upnext.add_hooks()\n"
        "try:\n    import upnext.telemetry.otel\nexcept ModuleNotFoundError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "This needs OpenTelemetry: pip install 'upnext[otel]'\n"


def test_the_module_is_loaded_by_nothing_else() -> None:
    """Tracing that is not asked for costs nothing."""
    code = "import upnext, sys; upnext.Worker('shop'); upnext.run; print('upnext.telemetry.otel' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


async def test_the_record_of_a_failed_attempt_has_the_span_of_that_attempt(
    telemetry: Telemetry,  # it is used
    valkey_url: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the same form as the lines of its handler: of a retry, a dead letter, and a job that is discarded."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    placed, lines = worker.event("order.placed"), list[dict[str, Any]]()

    @placed.on(retries=1, retry_delay=0.01)
    async def fail(order_id: int) -> None:
        logging.getLogger("upnext").info("in the handler")
        raise ValueError if order_id else upnext.Discard

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(JsonFormatter().format(record)))

    logger, noted = logging.getLogger("upnext"), Lines()
    monkeypatch.setattr(logger, "handlers", [noted])
    caplog.set_level(logging.INFO, "upnext")
    async with running(worker):
        for order_id in (1, 0):
            with pytest.raises((upnext.JobFailedError, upnext.JobDiscardedError)):
                await (await placed.send(order_id=order_id)).results(timeout=20)
    inside = [(line["trace_id"], line["span_id"]) for line in lines if line["message"] == "in the handler"]
    about = [(line.get("trace_id"), line.get("span_id")) for line in lines if line["message"].startswith("Handler ")]
    assert len(set(inside)) == 3, "two attempts, and the one that is discarded"
    assert about == inside
