"""Fields whose classes contain, at any depth, something that cannot travel as JSON: UPN106.

When a worker starts, the runtime refuses a dataclass with a field of a plain class just as it refuses the class itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from upnext_codegen import messages
from upnext_codegen.findings import Finding
from upnext_codegen.handlers.canonical import is_refused
from upnext_codegen.handlers.unsendable import unsendable
from upnext_codegen.records import Handler, Scan, Task
from upnext_codegen.types import ClassFacts, ClassType, Type
from upnext_codegen.types.traversal import classes_in

_CHECKED_LATE = frozenset({"dataclass", "namedtuple", "typeddict"})
"""Classes that pydantic reads when a worker starts; a model is read when its class is made."""


def unsendable_parts(scan: Scan) -> Iterator[Finding]:
    """Report the fields of handlers and tasks whose classes contain something that cannot travel."""
    everything: list[Handler | Task] = [*scan.handlers, *scan.tasks]
    for declared in everything:
        yield from _of(declared, scan.classes)


def _of(declared: Handler | Task, classes: dict[str, ClassFacts]) -> Iterator[Finding]:
    for each in declared.parameters:
        found = next(_parts(each.type, classes), None)
        # A type that cannot be sent itself is reported where the annotation is read.
        if found is not None and unsendable(each.type, classes) is None:
            owner, field, (cls, reason) = found
            name = f"{cls.module}.{cls.qualname}"
            yield messages.unserializable_part(each.place, f"{owner.module}.{owner.qualname}", field, name, reason)


def _parts(written: Type, classes: dict[str, ClassFacts]) -> Iterator[tuple[ClassType, str, tuple[ClassType, str]]]:
    """Yield the fields in a type that cannot travel, each with its class and the obstacle."""
    waiting, seen = [*classes_in(written)], set[ClassType]()
    while waiting:
        cls = waiting.pop(0)
        facts = classes.get(f"{cls.module}:{cls.qualname}")
        if facts is None or cls in seen or facts.model is None or facts.model.form == "enum":
            continue
        seen.add(cls)
        for field in facts.model.fields:
            found = unsendable(field.type, classes) if field.required or facts.kind in _CHECKED_LATE else None
            if found is not None and _is_refused(found[0], classes):
                yield cls, field.name, found
            waiting += classes_in(field.type)


def _is_refused(cls: ClassType, classes: dict[str, ClassFacts]) -> bool:
    """Whether every worker with it refuses to start; with a `Callable` inside a class one starts, but no send works."""
    return f"{cls.module}:{cls.qualname}" in classes or is_refused(cls.module, cls.qualname)
