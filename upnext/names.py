"""Which names events, workers and handlers may have; the scanner applies the same rule."""

from __future__ import annotations

import re
from typing import Final, cast

from upnext.errors import ConfigError

NAME_PATTERN: Final = r"[A-Za-z_][A-Za-z0-9_.:/-]{0,199}"
_NAME: Final = re.compile(NAME_PATTERN)


_SHOWN: Final = 60


def brief(value: object) -> str:
    """Return a user's value as messages show it: enough of it to recognise it."""
    if isinstance(value, str):
        return repr(value[:_SHOWN]) + "…" * (len(value) > _SHOWN)
    text = repr(value)
    return text if len(text) <= 4 * _SHOWN else f"{text[: 4 * _SHOWN]}…"


def named(function: object) -> str:
    """Return how messages name something passed as a function: its name, or its type if it has none."""
    name = getattr(function, "__name__", None)
    return brief(name) if isinstance(name, str) else f"An object of type {type(function).__name__!r}"


def is_name(value: object) -> bool:
    """Return whether `value` can name an event or a worker."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def check_name(kind: str, value: object) -> str:
    """Return `value` as plain text if it can name an event, a worker or a handler.

    A member of `class Names(str, Enum)` is text as well, but formats as "Names.PLACED": identities would hold that.

    Args:
        kind: What is named, for the message: "event", "worker", "handler", "task" or "namespace".
        value: The name. A handler or a task may also have any name that Python allows for a function.

    Raises:
        ConfigError: If it cannot.
    """
    if isinstance(value, str) and (is_name(value) or (kind in {"handler", "task"} and _is_short_identifier(value))):
        return str.__str__(value)
    msg = (
        f"{kind.capitalize()} name {brief(value)} cannot be used. Start it with a letter or an underscore, go on with "
        "letters, digits, underscores and . : / -, at most 200 characters."
    )
    raise ConfigError(msg)


def check_former_names(event: str, names: object) -> tuple[str, ...]:
    """Return `names` if they can be former names of an event.

    Args:
        event: Its name now.
        names: A tuple of its earlier names.

    Raises:
        ConfigError: If it is not a tuple, or one of them cannot name an event, or is the name that it has now.
    """
    if not isinstance(names, tuple):
        msg = f"Option formerly={brief(names)} of event {event!r} cannot be used: it must be a tuple of earlier names."
        raise ConfigError(msg)
    found = tuple(check_name("event", each) for each in cast("tuple[object, ...]", names))
    if event in found:
        msg = (
            f"Option formerly={brief(found)} of event {event!r} cannot be used: it is the name that the event has now."
        )
        raise ConfigError(msg)
    return found


def _is_short_identifier(value: str) -> bool:
    return value.isidentifier() and len(value) <= 200
