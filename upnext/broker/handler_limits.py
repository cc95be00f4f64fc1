"""The limits of a handler across all processes: how many jobs run at once, and how many start per period."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from upnext.limits import MAX_HANDLER_LIMIT

LIMITS: Final = "limits"
"""Where a worker's record says what its handlers are limited to: their names -> how it was declared."""

_PERIODS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_WRITTEN = re.compile(r'(?:limit=([0-9]{1,5}))?(?: and )?(?:rate="([^"]{1,20})")?(?: by="([^"]{1,200})")?')
_RATE = re.compile(rf"([1-9][0-9]{{0,6}})/({'|'.join(_PERIODS)})")


@dataclass(frozen=True, slots=True)
class Rate:
    """So many starts within any period of so many seconds."""

    starts: int
    seconds: int

    @classmethod
    def parse(cls, text: object) -> Rate | None:
        """Parse a rate such as "100/minute"; None for anything else, and for numbers too large to count."""
        found = _RATE.fullmatch(text) if isinstance(text, str) else None
        if found is None or int(found[1]) > MAX_HANDLER_LIMIT:
            return None
        return cls(int(found[1]), _PERIODS[found[2]])

    def __str__(self) -> str:
        """Write it as it was declared."""
        period = next(name for name, seconds in _PERIODS.items() if seconds == self.seconds)
        return f"{self.starts}/{period}"


@dataclass(frozen=True, slots=True)
class HandlerLimits:
    """The limits of a handler.

    Attributes:
        limit: How many of its jobs run at once; None for any number.
        rate: How many of them start within a time; None for any number.
        by: The field of the payload for each of whose values both hold; None if they hold for all jobs together.
        formerly: The names that this field had before.
    """

    limit: int | None = None
    rate: Rate | None = None
    by: str | None = None
    formerly: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Write it as it was declared."""
        limit = "" if self.limit is None else f"limit={self.limit}"
        rate = "" if self.rate is None else f'rate="{self.rate}"'
        by = "" if self.by is None else f' by="{self.by}"'
        return " and ".join(filter(None, (limit, rate))) + by

    @classmethod
    def read(cls, text: object) -> HandlerLimits | None:
        """Read what `str` wrote; None for anything else."""
        found = _WRITTEN.fullmatch(text) if isinstance(text, str) else None
        limits = None if found is None else cls(int(found[1]) if found[1] else None, Rate.parse(found[2]), found[3])
        return None if limits is None or limits == cls(by=limits.by) else limits

    def or_greater(self, other: HandlerLimits) -> HandlerLimits:
        """Return the limits that hold while processes with both run: each keeps its own, so the larger counts."""
        limit, rate = None, None
        if self.limit is not None and other.limit is not None:
            limit = max(self.limit, other.limit)
        if self.rate is not None and other.rate is not None:
            rate = max(self.rate, other.rate, key=lambda each: each.starts / each.seconds)
        return HandlerLimits(limit, rate, self.by or other.by)

    @property
    def names(self) -> tuple[str, ...]:
        """The names under which a payload may contain the field, the current one first."""
        return () if self.by is None else (self.by, *self.formerly)

    @property
    def least(self) -> int:
        """The smallest of its numbers: it cannot be divided over more partitions than that."""
        starts = None if self.rate is None else self.rate.starts
        return min(number for number in (self.limit, starts) if number is not None)

    def share(self, partition: int, partitions: int) -> HandlerLimits:
        """Return the share of one partition: scripts do not see other partitions, so limits are divided."""

        def part(number: int) -> int:
            return number // partitions + (partition < number % partitions)

        return replace(
            self,
            limit=None if self.limit is None else part(self.limit),
            rate=None if self.rate is None else Rate(part(self.rate.starts), self.rate.seconds),
        )
