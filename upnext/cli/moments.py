"""Times and ages on the command line: their output format, and what `--since` accepts."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_AGE = re.compile(r"(\d{1,9})([smhdw])")


def moment(milliseconds: float, timespec: str = "milliseconds") -> str:
    """Format a time of the server's clock as ISO 8601 in UTC; an impossible time is shown as it is."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec=timespec)
    except (OverflowError, ValueError, OSError):
        return str(milliseconds)


def age(seconds: float | None) -> str:
    """Format an age in its two largest units, or as a dash."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{max(seconds, 0):.1f}s"
    whole = round(seconds)
    for size, unit, next_size, next_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // next_size}{next_unit}"
    return f"{whole}s"


def since(text: str) -> float | datetime:
    """Parse `--since`: an age ("90s", "30m", "2h", "7d") as seconds, or an ISO 8601 time (UTC by default).

    Raises:
        argparse.ArgumentTypeError: If it is neither.
    """
    if found := _AGE.fullmatch(text):
        return float(int(found[1]) * _UNITS[found[2]])
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} must be an age such as 30m, 2h or 7d, or a time such as 2026-01-31T12:00"
        ) from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def since_ms(value: float | datetime | None, now_ms: float) -> float:
    """Return the result of `since` as a time of the server's clock in ms; the beginning of time by default."""
    if value is None:
        return float("-inf")
    return value.timestamp() * 1000 if isinstance(value, datetime) else now_ms - value * 1000
