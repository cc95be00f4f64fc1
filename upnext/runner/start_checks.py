"""Checks a worker's declarations before it takes jobs, and refuses what cannot run, with its location."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext.handler import check_named_fields
from upnext.places import naming_place
from upnext.runner.limit_shares import check_limits
from upnext.runner.scheduler import check_schedule

if TYPE_CHECKING:
    from upnext.registry import Registry


def check_declarations(registry: Registry) -> None:
    """Build the schemas of handlers, tasks and upcasters, and check their limits and schedules.

    Raises:
        ConfigError: If one of them cannot run.
    """
    partitions = registry.settings.partitions
    for identity, handler in registry.handlers.items():
        with naming_place(handler.function):
            handler.signature.prepare()
            check_named_fields(handler)
            if identity in registry.schedules:
                check_schedule(handler)
            check_limits(handler, partitions)
    for upcaster in (each for upcasters in registry.upcasters.values() for each in upcasters):
        with naming_place(upcaster.function):
            upcaster.prepare()
