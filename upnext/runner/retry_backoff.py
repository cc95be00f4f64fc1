"""Decides whether a failed job is retried and when: exponential back-off, capped, with jitter."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, cast

from upnext.failure_report import leaves
from upnext.job_control import RetryLater

if TYPE_CHECKING:
    from upnext.options import ExceptionTypes, Options
    from upnext.runner.execute import AttemptOutcome

RETRY_DELAY_CAP: Final = 3600.0
"""Seconds; no retry is put off for longer by its options, the jitter aside."""

JITTER: Final = 0.1
"""By which part of itself a delay is made longer at most: jobs that failed together are not retried together."""


def next_retry(options: Options, failures: int, outcome: AttemptOutcome) -> float | None:
    """Return the seconds until a job is run again; None if it becomes a dead letter.

    Args:
        options: The handler's.
        failures: Attempts that failed before this one.
        outcome: How this one failed.
    """
    if outcome.kind == "payload" or failures >= options.retries:
        return None
    raised = TimeoutError() if outcome.kind == "timeout" else outcome.raised
    if raised is not None and issubclass(type(raised), RetryLater):
        return cast("RetryLater", raised).seconds
    return retry_delay(options, failures + 1) if _is_retried(options, raised) else None


def _is_retried(options: Options, raised: BaseException | None) -> bool:
    if raised is None or (options.retry_on is None and options.give_up_on is None):
        return True
    members = list(leaves(raised))
    if _matches(raised, options.give_up_on) or any(_matches(one, options.give_up_on) for one in members):
        return False
    if options.retry_on is None or _matches(raised, options.retry_on):
        return True
    return all(_matches(one, options.retry_on) for one in members)


def _matches(error: BaseException, kinds: ExceptionTypes | None) -> bool:
    """Return whether an `except` clause would catch it, without running code of the user's classes."""
    given = () if kinds is None else kinds if isinstance(kinds, tuple) else (kinds,)
    return any(kind in type.mro(type(error)) for kind in given)


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
