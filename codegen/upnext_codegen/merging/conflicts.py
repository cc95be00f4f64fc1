"""Describes what handlers of one event disagree on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from upnext_codegen.findings import MOST_RELATED, Finding, Related
from upnext_codegen.merging.meet import meet
from upnext_codegen.merging.subtyping import Hierarchy
from upnext_codegen.records import Handler, Parameter, Place, are_arms, is_elsewhere, own_first
from upnext_codegen.types import Type
from upnext_codegen.types.format import distinct_texts

_FIRST = "the first one is here"

_MOST_NAMED = 10
"""How many handlers, or fields of one, a line names; it says how many more there are."""


class Side(NamedTuple):
    """One handler's type for a field, and its place."""

    place: Place
    type: Type
    handler: Handler


def disagreement(event: str, field: str, sides: list[Side], classes: Hierarchy) -> Finding:
    """Report UPN101: no type satisfies all sides."""
    ordered = sorted(sides, key=lambda side: own_first(side.place))
    first = ordered[0]
    by_type: dict[Type, Side] = {}
    for side in ordered[1:]:
        by_type.setdefault(side.type, side)
    against = next((side for side in by_type.values() if meet((first.type, side.type), classes) is None), None)
    listed = ordered[1 : MOST_RELATED + 1]
    others = [against] if against is not None else listed
    distinct = list(dict.fromkeys(side.type for side in (first, *others, *listed)))
    texts = dict(zip(distinct, distinct_texts(tuple(distinct)), strict=True))
    elsewhere = [f'{texts[side.type]} in handler "{side.handler.name}"' for side in others[:_MOST_NAMED]]
    more = 0 if against is not None else len(sides) - 1 - len(elsewhere)
    return Finding.of(
        code="UPN101",
        message=f'field "{field}" of "{event}" is {texts[first.type]} here but '
        + " and ".join([*elsewhere, *([f"{more} more"] if more else [])]),
        place=first.place,
        help=f"make {'both' if len(ordered) == 2 else 'all'} handlers take the same type",
        related=tuple(Related(side.place, f"{texts[side.type]} here") for side in listed),
        not_listed=len(ordered) - 1 - len(listed),
    )


def rejected(event: str, named: list[tuple[Handler, Parameter]], shut: list[Handler]) -> Finding:
    """Report UPN102: a field that one handler requires and another one rejects."""
    place, name = next((item.place, item.name) for _, item in named if item.required)
    return Finding.of(
        code="UPN102",
        message=f'field "{name}" of "{event}" is required here but rejected by {_handlers(shut)}',
        place=place,
        help=f'add "{name}" or **kwargs to {_handlers(shut)}: every handler is given the whole event',
        related=_closed(shut),
        not_listed=max(len(shut) - MOST_RELATED, 0),
        fixable=len(shut) <= MOST_RELATED,
    )


def shut_out(event: str, named: list[tuple[Handler, Parameter]], shut: list[Handler]) -> Finding:
    """Report UPN108: an optional field that cannot be sent because a closed handler would reject it."""
    parameter = named[0][1]
    return Finding.of(
        code="UPN108",
        message=f'field "{parameter.name}" of "{event}" can never be sent: {_handlers(shut)} would reject it',
        place=parameter.place,
        help=f'add "{parameter.name}" or **kwargs to {_handlers(shut)}, or remove the field here',
        related=_closed(shut),
        not_listed=max(len(shut) - MOST_RELATED, 0),
        fixable=len(shut) <= MOST_RELATED,
    )


_TWO_FUNCTIONS = 'rename one of the two functions, or give one another name: @event.on(name="...")'
_TWO_SOURCES = "two sources have it: drop one of them, `upnext pull SOURCE --remove`"


def same_identity(event: str, handlers: tuple[Handler, ...]) -> Iterator[Finding]:
    """Report UPN107: a second handler with an existing identity; branches of one condition count as one handler."""
    known: defaultdict[tuple[str, str], list[Handler]] = defaultdict(list)
    attached: defaultdict[tuple[str, str, Place], list[Handler]] = defaultdict(list)
    for handler in handlers:
        alike = known[handler.worker, handler.name]
        same_function = attached[handler.worker, handler.name, handler.place]
        earlier, again = _not_an_arm(alike, handler), _not_an_arm(same_function, handler)
        alike.append(handler)
        same_function.append(handler)
        if again is not None:
            yield _attached_again(event, again, handler)
        elif earlier is not None:
            yield Finding.of(
                code="UPN107",
                message=_already(event, handler),
                place=handler.place,
                help=_TWO_SOURCES if is_elsewhere(earlier.place) and is_elsewhere(handler.place) else _TWO_FUNCTIONS,
                related=(Related(earlier.place, _FIRST),),
            )


def _not_an_arm(alike: list[Handler], handler: Handler) -> Handler | None:
    return next((each for each in alike if not are_arms(each, handler)), None)


def _attached_again(event: str, first: Handler, second: Handler) -> Finding:
    """Report a function that is attached twice, at both places that attach it."""
    one, other = first.attached or first.place, second.attached or second.place
    return Finding.of(
        code="UPN107",
        message=_already(event, second),
        place=other,
        help='attach the function once, or give it another name here: event.on(name="...")',
        related=() if one == other else (Related(one, _FIRST),),  # A loop attaches through a single call.
    )


def _already(event: str, handler: Handler) -> str:
    return f'"{event}" already has a handler "{handler.name}" on worker "{handler.worker}"'


def _closed(shut: list[Handler]) -> tuple[Related, ...]:
    return tuple(Related(handler.place, _takes(handler)) for handler in shut[:MOST_RELATED])


def _takes(handler: Handler) -> str:
    fields = [f'"{parameter.name}"' for parameter in handler.parameters]
    more = [f"{len(fields) - _MOST_NAMED} more"] if len(fields) > _MOST_NAMED else []
    names = ", ".join([*fields[:_MOST_NAMED], *more])
    return f'"{handler.name}" takes only {names}' if names else f'"{handler.name}" takes no fields'


def _handlers(handlers: list[Handler]) -> str:
    names = [f'"{name}"' for name in dict.fromkeys(handler.name for handler in handlers)]
    if len(names) > _MOST_NAMED:
        names = [*names[:_MOST_NAMED], f"{len(names) - _MOST_NAMED} more"]
    *most, last = names
    return f"handler {last}" if not most else f"handlers {', '.join(most)} and {last}"
