"""The classes of upnext, however they are reached, and their subclasses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from upnext_codegen.names.modules import UPNEXT, ExternalName

if TYPE_CHECKING:
    from upnext_codegen.names.values import Value


class Ancestry(Protocol):
    """Determines the ancestors of classes."""

    def ancestors(self, cls: Value) -> list[Value]:
        """A class and all of its ancestors."""
        ...


def public_name(value: Value) -> str:
    """The public full name of something external: `upnext.worker.Worker` is `upnext.Worker`."""
    if not isinstance(value, ExternalName):
        return ""
    top, _, rest = value.name.partition(".")
    return f"{top}.{rest.rpartition('.')[2]}" if top in UPNEXT and rest else value.name


def is_worker_class(ancestry: Ancestry, cls: Value) -> bool:
    """Whether it is `upnext.Worker` or a subclass."""
    return any(public_name(each) == "upnext.Worker" for each in ancestry.ancestors(cls))


def is_event_class(ancestry: Ancestry, cls: Value) -> bool:
    """Whether it is a class of events."""
    return any(public_name(each) in {"upnext.Event", "upnext.TypedEvent"} for each in ancestry.ancestors(cls))


def is_task_class(ancestry: Ancestry, cls: Value) -> bool:
    """Whether it is the class of tasks."""
    return any(public_name(each) == "upnext.Task" for each in ancestry.ancestors(cls))
