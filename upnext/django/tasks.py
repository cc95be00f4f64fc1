# Django has had tasks since version 6.
# pyright: reportMissingModuleSource=false
"""A backend for the tasks of Django 6 and django-tasks: they become jobs, through the outbox if configured."""

from __future__ import annotations

import json
import os
import socket
from datetime import UTC, datetime
from traceback import format_exception
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS
from django.utils import timezone
from django.utils.module_loading import import_string

from upnext.broker.job_ids import sent_at
from upnext.broker.results import JobOutcome, discard_reason, unkept_reason
from upnext.context import get_current_context
from upnext.django.outbox import outbox
from upnext.django.task_records import TaskRecord, keep_record, payload_record, read_record
from upnext.errors import ConfigError, JobDiscardedError, JobFailedError, ResultError
from upnext.job_control import Discard
from upnext.worker import Worker

if TYPE_CHECKING:
    from django.tasks import task_backends
    from django.tasks.backends.base import BaseTaskBackend
    from django.tasks.base import Task, TaskContext, TaskError, TaskResult, TaskResultStatus
    from django.tasks.exceptions import TaskResultDoesNotExist
    from django.tasks.signals import task_enqueued, task_finished, task_started
    from django.utils.json import normalize_json

    from upnext.context import Context
    from upnext.settings import Settings
    from upnext.task import Task as Queue
else:
    try:
        from django.tasks import task_backends
        from django.tasks.backends.base import BaseTaskBackend
        from django.tasks.base import Task, TaskContext, TaskError, TaskResult, TaskResultStatus
        from django.tasks.exceptions import TaskResultDoesNotExist
        from django.tasks.signals import task_enqueued, task_finished, task_started
        from django.utils.json import normalize_json
    except ImportError:
        from django_tasks import task_backends
        from django_tasks.backends.base import BaseTaskBackend
        from django_tasks.base import Task, TaskContext, TaskError, TaskResult, TaskResultStatus
        from django_tasks.exceptions import TaskResultDoesNotExist
        from django_tasks.signals import task_enqueued, task_finished, task_started
        from django_tasks.utils import normalize_json

__all__ = ["TaskResultDoesNotExist", "UpnextBackend", "task_backends", "task_enqueued", "task_finished", "task_started"]

P = ParamSpec("P")
T = TypeVar("T")

_OF_JOBS = ("retries", "retry_delay", "retry_backoff", "timeout")
_GIVEN_UP = ImproperlyConfigured
"""What no retry can mend."""


class UpnextBackend(BaseTaskBackend):
    """Stores each task as a job of the queue that it names; `manage.py upnext_worker` runs them.

    `OPTIONS` may have `worker` (the worker's name, by default `django.` and the alias), `outbox` (True: a task counts
    once the transaction that it was enqueued in has been committed), `using` (the database of the outbox), and
    `retries`, `retry_delay`, `retry_backoff` and `timeout` as handlers have them.

    Attributes:
        worker: The worker that runs the tasks, for files that `upnext run` is given.
    """

    supports_defer = True
    supports_async_task = True
    supports_get_result = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        given: dict[str, Any] = dict(self.options)
        name = given.pop("worker", f"django.{alias}")
        self._outbox: bool = given.pop("outbox", False)
        self._using: str = given.pop("using", DEFAULT_DB_ALIAS)
        unknown = sorted(set(given) - set(_OF_JOBS))
        if unknown:
            raise ImproperlyConfigured(
                f"TASKS[{alias!r}]['OPTIONS'] has {unknown[0]!r}, which is none of worker, outbox, using, "
                f"{', '.join(_OF_JOBS)}."
            )
        try:
            self.worker, self._queues = _queues(alias, name, frozenset(self.queues), given)
        except ConfigError as error:
            raise ImproperlyConfigured(f"TASKS[{alias!r}] cannot be used: {error}") from error

    def enqueue(self, task: Task[P, T], args: list[Any], kwargs: dict[str, Any]) -> TaskResult[P, T]:
        """Store a task, or write it to the outbox.

        Raises:
            django.tasks.exceptions.InvalidTask: If this backend cannot run it.
            BrokerError: As `Task.submit` says.
        """
        self.validate_task(task)
        given, named = _plain(list(args)), _plain(kwargs)
        queue = self._queues[task.queue_name]
        if self._outbox:
            queue = queue.within(outbox(using=self._using))
        at = task.run_after
        submitter = queue.options(at=timezone.make_aware(at) if at is not None and timezone.is_naive(at) else at)
        job = submitter.submit_sync(task=task.module_path, args=given, kwargs=named)
        result: TaskResult[P, T] = _result(task, job.id, given, named, self.alias)
        task_enqueued.send_robust(type(self), task_result=result)  # it is stored, whatever a listener raises
        return result

    def get_result(self, result_id: str) -> TaskResult[..., Any]:
        """Return the state of a task, from any process, as long as its result is kept (UPNEXT_RESULT_TTL).

        Raises:
            django.tasks.exceptions.TaskResultDoesNotExist: If there is no such task, or not any more.
            ResultError: If it has run, and what it returned could not be kept.
            BrokerError: If the server cannot answer, or rejects this client.
        """
        settings = self.worker.registry.settings
        found = read_record(settings, result_id)
        if found is None and self._outbox:
            unsent = _unsent(self._using, result_id)
            if unsent is not None:
                return _result_of(self.alias, result_id, unsent, JobOutcome("open"))
            # A relay may have sent it, and deleted its row, between the two.
            found = read_record(settings, result_id)
        if found is None:
            raise TaskResultDoesNotExist(result_id)
        return _result_of(self.alias, result_id, *found)


_made: dict[str, tuple[Worker, dict[str, Queue[..., ..., Any, Any]]]] = {}
"""Workers by what they were made of: Django makes a backend for each thread, and they share these."""


def _queues(
    alias: str, name: str, queues: frozenset[str], options: dict[str, Any]
) -> tuple[Worker, dict[str, Queue[..., ..., Any, Any]]]:
    settings = json.dumps([alias, name, sorted(queues), sorted(options.items())], default=repr)
    if settings not in _made:
        worker = Worker(name)
        _made[settings] = worker, {queue: _queue(worker, alias, queue, options) for queue in sorted(queues)}
    return _made[settings]


def _queue(worker: Worker, alias: str, name: str, options: dict[str, Any]) -> Queue[..., ..., Any, Any]:
    def run(task: str, args: list[Any], kwargs: dict[str, Any]) -> object:
        return _run(worker.registry.settings, alias, task, args, kwargs)

    made: Queue[..., ..., Any, Any] = worker.task(name=name, give_up_on=_GIVEN_UP, **options)(run)
    return made


def _run(settings: Settings, alias: str, path: str, args: list[Any], kwargs: dict[str, Any]) -> object:
    """Run a task in a worker's thread, and send Django's signals."""
    found = _found(path)
    context = get_current_context()
    result = _result(found, context.job_id, args, kwargs, alias)
    _begin(result, context)
    backend = type(found.get_backend())
    _keep(settings, result, path, is_last=False)
    # Django logs the exceptions of listeners: they neither fail a task nor rerun one that succeeded.
    task_started.send_robust(backend, task_result=result)
    try:
        first: list[object] = [TaskContext(task_result=result)] if found.takes_context else []
        value = _plain(found.call(*first, *args, **kwargs))
    except BaseException as error:  # which the runtime also treats as a failure
        kind = type(error)
        path_of_kind, trace = f"{kind.__module__}.{kind.__qualname__}", "".join(format_exception(error))
        result.errors.append(TaskError(exception_class_path=path_of_kind, traceback=trace))
        is_last = context.is_last_attempt or isinstance(error, (Discard, _GIVEN_UP))
        _end(result, TaskResultStatus.FAILED if is_last else TaskResultStatus.READY)
        _keep(settings, result, path, is_last=False)  # a dead letter has no end, and one that is replayed begins again
        if is_last:
            task_finished.send_robust(backend, task_result=result)
        raise
    _set(result, _return_value=value)
    _end(result, TaskResultStatus.SUCCESSFUL)
    _keep(settings, result, path, is_last=True)
    task_finished.send_robust(backend, task_result=result)
    return value


def _found(path: str) -> Task[..., Any]:
    try:
        found: object = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f"The task {path!r} is not in this project: {error}") from error
    if not isinstance(found, Task):
        raise ImproperlyConfigured(f"{path!r} is not a task.")
    return cast("Task[..., Any]", found)


def _plain(value: object) -> Any:
    """Return a value as plain JSON.

    Raises:
        TypeError: If it has it not.
    """
    return normalize_json(value)


def _result(task: Task[..., Any], job_id: str, args: list[Any], kwargs: dict[str, Any], alias: str) -> Any:
    sent = sent_at(job_id)
    return TaskResult(
        task=task,
        id=job_id,
        status=TaskResultStatus.READY,
        enqueued_at=None if sent is None else datetime.fromtimestamp(sent, UTC),
        started_at=None,
        last_attempted_at=None,
        finished_at=None,
        args=args,
        kwargs=kwargs,
        backend=alias,
        errors=[],
        worker_ids=[],
    )


def _begin(result: Any, context: Context) -> None:
    now = timezone.now()
    _set(result, status=TaskResultStatus.RUNNING, started_at=now, last_attempted_at=now)
    # One for each attempt, as Django counts them; the workers of earlier ones are not kept.
    result.worker_ids.extend([f"{socket.gethostname()}:{os.getpid()}"] * context.attempt)


def _end(result: Any, status: TaskResultStatus) -> None:
    _set(result, status=status, finished_at=timezone.now())


def _keep(settings: Settings, result: Any, path: str, *, is_last: bool) -> None:
    """Keep a result on the server for later requests."""
    record = TaskRecord(
        path,
        result.args,
        result.kwargs,
        started_at=result.started_at.timestamp(),
        finished_at=None if result.finished_at is None else result.finished_at.timestamp(),
        worker_ids=result.worker_ids,
        errors=[(each.exception_class_path, each.traceback) for each in result.errors],
    )
    keep_record(settings, result.id, record, is_last=is_last)


def _result_of(alias: str, job_id: str, record: TaskRecord, outcome: JobOutcome) -> TaskResult[..., Any]:
    """Return a Django result: its state from the job, the rest from the record."""
    result: TaskResult[..., Any] = _result(_found(record.task), job_id, record.args, record.kwargs, alias)
    started, finished = _moment(record.started_at), _moment(record.finished_at)
    _set(result, started_at=started, last_attempted_at=started, worker_ids=record.worker_ids)
    errors = [TaskError(exception_class_path=path, traceback=trace) for path, trace in record.errors]
    match outcome.state:
        case "open":
            is_running = started is not None and finished is None
            _set(result, status=TaskResultStatus.RUNNING if is_running else TaskResultStatus.READY, errors=errors)
        case "dead":
            _set(result, status=TaskResultStatus.FAILED, finished_at=finished, errors=errors or [_death(outcome)])
        case _:
            _set(result, **_ended(job_id, outcome), finished_at=finished)
    return result


def _ended(job_id: str, outcome: JobOutcome) -> dict[str, object]:
    stored = outcome.result
    if stored is not None and discard_reason(stored) is not None:
        name = f"{JobDiscardedError.__module__}.{JobDiscardedError.__qualname__}"
        return {
            "status": TaskResultStatus.FAILED,
            "errors": [TaskError(exception_class_path=name, traceback=unkept_reason(stored) or "")],
        }
    if stored is not None and (reason := unkept_reason(stored)) is not None:
        raise ResultError(f"The task of job {job_id} has run, and its result cannot be given: {reason}.")
    return {"status": TaskResultStatus.SUCCESSFUL, "_return_value": None if stored is None else json.loads(stored)}


def _death(outcome: JobOutcome) -> TaskError:
    """Return why a job died without an error of its own: timeout, crashed workers, or cancellation."""
    name = f"{JobFailedError.__module__}.{JobFailedError.__qualname__}"
    letter = outcome.letter
    text = "" if letter is None else f"{letter.reason}: {letter.error}\n{letter.traceback}"
    return TaskError(exception_class_path=name, traceback=text)


def _unsent(using: str, job_id: str) -> TaskRecord | None:
    """Return a task that is in the outbox and that no relay has sent yet."""
    from upnext.django.models import OutboxRow  # noqa: PLC0415  # models can be imported only once Django is set up

    rows = OutboxRow.objects.using(using).filter(event_id=job_id.rpartition(".")[0], is_task=True)
    body = rows.values_list("body", flat=True).first()
    return None if body is None else payload_record(body)


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _set(result: Any, **attributes: object) -> None:
    """Change a result, which is frozen for everyone but backends."""
    for name, value in attributes.items():
        object.__setattr__(result, name, value)
