"""The log of `upnext run`: lines for people, or one JSON object per line for a log store."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Any

from upnext.context import current_job
from upnext.errors import ConfigError
from upnext.log_values import as_json, shown

_TEXT = "%(asctime)s %(levelname)-7s %(message)s"
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_JOB = ("job_id", "event_id", "event", "handler", "attempt")


def configure_logging() -> None:
    """Log to standard error in the form that UPNEXT_LOG names, unless the process already logs somewhere.

    Raises:
        ConfigError: If it names another form than `text` or `json`.
    """
    form = os.environ.get("UPNEXT_LOG") or "text"
    if form not in {"text", "json"}:
        raise ConfigError(f"UPNEXT_LOG={form!r} cannot be used: it must be text or json.")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON.

    Its keys are `time` (UTC), `level`, `logger` and `message`, whatever the record was given as `extra`, the job that
    it was logged in (`job_id`, `event_id`, `event`, `handler`, `attempt`), the span that was current (`trace_id`,
    `span_id`), and `exception` with its traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write it."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD and name not in line}
        job = current_job.get()
        if job is not None:
            context = job.context()
            line = {**{name: getattr(context, name) for name in _JOB}, **line}
        line |= _span()
        trace = record.exc_text or (self.formatException(record.exc_info) if record.exc_info else "")
        if trace:
            line["exception"] = trace
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(as_json(line))


def _message(record: logging.LogRecord) -> str:
    """Return the message; arguments that do not fit, or cannot be shown, only cost their own part of it."""
    try:
        return record.getMessage()
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  # a user's object may raise anything
        message = shown(record.msg, str)
        return f"{message} (arguments that cannot be formatted: {shown(record.args)})" if record.args else message


def _span() -> dict[str, str]:
    """Return the ids of the current span; there is none unless OpenTelemetry is loaded."""
    trace = sys.modules.get("opentelemetry.trace")
    found = None if trace is None else trace.get_current_span().get_span_context()
    if found is None or not found.is_valid:
        return {}
    return {"trace_id": f"{found.trace_id:032x}", "span_id": f"{found.span_id:016x}"}
