"""Where a waiting asyncio task stands: the innermost line of user code, however deeply it is awaited."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

from upnext.failure_report import is_runtimes, is_standard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_MOST = 1000  # of coroutines that await each other
# Attributes of what is suspended and what it awaits: of a coroutine, an asynchronous generator, a generator.
_AWAITED = (("cr_frame", "cr_await"), ("ag_frame", "ag_await"), ("gi_frame", "gi_yieldfrom"))
_OPAQUE = frozenset({"coroutine_wrapper", "async_generator_asend", "async_generator_athrow", "anext_awaitable"})
"""Python's own types that stand before one of these and do not say so."""


def place_of(task: asyncio.Task[Any]) -> str:
    """Return the file and line of user code, else of the innermost frame; "" if there is none."""
    frames = [frame for each in _awaited_tasks(task) for frame in _frames(each.get_coro())]
    users = [frame for frame in frames if not is_runtimes(frame) and not is_standard(frame)]
    return "".join(f"{frame.f_code.co_filename}:{frame.f_lineno}" for frame in (users or frames)[-1:])


def _awaited_tasks(task: asyncio.Task[Any]) -> Iterator[asyncio.Task[Any]]:
    """Yield a task, the one that it awaits, and so on."""
    for _ in range(_MOST):
        yield task
        awaited: asyncio.Future[Any] | None = getattr(task, "_fut_waiter", None)  # no public attribute has it
        if not isinstance(awaited, asyncio.Task):
            return
        task = awaited


def _names(suspended: object) -> tuple[str, str] | None:
    return next((names for names in _AWAITED if hasattr(suspended, names[0])), None)


def _frames(suspended: object) -> Iterator[FrameType]:
    """Yield the frames of a coroutine and of what it awaits, outermost first."""
    for _ in range(_MOST):
        if type(suspended).__name__ in _OPAQUE:
            suspended = next((each for each in gc.get_referents(suspended) if _names(each)), None)
        names = _names(suspended)
        if names is None:
            return
        frame: FrameType | None = getattr(suspended, names[0])
        if frame is not None:
            yield frame
        suspended = getattr(suspended, names[1])
