"""Messages about a change, kept until the page that follows it has shown them."""

from __future__ import annotations

import secrets
from collections import OrderedDict

_MOST = 100


class Notices:
    """Keeps the lines of recent changes by an id that only their pages know."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, list[tuple[str, str]]] = OrderedDict()

    def add(self, lines: list[tuple[str, str]]) -> str:
        """Store lines, each with its kind ("ok", "warn" or "fail"); return their id."""
        notice = secrets.token_urlsafe(12)
        self._kept[notice] = lines
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return notice

    def get(self, notice: str) -> list[tuple[str, str]]:
        """Return the lines of an id, none if they are no longer stored."""
        return self._kept.get(notice, [])
