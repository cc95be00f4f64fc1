"""How much work a call is, counted and not timed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType, ModuleType


def lines_run(call: Callable[[], object], *modules: ModuleType) -> int:
    """Count the lines of Python that a call runs, or those of them that stand in some modules."""
    count = 0
    files = {each.__file__ for each in modules}

    def trace(frame: FrameType, event: str, _arg: object) -> Callable[..., object] | None:
        nonlocal count
        if files and frame.f_code.co_filename not in files:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count
