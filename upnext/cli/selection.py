"""Which handlers a name on the command line means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext.broker.handler_id import HandlerId
from upnext.cli.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN = 10


def matches(handler: str, wanted: str | None, event: str | None) -> bool:
    """Say whether a handler is meant.

    Args:
        handler: Its identity, `worker|event|name`; a task has no event, and goes by its own name as one.
        wanted: Its name or identity; None for all.
        event: The name of its event; None for all.
    """
    identity = HandlerId.parse(handler)
    return wanted in {None, identity.name, handler} and event in {None, identity.subject}


def one_handler(known: Iterable[str], wanted: str, event: str | None) -> tuple[str | None, str]:
    """Return the one handler that is meant, or None and why there is none.

    Args:
        known: The identities that there are.
        wanted: A name or an identity.
        event: The name of its event, where handlers of several events have that name.
    """
    import difflib  # noqa: PLC0415 - commands import what they need

    identities = sorted(set(known))
    found = [handler for handler in identities if matches(handler, wanted, event)]
    if len(found) == 1:
        return found[0], ""
    if found:
        names = ", ".join(map(visible, found[:_SHOWN]))
        return None, f"Several handlers have the name {visible(wanted)!r}: {names}. Pass one of these."
    near = difflib.get_close_matches(wanted, [HandlerId.parse(handler).name for handler in identities], n=1)
    hint = f"Did you mean {visible(near[0])!r}?" if near else "See `upnext handlers list`."
    return None, f"There is no handler {visible(wanted)!r} here. {hint}"
