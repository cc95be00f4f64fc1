"""A clock for leases: it keeps running while the machine is suspended, and no clock setting moves it."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Linux stops CLOCK_MONOTONIC during a suspension, but not CLOCK_BOOTTIME; macOS does the right thing.
_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

elapsed: Callable[[], float] = functools.partial(time.clock_gettime, _CLOCK)  # no extra frame: every job calls it
"""Returns the seconds since an arbitrary moment, those of a suspension included."""
