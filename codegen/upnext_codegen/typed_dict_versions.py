"""Fields that reach a TypedDict of `typing`, which pydantic refuses before Python 3.12: UPN110."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from upnext_codegen import messages
from upnext_codegen.findings import Finding
from upnext_codegen.project import Project
from upnext_codegen.records import Handler, Scan, Task
from upnext_codegen.types import ClassFacts, ClassType, Type
from upnext_codegen.types.traversal import classes_in

_Classes: TypeAlias = Mapping[str, ClassFacts]


def refused_typed_dicts(project: Project, scan: Scan) -> Iterator[Finding]:
    """Report the fields of handlers and tasks for which no payload can be checked on Python 3.11."""
    if not any(facts.from_typing for facts in scan.classes.values()) or not project.runs_on_python_311:
        return
    for kind, declared in (("handler", scan.handlers), ("task", scan.tasks)):
        for each in declared:
            yield from _of(each, kind, scan.classes)


def _of(declared: Handler | Task, kind: str, classes: _Classes) -> Iterator[Finding]:
    fields = [(each.place, each.name, each.type) for each in declared.parameters]
    if declared.extras is not None and declared.extras_place is not None:
        fields.append((declared.extras_place, "**kwargs", declared.extras))
    for place, name, written in fields:
        cls = _reached(written, classes)
        if cls is not None:
            yield messages.refused_typed_dict(place, name, kind, declared.name, f"{cls.module}.{cls.qualname}")


def _reached(written: Type, classes: _Classes) -> ClassType | None:
    """The first TypedDict of `typing` in a type, at any depth."""
    waiting, seen = [*classes_in(written)], set[str]()
    while waiting:
        cls = waiting.pop(0)
        key = f"{cls.module}:{cls.qualname}"
        facts = classes.get(key)
        if facts is None or key in seen:
            continue
        seen.add(key)
        if facts.from_typing:
            return cls
        held = [field.type for field in facts.model.fields] if facts.model else []
        # Other classes also have the fields of their bases.
        held += facts.bases if facts.kind == "newtype" else ()
        waiting += [inside for each in held for inside in classes_in(each)]
    return None
