"""Code that runs before and after each handler in its thread, for per-thread state such as connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from upnext.log import log

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_boundaries: tuple[Callable[[], object], ...] = ()


def add_boundary(cross: Callable[[], object]) -> None:
    """Call something before and after each synchronous handler, in its thread; its exceptions are logged."""
    global _boundaries  # noqa: PLW0603  # one list for all threads of the process
    if cross not in _boundaries:
        _boundaries = (*_boundaries, cross)


def remove_boundary(cross: Callable[[], object]) -> None:
    """Stop calling it."""
    global _boundaries  # noqa: PLW0603  # as above
    _boundaries = tuple(each for each in _boundaries if each is not cross)


def within_boundaries(call: Callable[[], T]) -> T:
    """Make a call for a job inside all boundaries."""
    _cross()
    try:
        return call()
    finally:
        _cross()


def _cross() -> None:
    for cross in _boundaries:
        try:
            cross()
        except Exception:  # noqa: BLE001  # no fault of the job's
            log.exception("A thread boundary callback failed")
