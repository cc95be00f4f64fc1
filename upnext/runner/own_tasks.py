"""Hides the runtime's tasks from `asyncio.all_tasks`, in an event loop that the runtime owns.

User code that cancels "all tasks" of its event loop, or waits for them, means the tasks that it started itself, and
neither the other jobs nor the tasks of the runtime.
"""

from __future__ import annotations

import asyncio
import os
import sys
from inspect import iscoroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

T = TypeVar("T")

_PACKAGE = Path(__file__).parents[1]
_OWN = (*(str(_PACKAGE / room) + os.sep for room in ("broker", "outbox", "runner")), str(_PACKAGE / "api.py"))


class _NamedOnce(asyncio.Task[Any]):
    """Keeps its name where CPython 3.13.0 to 3.13.2 would set it to "None", as they do for tasks of a factory."""

    def set_name(self, value: object, /) -> None:
        if value is not None:
            super().set_name(value)


_Task: type[asyncio.Task[Any]] = _NamedOnce if (3, 13) <= sys.version_info < (3, 13, 3) else asyncio.Task


def install(loop: asyncio.AbstractEventLoop) -> None:
    """From now on, hide the tasks that the runtime creates in a loop."""
    loop.set_task_factory(_make)


def show(task: asyncio.Task[Any]) -> None:
    """Make a task visible after all, because nothing of the runtime waits for it any more."""
    asyncio._register_task(task)  # noqa: SLF001  # documented under "Extending asyncio"


async def wait_for(event: asyncio.Event) -> None:
    """Wait for an event in a task of the runtime; a task around `event.wait()` itself would be visible to user code."""
    await event.wait()


async def outlive(task: asyncio.Task[T]) -> T:
    """Await a task even if that is cancelled, in a visible task, because libraries look for the main one."""
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            continue
    return task.result()


def _make(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T] | Generator[Any, None, T], **options: Any
) -> asyncio.Task[T]:
    task = _Task(coroutine, loop=loop, **options)
    if iscoroutine(coroutine):
        code = coroutine.cr_code
        if code.co_filename.startswith(_OWN) and code is not outlive.__code__:
            asyncio._unregister_task(task)  # noqa: SLF001  # as above
    return task
