"""Celery's own `Celery`, `Task` and `shared_task`, under a name that type checkers can find typed by a project's tasks.

`upnext celery gen` writes `upnext_celery.pyi` at a project's import root. Type checkers then read that file in place of
this package. At run time there is only Celery.
"""

from celery import Celery, Task, shared_task

__all__ = ["Celery", "Task", "shared_task"]
