"""Logs, once per event, that an event is sent and stored but nothing has ever listened to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext.log import log
from upnext.settings import without_password

if TYPE_CHECKING:
    from upnext.broker.namespace import Namespace

MOST_REPORTED = 1000
"""Events that are told of, one by one: each is remembered as long as the process runs."""
_reported: set[tuple[str, str, str]] = set()


def tell_of_unheard(event: str, namespace: Namespace) -> None:
    """Log that an event is stored although it has no handlers; only once per event."""
    place = (namespace.url, namespace.name, event)
    if place in _reported or len(_reported) > MOST_REPORTED:
        return
    _reported.add(place)
    if len(_reported) > MOST_REPORTED:
        log.warning(
            "More than %d events are stored that no handler has ever connected for; the others are not told of. See "
            "`upnext doctor`.",
            MOST_REPORTED,
        )
        return
    log.warning(
        "Event %r is stored, but no handler of it has ever connected to namespace %r on %s: it waits for the first "
        "one. If its worker runs, that is of another namespace or server; see `upnext doctor`.",
        event,
        namespace.name,
        without_password(namespace.url),
    )
