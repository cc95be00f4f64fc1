"""Renders the stub: every contract of a project as classes that type checkers understand."""

from __future__ import annotations

import keyword
import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from upnext_codegen.catalog import stub_names
from upnext_codegen.catalog.class_names import class_names, digest
from upnext_codegen.catalog.stub_names import StubNames, modules_of
from upnext_codegen.contract import Contract, EventContract, Field
from upnext_codegen.escaped_text import quote, visible
from upnext_codegen.files.generated import MARK
from upnext_codegen.types import ANY, ClassFacts, ModelField, Type
from upnext_codegen.types.format import Namer, spell
from upnext_codegen.types.traversal import classes_in

FORMAT = 1
"""Changes with the shape of the stub, never with a release that leaves it alone."""

MOST_EVENTS = 300
"""Above so many, type checkers take too long to choose one of as many overloads, so the stub has two levels of them."""

NOTHING_SHARED: Mapping[str, str] = MappingProxyType({})

_HEAD = f"""\
{MARK}, catalog format {FORMAT}. Do not edit: `upnext gen` writes this file again.
# fmt: off
# isort: skip_file
# flake8: noqa
# ruff: noqa: PGH004"""
"""Formatters and linters, ruff among them, leave a file alone that says so."""

MODULE = f'''\
{_HEAD}
"""Upnext's worker; beside this file it is typed by the handlers of the project, so import it from here."""

from upnext import Worker

__all__ = ["Worker"]
'''
"""The module that a stub types which is not `upnext_catalog`."""


class _EventText(NamedTuple):
    """The template's data about a typed event; every text in it is valid in Python source."""

    name: str
    parameters: tuple[str, ...]
    extras: str
    summary: str
    receivers: tuple[str, ...]
    fields: tuple[str, ...]
    asked: tuple[str, ...]
    results: tuple[str, ...]


class _PayloadText(NamedTuple):
    """The template's data about a TypedDict for a payload of another project.

    Attributes:
        name: Its name.
        keys: Its keys, each ready to stand where it has to: `name: type` in a class, `"name": type` in a call.
        is_class: Whether all keys can be written in a class.
    """

    name: str
    keys: tuple[str, ...]
    is_class: bool


class _OverloadText(NamedTuple):
    """The template's data about one overload of `event`."""

    literal: str
    type: str


class _WorkerText(NamedTuple):
    """The template's data about a worker with its own events."""

    name: str
    literal: str
    overloads: tuple[_OverloadText, ...]


class _MemberText(NamedTuple):
    """The template's data about an event in a group, in a large catalog."""

    literal: str
    text: _EventText
    sync_parameters: tuple[str, ...]


class _GroupText(NamedTuple):
    """The template's data about a group: events that share a class, generic in the name."""

    number: int
    literals: tuple[str, ...]
    events: tuple[_MemberText, ...]


def render(
    contract: Contract,
    importable: frozenset[str] | None = None,
    findings: Iterable[str] = (),
    shared: Mapping[str, str] = NOTHING_SHARED,
    *,
    own: bool = False,
) -> str:
    """Write the stub of a project, or of one of its import roots.

    Args:
        contract: All its events.
        importable: The modules that code under this root can import, None for all; a type of another one is `Any`.
        findings: The errors in the project's sources as `anchors.anchored` tells them, for the mypy plugin.
        shared: What modules are imported as that the contract names otherwise.
        own: Whether it is the stub of `MODULE`, with a `Worker`, not that of `upnext_catalog`, with its base class.

    Up to `MOST_EVENTS` each event has a class, and `event` an overload. Above, each worker has a class with the
    overloads of its own events, if the sources allow that (`Contract.workers`). Else `event` has an overload for each
    group of events, which gives a class generic in the name; descriptors lead from there to the event's own send.

    Returns:
        Python source with Unix line ends, the same for the same contract on every machine.
    """
    events = tuple(_limited(event, importable) for event in contract.events)
    names = class_names(event.name for event in events)
    typed = [event for event in events if event.receivers]
    payloads = _payloads(typed, contract.classes, importable)
    stub = _stub_names(typed, payloads, shared)
    always = {"head": _HEAD, "own": own, "findings": [*map(quote, findings)], "payloads": _texts_of(payloads, stub)}
    if len(typed) > MOST_EVENTS and _is_divided(contract):
        return _template("workers.pyi.j2").render(
            always,
            imports=_imports(stub, payloads, typed=True, overloaded=True, workers=True, own=own),
            typed=[_event_text(event, names[event.name], stub, "") for event in typed],
            workers=_workers(contract, names),
        )
    if len(typed) > MOST_EVENTS:
        return _template("large.pyi.j2").render(
            always,
            imports=_imports(stub, payloads, typed=True, overloaded=True, own=own),
            groups=_groups(typed, names, stub),
        )
    is_overloaded = bool(typed) or 0 < len(events) <= MOST_EVENTS
    return _template("catalog.pyi.j2").render(
        always,
        imports=_imports(stub, payloads, typed=bool(typed), overloaded=is_overloaded, own=own),
        typed=[_event_text(event, names[event.name], stub) for event in typed],
        overloads=_overloads(events if len(events) <= MOST_EVENTS else typed, names),
    )


def _overloads(events: Sequence[EventContract], names: Mapping[str, str]) -> list[_OverloadText]:
    return [
        _OverloadText(quote(event.name), names[event.name] if event.receivers else "_upnext_event.DynamicEvent")
        for event in events
    ]


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=PackageLoader("upnext_codegen.catalog"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Python source, escaped by escaped_text.quote
    )
    return environment.get_template(name)


def _is_divided(contract: Contract) -> bool:
    """Whether every worker has so few events that overloads per worker suffice."""
    return bool(contract.workers) and all(len(events) <= MOST_EVENTS for _, events in contract.workers)


def _workers(contract: Contract, names: Mapping[str, str]) -> list[_WorkerText]:
    own = class_names(worker for worker, _ in contract.workers)
    typed = {event.name for event in contract.events if event.receivers}
    return [
        _WorkerText(
            f"{own[worker]}Worker",
            quote(worker),
            tuple(_OverloadText(quote(event), names[event]) for event in events if event in typed),
        )
        for worker, events in contract.workers
        if typed.intersection(events)
    ]


def _groups(events: Iterable[EventContract], names: dict[str, str], namer: Namer) -> list[_GroupText]:
    """Sort events into groups by their own names alone, so that an additional event changes one group."""
    known = list(events)
    count = 1 << round(math.log2(len(known)) / 2)
    groups: defaultdict[int, list[_MemberText]] = defaultdict(list)
    for event in known:
        text = _event_text(event, names[event.name], namer)
        receiver = (
            f"{_free('_self', {field.name for field in event.fields})}: {text.name}SendSync | {text.name}Send._Asked"
        )
        member = _MemberText(quote(event.name), text, (receiver, *text.parameters[1:]))
        groups[int(digest(event.name), 16) % count].append(member)
    return [
        # A type variable needs at least two constraints; no event has an empty name.
        _GroupText(
            number, (*(member.literal for member in members), *(['""'] if len(members) == 1 else [])), tuple(members)
        )
        for number, members in sorted(groups.items())
    ]


def _limited(event: EventContract, importable: frozenset[str] | None) -> EventContract:
    if importable is None:
        return event
    fields = tuple(
        field if modules_of(field.type) <= importable else Field(field.name, ANY, field.required, field.asked_by)
        for field in event.fields
    )
    extras = event.extras
    if extras is not None and not modules_of(extras) <= importable:
        extras = ANY
    return event._replace(fields=fields, extras=extras)


def _stub_names(
    events: Iterable[EventContract], payloads: Mapping[str, tuple[ModelField, ...]], shared: Mapping[str, str]
) -> StubNames:
    inside = (field.type for fields in payloads.values() for field in fields)
    return StubNames((*(written for event in events for written in _types(event)), *inside), shared)


def _payloads(
    events: Iterable[EventContract], classes: Mapping[str, ClassFacts], importable: frozenset[str] | None
) -> dict[str, tuple[ModelField, ...]]:
    """Return the TypedDicts that events need, by name: the keys of each, with what can be imported."""
    found: dict[str, tuple[ModelField, ...]] = {}
    waiting = [written for event in events for written in _types(event)]
    while waiting:
        for owner in classes_in(waiting.pop()):
            if owner.module == stub_names.CATALOG and owner.qualname not in found:
                facts = classes.get(f"{owner.module}:{owner.qualname}")
                fields = facts.model.fields if facts and facts.model else ()
                found[owner.qualname] = tuple(
                    field if importable is None or modules_of(field.type) <= importable else field._replace(type=ANY)
                    for field in fields
                )
                waiting += [field.type for field in found[owner.qualname]]
    return found


def _texts_of(payloads: Mapping[str, tuple[ModelField, ...]], namer: Namer) -> list[_PayloadText]:
    return [_payload_text(name, fields, namer) for name, fields in sorted(payloads.items())]


def _payload_text(name: str, fields: tuple[ModelField, ...], namer: Namer) -> _PayloadText:
    # In a class, Python would mangle a name that begins with two underscores.
    is_class = all(_is_keyword(field.name) and not field.name.startswith("__") for field in fields)
    texts = [spell(field.type, namer) for field in fields]
    types = [text if field.required else f"_NotRequired[{text}]" for field, text in zip(fields, texts, strict=True)]
    keys = [field.name if is_class else quote(field.name) for field in fields]
    return _PayloadText(name, tuple(f"{key}: {text}" for key, text in zip(keys, types, strict=True)), is_class)


def _imports(
    stub: StubNames,
    payloads: Mapping[str, tuple[ModelField, ...]],
    *,
    typed: bool,
    overloaded: bool,
    own: bool,
    workers: bool = False,
) -> list[str]:
    has_optional_keys = any(not field.required for fields in payloads.values() for field in fields)
    lines = {
        **stub_names.ALWAYS,
        **(stub_names.TYPED if typed else {}),
        **(stub_names.OVERLOADED if overloaded else {}),
        **(stub_names.WORKERS if workers else {}),
        **(stub_names.MODULE if own else {}),
        **(stub_names.ANY if stub.uses_any else {}),
        **(stub_names.PAYLOADS if has_optional_keys else {}),
        **stub.imports(),
    }
    return sorted(lines.values())


def _event_text(event: EventContract, name: str, namer: Namer, suffix: str = "Send") -> _EventText:
    fields = _nameable(event)
    taken = {field.name for field in fields}
    receiver = f"{_free('_self', taken)}: {name}{suffix} | _Asked"
    parameters = [receiver, "/", *(["*"] if fields else [])]
    parameters += [_parameter(field, namer) for field in fields]
    extras = [f"**{_free('extra', taken)}: {spell(written, namer)}" for written in _extras_type(event)]
    count = len(event.receivers)
    names, keys = event.names, event.result_keys
    return _EventText(
        name=name,
        parameters=tuple(parameters),
        extras="".join(extras),
        summary=f"Send `{_prose(event.name)}` to {'its handler' if count == 1 else f'its {count} handlers'}.",
        receivers=tuple(_prose(f"{names[item.identity]}: {item.module}") for item in event.receivers),
        fields=tuple(_prose(line) for line in _field_lines(event, fields)),
        asked=(quote(event.name), *(quote(line) for line in _asked_lines(event, fields))),
        results=tuple(f"{quote(keys[item.identity])}: {spell(item.returns, namer)}" for item in event.receivers),
    )


def _parameter(field: Field, namer: Namer) -> str:
    return f"{field.name}: {spell(field.type, namer)}{'' if field.required else ' = ...'}"


def _nameable(event: EventContract) -> tuple[Field, ...]:
    """Return the fields that can be written as keywords; keys of a TypedDict may be any text."""
    return tuple(field for field in event.fields if _is_keyword(field.name))


def _is_keyword(name: str) -> bool:
    """Whether a call can pass it by keyword; Python folds identifiers, so one that is not folded is never passed."""
    return name.isidentifier() and not keyword.iskeyword(name) and unicodedata.normalize("NFKC", name) == name


def _types(event: EventContract) -> tuple[Type, ...]:
    returned = (receiver.returns for receiver in event.receivers)
    return (*(field.type for field in _nameable(event)), *_extras_type(event), *returned)


def _extras_type(event: EventContract) -> tuple[Type, ...]:
    if len(_nameable(event)) < len(event.fields):
        return (ANY,)
    return () if event.extras is None else (event.extras,)


def _field_lines(event: EventContract, fields: Iterable[Field]) -> Iterable[str]:
    names = event.names
    for field in fields:
        require = [names[asker.identity] for asker in field.asked_by if asker.required]
        read = [names[asker.identity] for asker in field.asked_by if not asker.required]
        words = ([f"required by {', '.join(require)}"] if require else []) + (
            [f"optional for {', '.join(read)}"] if read else []
        )
        yield f"{field.name}: {'; '.join(words)}"


def _asked_lines(event: EventContract, fields: Iterable[Field]) -> Iterable[str]:
    """List for each handler which fields it names, marking those with a default by `=`."""
    asked: defaultdict[str, list[str]] = defaultdict(list)
    for field in fields:
        for asker in field.asked_by:
            asked[asker.identity].append(field.name if asker.required else f"{field.name}=")
    names = event.names
    for receiver in event.receivers:
        where = receiver.file or receiver.module
        yield f"{names[receiver.identity]} in {where}: {' '.join(asked[receiver.identity])}"


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _prose(text: str) -> str:
    """Return text that is safe inside a docstring."""
    return visible(text).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
