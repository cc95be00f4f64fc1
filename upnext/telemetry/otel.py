"""Spans and metrics of sends and jobs for OpenTelemetry, by its conventions for messaging (1.44).

A send is a span of kind PRODUCER, whose context travels in the headers of the event; each attempt of each of its jobs
is a span of kind CONSUMER that links to it, or is its child. Spans never contain payloads.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from upnext import __version__
from upnext.broker.job_ids import partition_of
from upnext.failure_report import message, report
from upnext.hooks import MAX_HEADERS, HookedJob, HookedSend, Hooks

try:
    from opentelemetry import context, metrics, propagate, trace
    from opentelemetry._logs import LogRecord, SeverityNumber, get_logger
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("This needs OpenTelemetry: pip install 'upnext[otel]'", name=error.name) from error

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider

_SCHEMA = "https://opentelemetry.io/schemas/1.44.0"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_CONVERSATION = "upnext-conversation"
"""The header that holds the id of the event that everything began with."""

_FAILED = frozenset({"failed", "timeout", "payload"})

_conversation: ContextVar[str] = ContextVar("upnext_conversation", default="")


class OpenTelemetry(Hooks):
    """Traces and measures the sends and jobs of this process: `upnext.add_hooks(OpenTelemetry())`.

    Both the senders and the workers need it, as the context travels from the ones to the others.

    Args:
        parent: Whether an attempt belongs to the trace of its send, as a child of it. By default it begins a trace of
            its own that links to the send, as the conventions have it: one event may have many jobs, much later.
        tracer_provider: Where spans go; by default to the process's provider, as for the other two.
        meter_provider: Where metrics go.
        logger_provider: Where exceptions go, as log events.
    """

    def __init__(
        self,
        *,
        parent: bool = False,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
    ) -> None:
        self._parent = parent
        self._tracer = trace.get_tracer("upnext", __version__, tracer_provider, _SCHEMA)
        self._logger = get_logger("upnext", __version__, logger_provider, _SCHEMA)
        meter = metrics.get_meter("upnext", __version__, meter_provider, _SCHEMA)
        self._operation = meter.create_histogram(
            "messaging.client.operation.duration",
            "s",
            "Time that sends took.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self._process = meter.create_histogram(
            "messaging.process.duration", "s", "Time that attempts took.", explicit_bucket_boundaries_advisory=_BUCKETS
        )
        self._sent = meter.create_counter("messaging.client.sent.messages", "{message}", "Sends.")
        self._consumed = meter.create_counter("messaging.client.consumed.messages", "{message}", "Attempts.")

    @asynccontextmanager
    async def around_send(self, send: HookedSend, /) -> AsyncGenerator[None]:
        """Put a span and metrics around a send, and attach its context to the event."""
        labels: dict[str, str | int] = {**_labels("send", send.name), **_server(send.server)}
        attributes, conversation = {**labels, "messaging.operation.type": "send"}, _conversation.get()
        if conversation:
            attributes["messaging.message.conversation_id"] = conversation
        began = time.perf_counter()
        with self._tracer.start_as_current_span(
            f"send {send.name}",
            kind=SpanKind.PRODUCER,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            _inject(send.headers, conversation)
            try:
                yield
            except BaseException as raised:
                labels["error.type"] = self._note(span, raised, "messaging.send.exception", SeverityNumber.WARN)
                raise
            else:
                span.set_attribute("messaging.message.id", send.event_id)
                span.set_attribute("messaging.destination.partition.id", str(partition_of(send.event_id)))
                span.set_attribute("messaging.message.conversation_id", conversation or send.event_id)
            finally:
                self._operation.record(time.perf_counter() - began, labels)
                self._sent.add(1, labels)

    @asynccontextmanager
    async def around_job(self, job: HookedJob, /) -> AsyncGenerator[None]:
        """Put a span and metrics around an attempt, linked to the send."""
        labels: dict[str, str | int] = {
            **_labels("process", job.event),
            **_server(job.server),
            "messaging.destination.subscription.name": job.handler,
            "messaging.destination.partition.id": str(partition_of(job.event_id)),
        }
        conversation = job.headers.get(_CONVERSATION) or job.event_id
        attributes = {
            **labels,
            "messaging.operation.type": "process",
            "messaging.message.id": job.event_id,
            "messaging.message.conversation_id": conversation,
            "messaging.upnext.job.id": job.job_id,
            "messaging.upnext.attempt": job.attempt,
        }
        self._consumed.add(1, labels)
        origin, links = self._origin(job.headers)
        token, began = _conversation.set(conversation), time.perf_counter()
        attached = context.attach(origin)  # with what else it carries, such as baggage, for the handler
        try:
            with self._tracer.start_as_current_span(
                f"process {job.event}",
                kind=SpanKind.CONSUMER,
                attributes=attributes,
                links=links,
                record_exception=False,
                set_status_on_exception=False,
            ) as span:
                try:
                    yield
                except BaseException as raised:
                    if job.outcome in _FAILED:
                        event = "messaging.process.exception"
                        labels["error.type"] = self._note(span, raised, event, SeverityNumber.ERROR)
                    raise
                finally:
                    span.set_attribute("messaging.upnext.outcome", job.outcome)
                    self._process.record(time.perf_counter() - began, labels)
        finally:
            context.detach(attached)
            _conversation.reset(token)

    def _origin(self, headers: dict[str, str]) -> tuple[Context, list[Link]]:
        """Return the context in which an attempt begins, and the links to its send."""
        found = propagate.extract(headers, Context())
        sent = trace.get_current_span(found).get_span_context()
        if not self._parent:
            found = trace.set_span_in_context(trace.INVALID_SPAN, found)
        return found, [Link(sent)] if sent.is_valid else []

    def _note(self, span: Span, raised: BaseException, event: str, severity: SeverityNumber) -> str:
        """Record an error in the span and as a log event; return its type."""
        kind = type(raised)
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        span.set_attribute("error.type", name)
        span.set_status(Status(StatusCode.ERROR))
        # Both are bounded: an exporter drops a batch that is too large, with the spans of others in it.
        attributes = {
            "exception.type": name,
            "exception.message": message(raised),
            "exception.stacktrace": report(raised).full_traceback,
        }
        self._logger.emit(LogRecord(event_name=event, severity_number=severity, attributes=attributes))
        return name


def _inject(headers: dict[str, str], conversation: str) -> None:
    """Inject the context into the headers, as far as there is room: baggage can exceed their limit."""
    carrier: dict[str, str] = {_CONVERSATION: conversation} if conversation else {}
    propagate.inject(carrier)
    room = MAX_HEADERS - sum(len(name) + len(value) for name, value in headers.items())
    for name, value in sorted(carrier.items(), key=lambda pair: len(pair[1])):
        room -= len(name) + len(value)
        if room >= 0:
            headers[name] = value


@lru_cache(maxsize=10_000)
def _labels(operation: str, destination: str) -> dict[str, str]:
    return {
        "messaging.system": "upnext",
        "messaging.operation.name": operation,
        "messaging.destination.name": destination,
    }


@lru_cache(maxsize=100)
def _server(address: str) -> dict[str, str | int]:
    """Return the server's address, if known; of several nodes, the first one."""
    parts = urlsplit(address)
    if not parts.netloc:
        return {"server.address": parts.path} if parts.path else {}
    first = urlsplit(f"//{parts.netloc.rpartition('@')[2].partition(',')[0]}")
    return {"server.address": first.hostname or "", "server.port": first.port or 6379}
