"""The meaning of Celery's own names."""

from __future__ import annotations

import re

TASK_MAKERS = frozenset(
    {
        "celery.shared_task",
        "celery.app.shared_task",
        "upnext_celery.shared_task",
        # Until Celery 5.
        "celery.task",
        "celery.task.task",
        "celery.task.periodic_task",
        "celery.task.base.task",
        "celery.task.base.periodic_task",
        "celery.decorators.task",
        "celery.decorators.periodic_task",
    }
)
"""Decorators that make a task of every app."""

_MAKER = re.compile(r"(?:\w+\.)*\w*celery\w*\.(?:\w+\.)*(?:shared_task|periodic_task|task)", re.IGNORECASE)
_OWN = ("celery.", "upnext_celery.")


def is_maker(name: str) -> bool:
    """Whether a name is one of Celery's decorators or, as far as its name shows, of a package around it."""
    return name in TASK_MAKERS or (_MAKER.fullmatch(name) is not None and not name.startswith(_OWN))


APP_CLASSES = frozenset(
    {
        "celery.Celery",
        "celery.app.Celery",
        "celery.app.base.Celery",
        "upnext_celery.Celery",
    }
)
"""The class of apps."""

TASK_CLASSES = frozenset(
    {
        "celery.Task",
        "celery.app.Task",
        "celery.app.task.Task",
        "celery.contrib.abortable.AbortableTask",
        "upnext_celery.Task",
        "celery.contrib.django.task.DjangoTask",
        # Until Celery 5.
        "celery.task.Task",
        "celery.task.PeriodicTask",
        "celery.task.base.Task",
        "celery.task.base.PeriodicTask",
    }
)
"""The class of tasks, and Celery's own that derive from it."""

APPS = frozenset({"celery.current_app", "celery._state.current_app", "celery.app.default_app"})
"""Apps that Celery itself has."""

CHAINS = frozenset({"celery.chain", "celery.canvas.chain"})
GROUPS = frozenset({"celery.group", "celery.canvas.group"})
CHORDS = frozenset({"celery.chord", "celery.canvas.chord"})
"""What makes one signature of several."""

NAMED_SIGNATURES = frozenset({"celery.signature", "celery.canvas.signature", "celery.subtask"})
"""Functions that make a signature of a task's name."""


INLINE_METHODS = frozenset({"delay", "s", "si", "delay_on_commit"})
"""Methods of a task that take its arguments as their own."""

ARGS_KWARGS_METHODS = frozenset({"apply_async", "apply", "signature", "subtask", "apply_async_on_commit"})
"""Methods of a task that take its arguments as a sequence and a dict."""

STRICT_METHODS = frozenset({"apply_async", "apply_async_on_commit", "send_task"})
"""Methods that refuse other containers than a tuple or a list and a dict; signatures make a tuple of anything."""

BY_NAME = frozenset({"send_task", "signature"})
"""Methods of an app that call a task by its name."""

DEFERRING_FUNCTIONS = {"functools.partial": True, "asyncio.to_thread": False}
"""Functions that call what they are given first with the rest, and whether there may be more arguments then."""

PARTIAL = frozenset({"s", "signature", "subtask"})
"""Methods that make signatures to which arguments can be added."""

POSITIONAL_PARAMETERS = {
    "apply_async": ("args", "kwargs", "task_id", "producer", "link", "link_error", "shadow"),
    "apply_async_on_commit": ("args", "kwargs"),
    "apply": ("args", "kwargs", "link", "link_error", "task_id", "retries", "throw", "logfile", "loglevel", "headers"),
    "signature": ("args", "kwargs"),
    "subtask": ("args", "kwargs"),
    "send_task": (
        *("name", "args", "kwargs", "countdown", "eta", "task_id", "producer", "connection", "router", "result_cls"),
        *("expires", "publisher", "link", "link_error", "add_to_parent", "group_id", "group_index", "retries"),
        *("chord", "reply_to", "time_limit", "soft_time_limit", "root_id", "parent_id", "route_name", "shadow"),
        *("chain", "task_type", "replaced_task_nesting"),
    ),
    "retry": ("args", "kwargs", "exc", "throw", "eta", "countdown", "max_retries"),
}
"""Parameters of those methods, and of `retry`, that can be given by position, in their order."""

OPTIONS = frozenset(
    {
        *(name for names in POSITIONAL_PARAMETERS.values() for name in names),
        *("add_to_parent", "app", "compression", "connection", "countdown", "delivery_mode", "eta", "exchange"),
        *("exchange_type", "expires", "headers", "ignore_result", "immutable", "mandatory", "options", "priority"),
        *("publisher", "queue", "reply_to", "retry", "retry_policy", "router", "routing_key", "serializer"),
        *("soft_time_limit", "stamped_headers", "stamps", "subtask_type", "time_limit", "type", "using"),
        *("argsrepr", "kwargsrepr", "correlation_id", "declare", "timeout", "confirm_timeout", "properties"),
        *("ignore_errors", "root_id", "parent_id", "group_id", "group_index", "chord", "content_type"),
        *("content_encoding", "immediate", "periodic_task_name", "user_id", "message_id"),
    }
)
"""Options of `apply_async` and the like that Celery and kombu know; a router of the user's may know others."""
