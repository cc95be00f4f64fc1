"""Describes, for people, how deployed handlers differ from those of a lock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from upnext_codegen.changes.shapes import Classes
from upnext_codegen.changes.wire import Wire
from upnext_codegen.contract import Contract, EventContract
from upnext_codegen.deployed.fleet import PublishedContract, deployed_handlers
from upnext_codegen.records import Handler
from upnext_codegen.types import Type
from upnext_codegen.types.format import distinct_texts


class DeployedDifference(NamedTuple):
    """One difference.

    Attributes:
        event: The event's name.
        handler: The handler, with its worker.
        change: What differs, in words.
    """

    event: str
    handler: str
    change: str


def differences(published: Iterable[PublishedContract], contract: Contract) -> list[DeployedDifference]:
    """Compare what is deployed with a lock, of which tasks are not part.

    A lock says which fields each handler asks for, and of what type a field is for all of them.
    """
    deployed: defaultdict[tuple[str, str, str], list[PublishedContract]] = defaultdict(list)
    for each in published:
        if each.event:
            deployed[each.identity].append(each)
    events = {event.name: event for event in contract.events}
    locked = {(receiver.worker, event.name, receiver.name) for event in contract.events for receiver in event.receivers}
    found = [
        DeployedDifference(event, f"{name} of {worker}", "is not deployed")
        for worker, event, name in locked - deployed.keys()
    ]
    for identity, versions in deployed.items():
        worker, event, name = identity
        for each in versions:
            changes = (
                _changes(each, events[event], contract.classes)
                if identity in locked
                else ["is deployed, and not in the lock"]
            )
            found += [DeployedDifference(event, f"{name} of {worker}{_release(each)}", change) for change in changes]
    return sorted(set(found))


def _release(published: PublishedContract) -> str:
    named = ", ".join(filter(None, published.releases))
    return f" ({named})" if named else ""


def _changes(published: PublishedContract, event: EventContract, classes: Classes) -> Iterator[str]:
    (receiver,) = [each for each in event.receivers if (each.worker, each.name) == (published.worker, published.name)]
    if published.module != receiver.module:
        yield f"is deployed from {published.module}, and from {receiver.module} in the lock"
    if published.schema is None:
        yield "does not say what it takes"
        return
    deployed = deployed_handlers([published])
    (handler,) = deployed.handlers
    if receiver.closed and handler.extras is not None:
        yield "takes further fields, and refuses them in the lock"
    if not receiver.closed and handler.extras is None:
        yield "refuses further fields, and takes them in the lock"
    there, back = Wire(deployed.classes, classes), Wire(classes, deployed.classes)
    yield from _fields(
        handler, event, receiver.identity, lambda one, other: there.fits(one, other) and back.fits(other, one)
    )


def _fields(
    handler: Handler, event: EventContract, identity: str, is_same: Callable[[Type, Type], bool]
) -> Iterator[str]:
    named = {each.name: each for each in handler.parameters}
    locked = {field.name: field for field in event.fields}
    asked = {
        field.name: asker.required for field in event.fields for asker in field.asked_by if asker.identity == identity
    }
    for name in sorted(named.keys() | asked.keys()):
        if name not in asked:
            # A field that another handler rejects is in no lock.
            if name in locked or named[name].required or all(not each.closed for each in event.receivers):
                yield f'takes "{name}", and not in the lock'
        elif name not in named:
            yield f'does not name "{name}", which it does in the lock'
        else:
            if named[name].required != asked[name]:
                yield f'{_needs(named[name].required)} "{name}", and {_needs(asked[name])} it in the lock'
            here, there = named[name].type, locked[name].type
            # A lock has the type that suits all handlers: if there are several, it says little about this one.
            if len(locked[name].asked_by) == 1 and not is_same(here, there):
                was, now = distinct_texts((here, there))
                other = f"{now} in the lock" if was != now else f"another {now} in the lock"
                yield f'takes "{name}" as {was}, and as {other}'


def _needs(required: bool) -> str:
    return "requires" if required else "does not require"
