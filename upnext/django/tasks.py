# Django has tasks since version 6.
# pyright: reportMissingModuleSource=false
"""A backend for the tasks of Django 6, or of the package django-tasks: they become jobs, perhaps through the outbox."""

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
from upnext.context import get_current_context
from upnext.django.outbox import outbox
from upnext.errors import ConfigError
from upnext.worker import Worker

if TYPE_CHECKING:
    from django.tasks import task_backends
    from django.tasks.backends.base import BaseTaskBackend
    from django.tasks.base import Task, TaskContext, TaskError, TaskResult, TaskResultStatus
    from django.tasks.signals import task_enqueued, task_finished, task_started
    from django.utils.json import normalize_json

    from upnext.context import Context
    from upnext.task import Task as Queue
else:
    try:
        from django.tasks import task_backends
        from django.tasks.backends.base import BaseTaskBackend
        from django.tasks.base import Task, TaskContext, TaskError, TaskResult, TaskResultStatus
        from django.tasks.signals import task_enqueued, task_finished, task_started
        from django.utils.json import normalize_json
    except ImportError:
        from django_tasks import task_backends
        from django_tasks.backends.base import BaseTaskBackend
        from django_tasks.base import Task, TaskContext, TaskError, TaskResult, TaskResultStatus
        from django_tasks.signals import task_enqueued, task_finished, task_started
        from django_tasks.utils import normalize_json

__all__ = ["UpnextBackend", "task_backends", "task_enqueued", "task_finished", "task_started"]

P = ParamSpec("P")
T = TypeVar("T")

_OF_JOBS = ("retries", "retry_delay", "retry_backoff", "timeout")


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
        task_enqueued.send(type(self), task_result=result)
        return result


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
        return _run(alias, task, args, kwargs)

    made: Queue[..., ..., Any, Any] = worker.task(name=name, give_up_on=ImproperlyConfigured, **options)(run)
    return made


def _run(alias: str, path: str, args: list[Any], kwargs: dict[str, Any]) -> object:
    """Run a task in a worker's thread, telling those who listen to Django's signals."""
    found = _found(path)
    context = get_current_context()
    result = _result(found, context.job_id, args, kwargs, alias)
    _begin(result, context)
    backend = type(found.get_backend())
    task_started.send(backend, task_result=result)
    try:
        first: list[object] = [TaskContext(task_result=result)] if found.takes_context else []
        value = _plain(found.call(*first, *args, **kwargs))
    except Exception as error:
        if context.attempt >= context.max_attempts:
            kind = type(error)
            result.errors.append(
                TaskError(
                    exception_class_path=f"{kind.__module__}.{kind.__qualname__}",
                    traceback="".join(format_exception(error)),
                )
            )
            _end(result, TaskResultStatus.FAILED)
            task_finished.send(backend, task_result=result)
        raise
    _set(result, _return_value=value)
    _end(result, TaskResultStatus.SUCCESSFUL)
    task_finished.send(backend, task_result=result)
    return value


def _found(path: str) -> Task[..., Any]:
    try:
        found: object = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f"The task {path!r} is not in this project: {error}") from error
    if not isinstance(found, Task):
        raise ImproperlyConfigured(f"{path!r} is no task.")
    return cast("Task[..., Any]", found)


def _plain(value: object) -> Any:
    """Return a value as JSON has it.

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
    # One for each attempt, as Django counts them; who made the earlier ones is not kept.
    result.worker_ids.extend([f"{socket.gethostname()}:{os.getpid()}"] * context.attempt)


def _end(result: Any, status: TaskResultStatus) -> None:
    _set(result, status=status, finished_at=timezone.now())


def _set(result: Any, **attributes: object) -> None:
    """Change a result, which is frozen for everybody but backends."""
    for name, value in attributes.items():
        object.__setattr__(result, name, value)
