"""Decides whether upcasters turn an old payload into one that a handler takes, step by step as at run time.

A state is what is known about a payload: its fields, each with its type. An upcaster replaces the fields that it names
by those that it returns; the others stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from upnext_codegen.changes.shapes import Classes
from upnext_codegen.changes.wire import Wire
from upnext_codegen.contract import EventContract, Field, Upcast
from upnext_codegen.records import Handler, Parameter
from upnext_codegen.types import ANY, ClassFacts, Type
from upnext_codegen.types.format import distinct_texts

Upcasts: TypeAlias = Mapping[str, Sequence[Upcast]]
"""The upcasters of events, by the event's name; also by its former ones."""

NO_UPCASTS: Upcasts = MappingProxyType({})


class Known(NamedTuple):
    """What is known about a field.

    Attributes:
        type: Its type.
        required: Whether every payload has it.
        is_old: Whether its type is of the earlier state, and its classes as they were then.
    """

    type: Type
    required: bool
    is_old: bool = False


State: TypeAlias = Mapping[str, Known]


class Way(NamedTuple):
    """The result of following upcasters.

    Attributes:
        bridges: Whether that is a payload that suits.
        used: The upcasters that were used, in order.
        reason: Why not.
        is_cycle: Whether one that was used would take it again.
    """

    bridges: bool
    used: tuple[Upcast, ...] = ()
    reason: str = ""
    is_cycle: bool = False


@dataclass(slots=True)
class Bridges:
    """Follows upcasters.

    Attributes:
        upcasts: The upcasters.
        classes: Facts of today's classes.
        earlier: Facts of the classes of the earlier state.
    """

    upcasts: Upcasts
    classes: Classes
    earlier: Classes = field(default_factory=dict[str, ClassFacts])
    _wires: dict[bool, Wire] = field(default_factory=dict[bool, Wire])

    def over(self, event: EventContract, handler: Handler) -> Way:
        """Follow payloads that an earlier contract allowed to a current handler."""
        upcasts = self.upcasts.get(event.name, ())
        state = {each.name: Known(each.type, each.required, is_old=True) for each in event.fields}
        return self.follow(state, upcasts, lambda reached: self.refusal(reached, handler))

    def follow(self, state: State, upcasts: Iterable[Upcast], suits: Callable[[State], str]) -> Way:
        """Follow upcasters from a payload until the handler takes it.

        Args:
            state: The payload.
            upcasts: The upcasters, each of which is used once.
            suits: Returns why a payload does not suit, "" if it does.
        """
        left = sorted(upcasts, key=lambda each: -sum(one.required for one in each.takes))
        used: list[Upcast] = []
        reason = ""
        while True:
            refusals = {each.name: self._refused_by(state, each) for each in left}
            step = next((each for each in left if not refusals[each.name]), None)
            if step is None:
                if not used and left:
                    reason = f'"{left[0].name}" does not take it: {refusals[left[0].name]}'
                return Way(False, tuple(used), reason, any(not self._refused_by(state, each) for each in used))
            left.remove(step)
            used.append(step)
            if step.gives is None:
                return Way(True, tuple(used))  # Its result is not declared, and trusted.
            state = after(state, step)
            reason = suits(state)
            if not reason:
                return Way(True, tuple(used))
            reason = f'what "{step.name}" gives is not taken: {reason}'

    def refusal(self, state: State, handler: Handler) -> str:
        """Return why a handler does not take a payload, "" if it does."""
        reason = self._refusal(state, handler.parameters, handler.extras)
        return f'{reason} in handler "{handler.name}"' if reason else ""

    def takes(self, first: Upcast, second: Upcast) -> bool:
        """Return whether an upcaster takes another one's result."""
        return first.gives is not None and not self._refused_by(given(first), second)

    def _refused_by(self, state: State, upcast: Upcast) -> str:
        return self._refusal(state, upcast.takes, ANY)

    def _refusal(self, state: State, asked: Sequence[Field | Parameter], extras: Type | None) -> str:
        named = {name for each in asked for name in (each.name, *each.formerly)}
        for each in asked:
            name, written, required = each.name, each.type, each.required
            known = next((state[one] for one in (name, *each.formerly) if one in state), None)
            if known is None and required:
                return f'"{name}" is missing'
            if known is not None and required and not known.required:
                return f'"{name}" may be missing'
            if known is not None and not self._wire(known).fits(known.type, written):
                was, now = distinct_texts((known.type, written))
                return f'"{name}" is {was}, not {now if now != was else f"another {now}"}'
        for name, known in state.items():
            if name not in named and extras is None:
                return f'"{name}" is refused'
            if name not in named and extras is not None and not self._wire(known).fits(known.type, extras):
                return f'"{name}" is {distinct_texts((known.type, extras))[0]}, which **kwargs does not take,'
        return ""

    def _wire(self, known: Known) -> Wire:
        if known.is_old not in self._wires:
            self._wires[known.is_old] = Wire(self.earlier if known.is_old else self.classes, self.classes)
        return self._wires[known.is_old]


def given(upcast: Upcast) -> State:
    """Return the fields that an upcaster returns, as far as it declares them."""
    return {each.name: Known(each.type, each.required) for each in upcast.gives or ()}


def after(state: State, upcast: Upcast) -> State:
    """Return the payload after an upcaster."""
    named = {each.name for each in upcast.takes}
    return {**{name: known for name, known in state.items() if name not in named}, **given(upcast)}
