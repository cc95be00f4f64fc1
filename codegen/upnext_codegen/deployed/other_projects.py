"""Conflicts between the new handlers and the deployed ones of other projects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from upnext_codegen.changes.compare import by_event
from upnext_codegen.changes.shapes import Classes
from upnext_codegen.changes.wire import Wire
from upnext_codegen.deployed.orders import NO_ORDER
from upnext_codegen.findings import Finding
from upnext_codegen.records import Handler, Place
from upnext_codegen.types.format import distinct_texts


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field that no send can set so that both handlers accept it.

    Attributes:
        field: Its name.
        place: Where the handler of this project says what it takes.
        message: What is wrong, without the other handler.
    """

    field: str
    place: Place
    message: str


def conflicts(
    own: Iterable[Handler],
    classes: Classes,
    others: Iterable[Handler],
    their_classes: Classes,
    before: Iterable[Handler],
) -> Iterator[tuple[str, str, Finding]]:
    """Report UPN435: what a change in this project makes impossible to send.

    Args:
        own: The handlers of the new code.
        classes: Facts of the classes that their fields are typed with.
        others: The deployed handlers of other projects.
        their_classes: Facts of the classes of what is deployed.
        before: This project's handlers as they are deployed; what they conflict in already is not reported.

    Yields:
        The event, the field and the finding.
    """
    grouped, deployed = by_event(own), {(each.event, each.identity): each for each in before}
    for other in others:
        for handler in grouped[other.event]:
            known = deployed.get((handler.event, handler.identity))
            old = (
                set[str]()
                if known is None
                else {each.field for each in _between(known, their_classes, other, their_classes)}
            )
            for each in _between(handler, classes, other, their_classes):
                if each.field not in old:
                    finding = Finding.of(
                        code="UPN435",
                        message=f'field "{each.field}" of "{handler.event}" {each.message} handler "{other.name}" of '
                        f'worker "{other.worker}", which is deployed: no send suits both',
                        place=each.place,
                        help=f'{NO_ORDER}: agree with those who deploy worker "{other.worker}", whose handler has to '
                        "take it first",
                    )
                    yield handler.event, each.field, finding


def _between(one: Handler, classes: Classes, other: Handler, their_classes: Classes) -> Iterator[Conflict]:
    parameters_there = {each.name: each for each in other.parameters}
    accepted_there = {name: each for each in other.parameters for name in each.formerly} | parameters_there
    named = {name for each in one.parameters for name in (each.name, *each.formerly)}
    there, back = Wire(classes, their_classes), Wire(their_classes, classes)
    for each in one.parameters:
        if each.name not in accepted_there:
            if each.required and other.extras is None:
                yield Conflict(each.name, each.place, "is required here and refused by")
            continue
        here, elsewhere = each.type, accepted_there[each.name].type
        if not there.fits(here, elsewhere) and not back.fits(elsewhere, here):
            mine, other_text = distinct_texts((here, elsewhere))
            yield Conflict(each.name, each.place, f"is {mine} here and {other_text} in")
    for name, parameter in parameters_there.items():
        if name not in named and parameter.required and one.extras is None:
            yield Conflict(name, one.place, "is refused here and required by")
