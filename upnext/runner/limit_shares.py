"""Whether the limits of handlers can be divided over the partitions of their namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext.broker.handler_id import HandlerId
from upnext.errors import ConfigError
from upnext.log import log

if TYPE_CHECKING:
    from upnext.registry import Registry


def check_limits(registry: Registry) -> None:
    """Refuse limits that the partitions of the settings cannot divide.

    Raises:
        ConfigError: If there is one.
    """
    for problem in _too_small(registry, registry.settings.partitions):
        raise ConfigError(f"{problem}. Raise it, or set UPNEXT_PARTITIONS lower.")


def report_limits(registry: Registry, partitions: int) -> None:
    """Log which limits cannot be divided, now that the namespace has grown to so many partitions."""
    for problem in _too_small(registry, partitions):
        log.error("%s: its jobs wait in those that get no part of it until it is raised", problem)


def _too_small(registry: Registry, partitions: int) -> list[str]:
    return [
        f"Handler {HandlerId.parse(identity).name!r} is limited to {limits}, which cannot be divided over {partitions} "
        "partitions"
        for identity, limits in registry.limits.items()
        if limits.least < partitions
    ]
