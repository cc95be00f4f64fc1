"""Checks that the limits of handlers can be divided over the partitions of their namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext.errors import ConfigError
from upnext.log import log

if TYPE_CHECKING:
    from upnext.handler import Handler
    from upnext.registry import Registry


def check_limits(handler: Handler, partitions: int) -> None:
    """Refuse a limit that cannot be divided by that many partitions.

    Raises:
        ConfigError: If the handler has one.
    """
    if problem := _too_small(handler, partitions):
        raise ConfigError(f"{problem}. Raise it, or set UPNEXT_PARTITIONS lower.")


def report_limits(registry: Registry, partitions: int) -> None:
    """Log which limits cannot be divided now that the namespace has grown to that many partitions."""
    for handler in registry.handlers.values():
        if problem := _too_small(handler, partitions):
            log.error("%s: its jobs wait in those that get no part of it until it is raised", problem)


def _too_small(handler: Handler, partitions: int) -> str:
    limits = handler.limits
    if not limits or limits.least >= partitions:
        return ""
    return f"Handler {handler.name!r} is limited to {limits}, which cannot be divided over {partitions} partitions"
