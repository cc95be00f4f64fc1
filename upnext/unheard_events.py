"""Says of events that are sent, and kept, that nothing has ever listened to them: once each, in their sender's log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext.log import log
from upnext.settings import without_password

if TYPE_CHECKING:
    from upnext.broker.namespace import Namespace

_MOST = 1000  # events that are remembered
_told: set[tuple[str, str, str]] = set()


def tell_of_unheard(event: str, namespace: Namespace) -> None:
    """Log that an event is stored without any handler that it could go to; the next time, say nothing."""
    place = (namespace.url, namespace.name, event)
    if place in _told or len(_told) >= _MOST:
        return
    _told.add(place)
    log.warning(
        "Event %r is stored, but no handler of it has ever connected to namespace %r on %s: it waits for the first "
        "one. If its worker runs, that is of another namespace or server; see `upnext doctor`.",
        event,
        namespace.name,
        without_password(namespace.url),
    )
