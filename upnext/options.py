"""The options that handlers and tasks share, validated where they are written."""

from __future__ import annotations

import difflib
import math
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any, TypeAlias, cast

from upnext.broker.handler_limits import HandlerLimits, Rate
from upnext.broker.uniqueness import UniqueBy
from upnext.errors import ConfigError
from upnext.limits import MAX_HANDLER_LIMIT
from upnext.names import brief, check_name

ExceptionTypes: TypeAlias = type[BaseException] | tuple[type[BaseException], ...]
"""What an `except` clause takes as well."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a handler or a task is run.

    Attributes:
        name: The name it is known by; None for the function's own.
        retries: Further attempts after a failure.
        retry_delay: Seconds before the first retry.
        retry_backoff: What each further delay is multiplied by.
        timeout: Seconds that one attempt may take.
        retry_on: The exceptions that are retried; None for all. A timeout counts as a `TimeoutError`.
        give_up_on: Those that are not, whatever `retry_on` says.
        limit: How many of its jobs run at once, over all processes; None for any number.
        rate: How many of them start within a time, over all processes, such as "100/minute"; None for any number.
        by: The field of the payload for each of whose values `limit` and `rate` hold; None for all jobs together.
        unique: What of the payload tells its jobs apart while they wait: True for all of it, the name of a field, or
            several; False if nothing does.
    """

    name: str | None = None
    retries: int = 0
    retry_delay: float = 1.0
    retry_backoff: float = 2.0
    timeout: float = 1800.0
    retry_on: ExceptionTypes | None = None
    give_up_on: ExceptionTypes | None = None
    limit: int | None = None
    rate: str | None = None
    by: str | None = None
    unique: UniqueBy = False

    def __post_init__(self) -> None:
        """Refuse invalid values, naming the option."""
        if self.name is not None:
            check_name("handler", self.name)
        if not is_whole(self.retries, 0):
            _refuse("retries", self.retries, "a whole number of at least 0")
        _check_number("retry_delay", self.retry_delay, least=0.0, words="seconds, finite and at least 0")
        _check_number("retry_backoff", self.retry_backoff, least=1.0, words="a finite factor of at least 1")
        _check_number("timeout", self.timeout, least=0.0, words="seconds, finite and above 0")
        if self.timeout == 0:
            _refuse("timeout", self.timeout, "seconds, finite and above 0")
        _check_exceptions("retry_on", self.retry_on)
        _check_exceptions("give_up_on", self.give_up_on)
        if self.limit is not None and not is_whole(self.limit, 1, MAX_HANDLER_LIMIT):
            _refuse("limit", self.limit, f"a whole number from 1 to {MAX_HANDLER_LIMIT}, or None")
        if self.rate is not None and Rate.parse(self.rate) is None:
            _refuse("rate", self.rate, f'a whole number from 1 to {MAX_HANDLER_LIMIT} and a time, such as "100/minute"')
        if self.by is not None and not is_field_name(self.by):
            _refuse("by", self.by, "the name of a field, or None")
        if self.by is not None and self.limits is None:
            _refuse("by", self.by, "given with a limit or a rate")
        if not _is_unique(self.unique):
            _refuse("unique", self.unique, "True, the name of a field, a tuple of names, or False")

    @property
    def limits(self) -> HandlerLimits | None:
        """Its limits across all processes; None if it has none."""
        if self.limit is None and self.rate is None:
            return None
        return HandlerLimits(self.limit, Rate.parse(self.rate), self.by)

    @classmethod
    def of(cls, given: dict[str, Any]) -> Options:
        """Create options from keyword arguments.

        Raises:
            ConfigError: If one of them is unknown or out of range.
        """
        names = [field.name for field in fields(cls)]
        for name, value in given.items():
            if name not in names:
                near = difflib.get_close_matches(name, names, n=len(names))
                meant = next((one for one in near if cls._takes(one, value)), None)
                hint = f"Did you mean {meant!r}?" if meant else f"There are {', '.join(names)}."
                msg = f"Option {name!r} is unknown. {hint}"
                raise ConfigError(msg)
        return cls(**given)

    @classmethod
    def _takes(cls, name: str, value: object) -> bool:
        given: dict[str, Any] = {name: value}
        with suppress(ConfigError):
            cls(**given)
            return True
        return False


def is_whole(value: object, least: int, most: int | None = None) -> bool:
    """Return whether a user's value is an integer (and not a bool) in a range."""
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    return value >= least and (most is None or value <= most)


def is_field_name(value: object) -> bool:
    """Return whether a user's value can be the name of a field."""
    return isinstance(value, str) and value.isidentifier()


def _is_unique(value: object) -> bool:
    names = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
    return isinstance(value, bool) or (bool(names) and all(map(is_field_name, names)))


def is_finite(value: object, least: float, most: float = math.inf) -> bool:
    """Return whether a user's value is a finite number (and not a bool) in a range."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value) and least <= value <= most
    except OverflowError:  # an int beyond all floats
        return False


def _check_number(option: str, value: object, *, least: float, words: str) -> None:
    if not is_finite(value, least):
        _refuse(option, value, words)


def _check_exceptions(option: str, value: object) -> None:
    if not all(isinstance(one, type) and issubclass(one, BaseException) for one in _items(value)):
        _refuse(option, value, "an exception class, or a tuple of them")


def _items(value: object) -> tuple[object, ...]:
    if value is None:
        return ()
    return cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)


def _refuse(option: str, value: object, words: str) -> None:
    raise ConfigError(f"Option {option}={brief(value)} cannot be used: it must be {words}.")
