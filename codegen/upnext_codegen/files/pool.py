"""Runs the same job for many files, in several processes if there is enough work to pay for starting them."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from upnext_codegen.progress import counted

_WORTH_IT = 2_000_000
"""Bytes of source to go through once, from which on a second process saves more than it costs."""
PARSING = 10
"""How many times longer parsing and analyzing a file takes than going through its bytes."""

_PORTIONS = 200
"""Chunks that paths are handed out in, at most: enough for all processes to end at about the same time."""

_Result = TypeVar("_Result")
_job: Callable[[str], Any] = str


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
