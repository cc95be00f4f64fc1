"""Finds the handlers that a name on the command line means."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from upnext.broker.handler_id import HandlerId
from upnext.cli.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from upnext.broker.namespace import Namespace

_SHOWN = 10


def matches(handler: str, wanted: str | None, event: str | None) -> bool:
    """Return whether a handler is selected.

    Args:
        handler: Its identity, `worker|event|name`; a task has no event, and goes by its own name as one.
        wanted: Its name or identity; None for all.
        event: The name of its event; None for all.
    """
    identity = HandlerId.parse(handler)
    return wanted in {None, identity.name, handler} and event in {None, identity.subject}


def in_words(handler: str) -> str:
    """Return a handler or task as the beginning of a sentence."""
    identity = HandlerId.parse(handler)
    worker, name = visible(identity.worker), visible(identity.name)
    if identity.is_task:
        return f"Task {name!r} (worker {worker!r})"
    return f"Handler {name!r} of {visible(identity.event)!r} (worker {worker!r})"


def one_handler(known: Iterable[str], wanted: str, event: str | None) -> tuple[str | None, str]:
    """Return the one selected handler, or None and the reason.

    Args:
        known: The identities that there are.
        wanted: A name or an identity.
        event: The name of its event, where handlers of several events have that name.
    """
    identities = sorted(set(known))
    found = [handler for handler in identities if matches(handler, wanted, event)]
    if len(found) == 1:
        return found[0], ""
    if found:
        names = ", ".join(map(visible, found[:_SHOWN]))
        return None, f"Several handlers have the name {visible(wanted)!r}: {names}. Pass one of these."
    return None, _none_is_meant(identities, wanted, event)


async def say_if_unknown(namespace: Namespace, wanted: str | None, event: str | None) -> None:
    """Report on standard error that a list is empty because no handler has that name: it may be misspelt."""
    if wanted is None and event is None:
        return
    status = await namespace.status_reader.seen()
    known = [*(queue.handler for queue in status.queues), *status.gone]
    if any(matches(handler, wanted, event) for handler in known):
        return
    print(f"upnext: {_none_is_meant(known, wanted, event)}", file=sys.stderr)


def _none_is_meant(identities: Iterable[str], wanted: str | None, event: str | None) -> str:
    """Return the name that no handler has, or else the event that it does not belong to."""
    known = list(identities)
    named = [HandlerId.parse(handler) for handler in known if matches(handler, wanted, None)]
    if wanted is not None and (event is None or not named):
        names = {HandlerId.parse(handler).name for handler in known}
        return f"There is no handler or task {visible(wanted)!r} here. {_hint(wanted, names)}"
    name, subject = "" if wanted is None else f" {visible(wanted)!r}", event or ""
    return f"There is no handler{name} of {visible(subject)!r} here. {_hint(subject, {one.subject for one in named})}"


def _hint(wanted: str, known: Iterable[str]) -> str:
    import difflib  # noqa: PLC0415 - commands import what they need

    near = difflib.get_close_matches(wanted, sorted(known), n=1)
    return f"Did you mean {visible(near[0])!r}?" if near else "See `upnext handlers list`."
