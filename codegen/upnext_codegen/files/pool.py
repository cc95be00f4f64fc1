"""The same job for many files, in several processes where there is enough of it to pay for starting them."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from upnext_codegen.progress import counted

_WORTH_IT = 2_000_000
"""Bytes of source, looked at once, from which on a second process saves more than it costs."""
PARSING = 10
"""How much longer it takes to parse a file, and to work out what it says, than to look at its bytes."""

_PORTIONS = 200
"""How many portions paths are handed out in, at most: enough for all processes to end at about the same time."""

_Result = TypeVar("_Result")
_job: Callable[[str], Any] = str


def spread(job: Callable[[str], _Result], paths: list[str], size: int) -> Iterator[tuple[str, _Result]]:
    """Do a job for each path, in their order.

    Args:
        job: What to do. Whatever it holds is there in every process, but no process sees what another one changes.
        paths: What to do it for.
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
    """How many processors there are for processes that are forked from this one; one where that cannot be done."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def is_large(size: int) -> bool:
    """Whether so many bytes of source are worth a second process."""
    return size >= _WORTH_IT


def _forked(job: Callable[[str], _Result], paths: list[str], workers: int) -> Iterator[tuple[str, _Result]]:
    import multiprocessing  # noqa: PLC0415 - a run that reads little does without

    global _job  # noqa: PLW0603 - a fork takes it along, where a pool would send it with every path
    _job = job
    gc.freeze()
    try:
        try:
            started = multiprocessing.get_context("fork").Pool(workers)
        except OSError:  # There can be no more processes, or no more open files.
            yield from zip(paths, map(job, paths), strict=True)
            return
        with started as pool:
            yield from zip(paths, pool.imap(_do, paths, chunksize=max(1, len(paths) // _PORTIONS)), strict=True)
    finally:
        gc.unfreeze()
        _job = str


def _do(path: str) -> Any:
    return _job(path)
