"""What a project that has not generated its catalog yet sees: every event is untyped.

`upnext gen` writes `upnext_catalog.pyi` at a project's import root. Type checkers then read that file in place of this
package, and `Worker.event("order.placed")` has the type of that event. At run time there is only this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    from upnext.event import DynamicEvent


class Catalog:
    """The part of `upnext.Worker` that a generated catalog re-types."""

    def event(
        self, name: str, *, extra: Literal["allow", "forbid"] | None = None, formerly: tuple[str, ...] = ()
    ) -> DynamicEvent:
        """Declare an event; the same name anywhere in a project is the same event.

        Args:
            name: The event's name, with dots to group events by domain: "order.placed".
            extra: "forbid" refuses fields that no handler names, "allow" lets them pass to handlers with `**kwargs`;
                by default the project's setting holds.
            formerly: Names that the event had before. Its handlers on this worker take what is queued, and what is
                still sent, under these as well.

        Raises:
            upnext.ConfigError: If one of them cannot be used.
        """
        return cast("DynamicEvent", self.declare_event(name, extra, formerly))

    def declare_event(self, name: str, extra: str | None, formerly: tuple[str, ...]) -> object:
        """Make the event; `upnext.Worker` does."""
        raise NotImplementedError
