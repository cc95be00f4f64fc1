"""Telling of what another program has put in the place of upnext's data: one line for each key, whatever it holds."""

from __future__ import annotations

from upnext.broker.replies import shown
from upnext.limits import MAX_FOREIGN_KEYS
from upnext.log import log

_told: set[str] = set()


def warn_foreign(key: str, consequence: str) -> None:
    """Log that a key does not hold what upnext stores there; once for each key in this process.

    Args:
        key: Its name.
        consequence: What upnext does about it, as a clause.
    """
    if key not in _told and len(_told) < MAX_FOREIGN_KEYS:
        _told.add(key)
        log.warning("Another program wrote to %s: %s", shown(key), consequence)
