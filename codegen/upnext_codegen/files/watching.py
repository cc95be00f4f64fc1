"""Waits for files to change, for `gen --watch` and `run --reload`; the cost does not grow with their number."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from upnext_codegen.files.discover import SourceFile

_PAUSE = 0.05
"""Seconds between two glances."""
_BETWEEN_WALKS = 2.0
"""Seconds after which all files are listed again, whatever a glance says."""
_LONGEST = 4.0
"""Seconds that no pause is longer than, however slow the machine is."""
_SHARE = 20
"""Looking at the files takes at most one part in so many of the time."""

Times: TypeAlias = tuple[int, int, int] | None
"""Size, time of the content and time of the change of a file; None if it is not there."""


@dataclass(frozen=True, slots=True)
class Sight:
    """The result of a walk.

    Attributes:
        files: What is compared.
        outputs: The generated files that are there.
        paths: What a glance looks at: all these and the folders that they are in.
        times: Of each path, from before the walk, so that a change during it is noticed.
    """

    files: tuple[SourceFile, ...]
    outputs: frozenset[str]
    paths: tuple[str, ...]
    times: tuple[Times, ...]


Look: TypeAlias = Callable[[tuple[str, ...]], Sight]
"""Walks; gets the paths of the walk before, whose times are to be asked for first."""


def changes(look: Look) -> Iterator[None]:
    """Yield once, and then after each change to a file, or when a generated one has gone.

    Args:
        look: Lists the files.
    """
    before = look(())
    while True:
        yield
        before = _next(look, before)


def _next(look: Look, before: Sight) -> Sight:
    """Wait for files that have changed or gone.

    A glance asks for the times of what is known: a saved file shows in its own, a new or moved one in its folder's.
    """
    last, rest, outputs = before, 0.0, before.outputs
    while True:
        # The cost of a look is measured in CPU time: by the clock, a busy machine would stop the watch.
        began = time.thread_time()
        if rest <= 0 or tuple(map(times, last.paths)) != last.times:
            last = look(last.paths)
            if last.files != before.files or outputs - last.outputs:
                return last
            outputs |= last.outputs
            rest = max(_BETWEEN_WALKS, _pause(began))
        pause = _pause(began)
        rest -= pause
        time.sleep(pause)


def _pause(began: float) -> float:
    return min(max(_PAUSE, _SHARE * (time.thread_time() - began)), _LONGEST)


def sight(
    files: tuple[SourceFile, ...], outputs: frozenset[str], paths: tuple[str, ...], earlier: dict[str, Times]
) -> Sight:
    """Return the result of a walk; `earlier` are the times that were read before it."""
    return Sight(files, outputs, paths, tuple(earlier.get(path) or times(path) for path in paths))


def times(path: str) -> Times:
    """Return the times of a file or folder."""
    try:
        status = os.stat(path)  # noqa: PTH116 - a Path for each of ten thousand files takes longer
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
