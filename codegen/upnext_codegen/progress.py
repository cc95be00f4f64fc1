"""Progress of a scan, for a caller that wants to show it; otherwise nothing is counted."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TypeAlias, TypeVar

_Result = TypeVar("_Result")
Observer: TypeAlias = Callable[[int, int], None]
"""Is told how many files of how many a pass over them has done."""

_observer: Observer | None = None


@contextmanager
def observed(observer: Observer | None) -> Generator[None]:
    """Report the progress of this process's scans to an observer, within the block; None reports nothing."""
    global _observer  # noqa: PLW0603  # a process scans one project at a time
    before, _observer = _observer, observer
    try:
        yield
    finally:
        _observer = before


def counted(results: Iterator[_Result], total: int) -> Iterator[_Result]:
    """Pass results on, reporting each to the observer."""
    return results if _observer is None else _reported(results, total, _observer)


def _reported(results: Iterator[_Result], total: int, observer: Observer) -> Iterator[_Result]:
    for done, result in enumerate(results, start=1):
        observer(done, total)
        yield result
