"""Where a task is that will not be cancelled: in the code of users, whatever awaits it, and whatever that awaits."""

from __future__ import annotations

import asyncio
import types
from collections.abc import AsyncIterator, Awaitable, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from upnext.runner.task_places import place_of

LINES = Path(__file__).read_text(encoding="utf-8").splitlines()
FOREVER: list[asyncio.Future[None]] = []


async def deep() -> None:
    await FOREVER[-1]  # deep


async def through_gather() -> None:
    await asyncio.gather(deep(), deep())  # through_gather


async def through_a_task() -> None:
    await asyncio.create_task(deep())


async def through_a_timeout() -> None:
    async with asyncio.timeout(None):
        await asyncio.sleep(100)  # through_a_timeout


@asynccontextmanager
async def entered() -> AsyncIterator[None]:
    await deep()
    yield


async def through_a_context_manager() -> None:
    async with entered():
        pass


@types.coroutine
def generator() -> Generator[Any, Any, None]:
    yield from FOREVER[-1]  # generator


async def through_a_generator() -> None:
    await generator()


class Waiting:
    def __await__(self) -> Generator[Any, None, None]:
        return (yield from deep().__await__())  # __await__


async def through_an_object() -> None:
    await Waiting()


async def in_the_library() -> None:
    await asyncio.wait(FOREVER[-1:])  # in_the_library


@pytest.mark.parametrize(
    ("function", "mark"),
    [
        (deep, "deep"),
        (through_gather, "through_gather"),
        (through_a_task, "deep"),
        (through_a_timeout, "through_a_timeout"),
        (through_a_context_manager, "deep"),
        (through_a_generator, "generator"),
        (through_an_object, "deep"),
        (in_the_library, "in_the_library"),
    ],
)
async def test_the_innermost_line_of_user_code_is_named(function: Any, mark: str) -> None:
    FOREVER.append(asyncio.get_running_loop().create_future())
    awaited: Awaitable[None] = function()
    task = asyncio.ensure_future(awaited)
    for _ in range(5):
        await asyncio.sleep(0)
    (line,) = [n for n, text in enumerate(LINES, 1) if text.endswith(f"  # {mark}")]
    assert place_of(task) == f"{__file__}:{line}"
    task.cancel()
    await asyncio.wait([task])
