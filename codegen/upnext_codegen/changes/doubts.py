"""Classes that cannot be compared with an earlier state, UPN429: silence must not look like safety."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from upnext_codegen.catalog import lock
from upnext_codegen.changes.shapes import Classes
from upnext_codegen.contract import EventContract
from upnext_codegen.findings import Finding
from upnext_codegen.records import Handler, Place
from upnext_codegen.types import ANY, ClassFacts, Doubt, ModelFacts, Type
from upnext_codegen.types.traversal import classes_in

_WAY_OUT = "look at what changed in it yourself; `upnext explain UPN429` says what keeps a class from being compared"


def doubts(
    earlier: Iterable[EventContract], then: Classes, handlers: Iterable[Handler], now: Classes
) -> Iterator[Finding]:
    """Report classes for which it is unknown what payloads carry of them, now or earlier.

    Args:
        earlier: The earlier contracts.
        then: Facts of their classes.
        handlers: The handlers of their events now.
        now: Facts of today's classes.
    """
    today = [each for handler in handlers for each in _types_of(handler)]
    found = dict(_doubtful(today, now))
    before = [field.type for event in earlier for field in event.fields]
    for name, doubt in _doubtful(before, then):
        facts = now.get(name)
        if name not in found and facts is not None and facts.model is not None:
            found[name] = doubt._replace(file=facts.model.file, place=facts.model.place)
    for name, doubt in sorted(found.items()):
        yield Finding.of(
            code="UPN429",
            message=f'"{name.partition(":")[2]}" cannot be compared: {doubt.reason}',
            place=Place(doubt.file, *doubt.place) if doubt.file else Place(lock.FILE_NAME, 1, 1),
            help=_WAY_OUT,
        )


def _types_of(handler: Handler) -> Iterator[Type]:
    yield from (each.type for each in handler.parameters)
    if handler.extras is not None:
        yield handler.extras


def _doubtful(types: Iterable[Type], classes: Classes) -> Iterator[tuple[str, Doubt]]:
    """Yield the uncertain classes in types, and in the contents of their fields."""
    waiting, seen = [*types], set[str]()
    while waiting:
        for cls in classes_in(waiting.pop()):
            name = f"{cls.module}:{cls.qualname}"
            facts = classes.get(name)
            if facts is None or name in seen:
                continue
            seen.add(name)
            doubt = facts.doubt or _of_members(facts.model)
            if doubt is not None:
                yield name, doubt
            waiting += _held(facts)


def _held(facts: ClassFacts) -> list[Type]:
    if facts.model is not None and facts.model.form != "enum":
        return [each.type for each in facts.model.fields]
    return [*facts.bases] if facts.kind == "newtype" else []


def _of_members(model: ModelFacts | None) -> Doubt | None:
    """Doubts about enums: if the values of members are unknown, nothing is compared."""
    if model is None or model.form != "enum":
        return None
    unknown = next((each.name for each in model.fields if each.type == ANY), None)
    reason = f'the value of its member "{unknown}" is not read'
    return None if unknown is None else Doubt(reason, model.file, model.place)
