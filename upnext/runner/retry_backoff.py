"""How long a job that failed waits for its retry: exponential back-off, capped, with jitter."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from upnext.options import Options

RETRY_DELAY_CAP: Final = 3600.0
"""Seconds; no retry is put off for longer by its options, the jitter aside."""

JITTER: Final = 0.1
"""By which part of itself a delay is made longer at the most: jobs that failed together are not retried together."""


def retry_delay(options: Options, retry: int) -> float:
    """Return the seconds to wait before a retry.

    Args:
        options: The handler's.
        retry: 1 for the first retry.

    Returns:
        `retry_delay * retry_backoff ** (retry - 1)`, at most `RETRY_DELAY_CAP`, and up to `JITTER` of that more.
    """
    return _exponential(options, retry) * (1 + random.uniform(0, JITTER))  # noqa: S311  # no secret


def _exponential(options: Options, retry: int) -> float:
    if options.retry_delay == 0:
        return 0.0
    try:
        return min(options.retry_delay * options.retry_backoff ** (retry - 1), RETRY_DELAY_CAP)
    except OverflowError:  # 2.0 ** 10_000 does not fit a float
        return RETRY_DELAY_CAP
