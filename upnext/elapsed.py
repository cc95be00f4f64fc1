"""Time that passed, for leases: it goes on while the machine is suspended, and no clock setting moves it."""

from __future__ import annotations

import time

# Linux stops CLOCK_MONOTONIC during a suspension, but not CLOCK_BOOTTIME; macOS has it the right way round.
_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed() -> float:
    """Return the seconds since an arbitrary moment, those of a suspension included."""
    return time.clock_gettime(_CLOCK)
