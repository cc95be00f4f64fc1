"""Tasks for the tests of the backend, in a module of their own as Django wants it."""

from __future__ import annotations

import sys
from typing import Any

from django.core.exceptions import ImproperlyConfigured

import upnext

if sys.version_info >= (3, 12):
    from django.tasks import task
else:
    from django_tasks import task

seen: list[object] = []


@task
def add(left: int, right: int = 1) -> int:
    seen.append(left + right)
    return left + right


@task(takes_context=True)
async def attempts(context: Any) -> int:
    if context.attempt < 2:
        raise LookupError("the first attempt fails")
    found: int = context.attempt
    return found


@task
def fails() -> None:
    raise LookupError("it always fails")


@task
def exits() -> None:
    sys.exit("it ends")


@task
def misconfigured() -> None:
    raise ImproperlyConfigured("a setting is missing")


@task
def nothing() -> None: ...


@task
def discards() -> None:
    raise upnext.Discard("nobody wants it")
