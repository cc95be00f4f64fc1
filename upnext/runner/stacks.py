"""The current stacks of other threads, and the line of user code in them."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import CodeType, FrameType

_FRAMES = 30  # of a stack that is logged, the innermost ones
_CALLERS = (  # callers of user code: function and end of the file's path
    ("_awaited", f"upnext{os.sep}runner{os.sep}execute.py"),
    ("_carry", f"upnext{os.sep}runner{os.sep}execute.py"),
    ("_run", f"asyncio{os.sep}events.py"),
    ("run_in_loop", f"upnext{os.sep}runner{os.sep}loop.py"),
)

_current_frames: Callable[[], dict[int, FrameType]] = getattr(sys, "_current_frames")  # noqa: B009  # its documented name


def frames_of(thread: int) -> list[FrameType]:
    """Return the frames of a thread, outermost first, starting where upnext or the event loop calls user code."""
    frame = _current_frames().get(thread)
    frames: list[FrameType] = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    frames.reverse()
    first = max((n for n, frame in enumerate(frames) if _calls_user_code(frame)), default=-1)
    return frames[first + 1 :] or frames[-3:]  # those of upnext or the event loop itself, if nothing else runs


def thread_of(codes: Collection[CodeType]) -> int | None:
    """Return a thread that is running one of these functions."""
    for thread, frame in _current_frames().items():
        step: FrameType | None = frame
        while step is not None:
            if step.f_code in codes:
                return thread
            step = step.f_back
    return None


def format_stack(frames: list[FrameType]) -> str:
    """Return a stack in the form of a traceback: places and source lines, no values."""
    lines = traceback.StackSummary.extract(((frame, frame.f_lineno) for frame in frames[-_FRAMES:]), lookup_lines=True)
    return "".join(lines.format()).rstrip("\n")


def place(frames: list[FrameType]) -> str:
    """Return the innermost place in a short form: `shop.py:12 in charge`."""
    if not frames:
        return ""
    frame = frames[-1]
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} in {frame.f_code.co_name}"


def _calls_user_code(frame: FrameType) -> bool:
    name, file = frame.f_code.co_name, frame.f_code.co_filename
    return any(name == caller and file.endswith(end) for caller, end in _CALLERS)
