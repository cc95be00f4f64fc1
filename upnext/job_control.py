"""Exceptions by which a handler decides how its job goes on."""

from __future__ import annotations

from datetime import timedelta

from upnext.errors import ConfigError, UpnextError
from upnext.limits import MAX_DELAY
from upnext.options import is_finite


class RetryLater(UpnextError):  # noqa: N818  # not an error of upnext: it controls how the job continues
    """Raised by a handler to have its job run again after a given time.

    It is a failed attempt like any other: `retries` bounds how often, and after the last one the job is a dead letter.
    Only the time is another: this one in place of the back-off, without jitter. `retry_on` and `give_up_on` do not
    apply to it.

    Args:
        seconds: Until the job may run again, or a timedelta; at most a year.
        reason: Why, for the log and `upnext jobs`.

    Attributes:
        seconds: As above, as a number.
        reason: As above.

    Raises:
        ConfigError: If the seconds cannot be used.
    """

    def __init__(self, seconds: float | timedelta, reason: str = "") -> None:
        number = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
        if not is_finite(number, 0.0) or number > MAX_DELAY:
            rule = f"it must be seconds or a timedelta, from 0 to {MAX_DELAY:.0f} s"
            raise ConfigError(f"RetryLater({seconds!r}) cannot be used: {rule}.")
        self.seconds: float = float(number)
        self.reason = reason
        super().__init__(f"to be run again in {self.seconds:g} s{': ' + reason if reason else ''}")

    def __reduce__(self) -> tuple[type[RetryLater], tuple[float, str]]:
        """Pickle by the arguments, not by the message."""
        return (type(self), (self.seconds, self.reason))


class Discard(UpnextError):  # noqa: N818  # as above
    """Raised by a handler to end its job because nothing is left to do, whatever its retries.

    The job is done, without a dead letter. A wait for its result raises `JobDiscardedError`.

    Args:
        reason: Why, for the log and for who waits.

    Attributes:
        reason: As above.
    """

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        super().__init__(reason)
