"""What counts as ours: the classes of upnext, by whatever way they are reached, and their subclasses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from upnext_codegen.names.modules import OURS, Outside

if TYPE_CHECKING:
    from upnext_codegen.names.values import Value


class Ancestry(Protocol):
    """Knows the ancestors of classes."""

    def ancestors(self, cls: Value) -> list[Value]:
        """A class and everything it inherits from."""
        ...


def our_name(value: Value) -> str:
    """The full name of something outside the project, as users write it: `upnext.worker.Worker` is `upnext.Worker`."""
    if not isinstance(value, Outside):
        return ""
    top, _, rest = value.name.partition(".")
    return f"{top}.{rest.rpartition('.')[2]}" if top in OURS and rest else value.name


def is_worker_class(ancestry: Ancestry, cls: Value) -> bool:
    """Whether it is `upnext.Worker` or a subclass."""
    return any(our_name(each) == "upnext.Worker" for each in ancestry.ancestors(cls))


def is_event_class(ancestry: Ancestry, cls: Value) -> bool:
    """Whether it is a class of events."""
    return any(our_name(each) in {"upnext.Event", "upnext.TypedEvent"} for each in ancestry.ancestors(cls))
