"""What the server keeps of a Django task beside its job: its call, and its progress."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from upnext.broker.failures import SERVER_ERRORS, describe_failure
from upnext.broker.job_ids import partition_of, unpack
from upnext.connect import broker_for, run_blocking
from upnext.errors import BrokerError, ConfigError
from upnext.job_wait import check_id, outcomes_of
from upnext.log import log
from upnext.transport import is_diverted

if TYPE_CHECKING:
    from upnext.broker.broker import Broker
    from upnext.broker.results import JobOutcome
    from upnext.settings import Settings

_WHILE_OPEN = 24 * 3600
"""Seconds that it is kept at least while the job is open; the payload says what the task is after that."""


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task as its worker last recorded it; before that, as its payload describes it.

    Attributes:
        task: Where its function is, as Django writes it.
        args: Its arguments.
        kwargs: Those by keyword.
        started_at: When its last attempt began, in seconds since 1970; None before the first.
        finished_at: When its last attempt ended; None while it runs.
        worker_ids: Which process began it, once for each attempt.
        errors: What the last attempt raised, as class and traceback; empty if nothing.
    """

    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    started_at: float | None = None
    finished_at: float | None = None
    worker_ids: list[str] = field(default_factory=list[str])
    errors: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


_RECORD = TypeAdapter(TaskRecord)


def keep_record(settings: Settings, job_id: str, record: TaskRecord, *, is_last: bool) -> None:
    """Record the state of a task; if that fails, its job continues, and a line is logged.

    Args:
        settings: Where the server is.
        job_id: The task's job.
        record: What to keep.
        is_last: Whether its job ends now.
    """
    if is_diverted():  # a test keeps sends, and has no server
        return

    async def write() -> None:
        seconds = settings.result_ttl if is_last else max(settings.result_ttl, _WHILE_OPEN)
        partition = await _partition(settings, job_id)
        text = _RECORD.dump_json(record)
        await partition.link.command("SET", partition.keys.django_task(job_id), text, "EX", round(seconds) or 1)

    try:
        run_blocking(write())
    except (BrokerError, *SERVER_ERRORS) as error:
        log.warning("Cannot store the state of the Django task of job %s (%s)", job_id, describe_failure(error))


def read_record(settings: Settings, job_id: str) -> tuple[TaskRecord, JobOutcome] | None:
    """Return the record of a task and the state of its job; None if the server no longer knows it.

    Raises:
        BrokerError: If the server cannot answer, or rejects this client.
    """

    async def read() -> tuple[TaskRecord, JobOutcome] | None:
        event_id = check_id("a job", job_id).rpartition(".")[0]
        outcome = (await outcomes_of(settings, event_id, [job_id]))[1][job_id]
        partition = await _partition(settings, job_id)
        kept = await partition.link.command("GET", partition.keys.django_task(job_id))
        if kept is None:
            envelope = await partition.link.command("HGET", partition.keys.events, event_id)
            kept = None if envelope is None else unpack(envelope)
        record = None if kept is None else _parsed(kept)
        return None if record is None or outcome.state == "lost" else (record, outcome)

    try:
        return None if is_diverted() else run_blocking(read())
    except ConfigError:  # it is not an id of upnext
        return None


def payload_record(body: str) -> TaskRecord | None:
    """Read the payload of a task; None if it is something else."""
    return _parsed(body)


def _parsed(text: bytes | str) -> TaskRecord | None:
    try:
        return _RECORD.validate_json(text)
    except ValidationError:  # another job's, or another program's
        return None


async def _partition(settings: Settings, job_id: str) -> Broker:
    return (await broker_for(settings)).partition(partition_of(job_id))
