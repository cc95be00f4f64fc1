"""Runs one job for many files, in several processes if there is enough work to pay for starting them."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from upnext_codegen.progress import counted

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from typing import Self

_WORTH_IT = 2_000_000
"""Bytes of source to go through once, from which on a second process saves more than it costs."""
PARSING = 10
"""How many times longer parsing and analyzing a file takes than going through its bytes."""

_PORTIONS = 200
"""Chunks that paths are handed out in, at most: enough for all processes to end at about the same time."""

_Result = TypeVar("_Result")


def spread(job: Callable[[str], _Result], paths: list[str], size: int) -> Iterator[tuple[str, _Result]]:
    """Run a job for each path and yield the results in order.

    Args:
        job: What to run. Every process has a copy of what it refers to, and sees no changes made by another.
        paths: The paths.
        size: How many bytes these files have in all, times `PARSING` where they are parsed.
    """
    return counted(_spread(job, paths, size), len(paths))


def _spread(job: Callable[[str], _Result], paths: list[str], size: int) -> Iterator[tuple[str, _Result]]:
    workers = min(processors(), 8)
    # A fork in a process with threads can deadlock, and starting fresh interpreters takes longer than it saves.
    if not is_large(size) or workers < 2 or threading.active_count() > 1:
        yield from zip(paths, map(job, paths), strict=True)
        return
    yield from _forked(job, paths, workers)


def processors() -> int:
    """Return how many processors forked processes can use: 1 on systems without fork."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def is_large(size: int) -> bool:
    """Whether this many bytes of source are worth a second process."""
    return size >= _WORTH_IT


def _forked(job: Callable[[str], _Result], paths: list[str], workers: int) -> Iterator[tuple[str, _Result]]:
    """Distribute the paths to forked processes. If one of them dies, for want of memory perhaps, its work is done here.

    A `multiprocessing.Pool` would wait for ever for what a killed process had in hand.
    """
    size = max(1, len(paths) // _PORTIONS)
    portions = [paths[start : start + size] for start in range(0, len(paths), size)]
    ready: dict[int, list[_Result]] = {}
    gc.freeze()
    try:
        with _Forks(job, portions, workers) as forks:
            for number, portion in enumerate(portions):
                while number not in ready and forks.at_work(number):
                    ready.update(forks.finished())
                yield from zip(portion, ready.pop(number) if number in ready else map(job, portion), strict=True)
    finally:
        gc.unfreeze()


class _Forks(Generic[_Result]):
    """Forked processes that receive one portion after another, and what each is working on."""

    def __init__(self, job: Callable[[str], _Result], portions: list[list[str]], workers: int) -> None:
        self._job = job
        self._portions = portions
        self._workers = workers
        self._waiting = iter(range(len(portions)))
        self._in_hand: dict[Connection, int] = {}
        self._processes: list[BaseProcess] = []

    def __enter__(self) -> Self:
        """Start as many as possible."""
        import multiprocessing  # noqa: PLC0415 - a run that reads little does without

        context = multiprocessing.get_context("fork")
        with contextlib.suppress(OSError):  # No more processes or open files are available.
            for _ in range(self._workers):
                parent_end, child_end = context.Pipe()
                process = context.Process(
                    target=_serve, args=(child_end, parent_end, self._job, self._portions), daemon=True
                )
                process.start()
                child_end.close()
                self._processes.append(process)
                self._give(parent_end)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop them, whatever they are doing."""
        for process in self._processes:
            process.kill()
            process.join()

    def at_work(self, number: int) -> bool:
        """Whether one of them is working on this portion."""
        return number in self._in_hand.values()

    def finished(self) -> dict[int, list[_Result]]:
        """Wait for some results, or for the death of one of them, and return the results by portion."""
        from multiprocessing.connection import wait  # noqa: PLC0415 - likewise

        found: dict[int, list[_Result]] = {}
        for each in cast("list[Connection]", wait([*self._in_hand])):
            number = self._in_hand.pop(each)
            try:
                found[number] = each.recv()
            except (EOFError, OSError):
                each.close()
            else:
                self._give(each)
        return found

    def _give(self, connection: Connection) -> None:
        number = next(self._waiting, None)
        if number is None:
            return
        with contextlib.suppress(OSError):  # It has died: its portions go to the others, and this one is read here.
            connection.send(number)
            self._in_hand[connection] = number


def _serve(child_end: Connection, parent_end: Connection, job: Callable[[str], Any], portions: list[list[str]]) -> None:
    """Process one portion after another in a forked process, until its parent is gone."""
    parent_end.close()
    try:
        while True:
            number: int = child_end.recv()
            child_end.send([job(path) for path in portions[number]])
    except BaseException:  # noqa: BLE001 - what goes wrong is done again by the parent, and is raised there
        os._exit(1)
