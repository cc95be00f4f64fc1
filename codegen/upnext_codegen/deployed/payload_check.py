"""Whether a stored payload can be taken by a handler, by what the sources say of its fields.

Nothing of the user is imported, so less is checked than the worker will: that required fields are there, that a closed
handler gets no others, that JSON is of a kind that the type is read from, members of enums and values of literals,
limits, and the same inside of models, lists, tuples and dicts. Validators, what texts mean beyond their kind, and types
that the sources do not tell are not. What is not certain is taken. A reason names fields and types, and no value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias, cast

from upnext_codegen.catalog.spelling import short_name, spell
from upnext_codegen.changes.constraints import satisfies
from upnext_codegen.changes.scalars import may_be_text_of
from upnext_codegen.changes.shapes import (
    Classes,
    alternatives,
    arguments,
    asks_nothing,
    category,
    class_key,
    items_of,
    model_of,
    typed,
    values_of,
)
from upnext_codegen.contract import Field, Upcast
from upnext_codegen.records import Handler, Parameter, Task
from upnext_codegen.types import ANY, UNKNOWN_CONSTRAINT, ClassType, EnumMember, ModelField, Type, unconstrained


class Problem(NamedTuple):
    """What is wrong with a value, and where inside of it: the names of fields, "[]" for an item."""

    path: str
    text: str

    def within(self, name: str) -> Problem:
        """Return the same problem, of a value that holds this one."""
        joint = "" if not self.path or self.path.startswith("[") else "."
        return Problem(f"{name}{joint}{self.path}", self.text)


Check: TypeAlias = Callable[[Any], Problem | None]

_MISSING, _REFUSED = Problem("", "is missing"), Problem("", "is not taken")
_NUMERIC = frozenset({"decimal:Decimal", "builtins:complex"})


@dataclass(slots=True)
class PayloadChecks:
    """Makes checks of payloads, each once.

    Attributes:
        classes: Facts of the classes that fields are typed with.
    """

    classes: Classes
    _known: dict[tuple[Type, bool], Check | None] = field(default_factory=dict[tuple[Type, bool], "Check | None"])

    def of(self, handlers: Sequence[Handler | Task], upcasts: Sequence[Upcast] = ()) -> Callable[[object], str]:
        """Return what says why a payload cannot be taken by a handler, "" if it can.

        Whatever an upcaster takes is taken: whether what it makes of that suits the handlers is UPN450's question.

        Args:
            handlers: The handler or task; several where it depends on a condition which one it is. One that takes the
                payload will do.
            upcasts: The upcasters of their event.
        """
        first, *others = [self._payload(handler) for handler in handlers]
        others += [self._taken_by(each) for each in upcasts]

        def reason(payload: object) -> str:
            if not isinstance(payload, dict):
                return "the payload is not an object"
            problem = first(payload)
            if problem is None or any(check(payload) is None for check in others):
                return ""
            return f'field "{problem.path}" {problem.text}'

        return reason

    def _payload(self, handler: Handler | Task) -> Check:
        former = {name: each.name for each in handler.parameters for name in each.formerly}
        return self._fields(handler.parameters, handler.extras, former)

    def _taken_by(self, upcast: Upcast) -> Check:
        return self._fields(upcast.takes, ANY, {})

    def _fields(self, fields: Sequence[Parameter | Field], extras: Type | None, former: Mapping[str, str]) -> Check:
        named = {each.name: self.check(each.type) for each in fields}
        required = [each.name for each in fields if each.required]
        is_closed = extras is None
        further = None if extras is None else self.check(extras)

        def check(payload: dict[str, Any]) -> Problem | None:
            if former:
                earlier = {former[name]: value for name, value in payload.items() if name in former}
                payload = earlier | {name: value for name, value in payload.items() if name not in former}
            for name in required:
                if name not in payload:
                    return _MISSING.within(name)
            for name, value in payload.items():
                if name in named:
                    inner = named[name]
                elif is_closed:
                    return _REFUSED.within(name)
                else:
                    inner = further
                if inner is not None and (problem := inner(value)) is not None:
                    return problem.within(name)
            return None

        return check

    def check(self, written: Type, *, takes_bools: bool = True) -> Check | None:
        """Return what checks a value; None where anything is taken, or nothing is certain."""
        key = (written, takes_bools)
        if key not in self._known:
            # A type that holds itself is looked up when a value is there.
            self._known[key] = lambda value: found(value) if (found := self._known[key]) is not None else None
            self._known[key] = self._made(written, takes_bools)
        return self._known[key]

    def _made(self, written: Type, takes_bools: bool) -> Check | None:
        options = alternatives(written, self.classes)
        if asks_nothing(options):
            return None
        checks = [self._one(option, takes_bools) for option in options]
        known = [check for check in checks if check is not None]
        if len(known) < len(checks):
            return None
        if len(known) == 1:
            return known[0]
        refusal = Problem("", f"is not {spell(written, short_name)}")

        def check(value: Any) -> Problem | None:
            inside: list[Problem] = []
            for each in known:
                problem = each(value)
                if problem is None:
                    return None
                if problem.path:
                    inside.append(problem)
            return inside[0] if len(inside) == 1 else refusal

        return check

    def _one(self, written: Type, takes_bools: bool) -> Check | None:
        plain, constraints = unconstrained(written)
        values = values_of(plain, self.classes)
        if values is not None:
            return _one_of(plain, [value for _, value in values])
        what = category(plain, self.classes)
        makers: dict[str, Callable[[], Check]] = {
            # A number with limits takes no bool, wherever it stands.
            "scalar": lambda: _scalar(plain, takes_bools and not constraints),
            "array": lambda: self._array(plain, takes_bools),
            "mapping": lambda: self._mapping(plain, takes_bools),
            "object": lambda: self._object(plain, takes_bools),
        }
        return _limited(makers[what](), plain, constraints) if what in makers else None

    def _array(self, plain: Type, takes_bools: bool) -> Check:
        items = items_of(plain, self.classes)
        inner = [self.check(each, takes_bools=takes_bools) for each in items.types]
        refusal = Problem("", f"is not {spell(plain, short_name)}")
        by_name = self._object(plain, takes_bools, is_closed=True) if items.owner else None

        def check(value: Any) -> Problem | None:
            if not isinstance(value, list):
                return by_name(value) if by_name is not None and isinstance(value, dict) else refusal
            given = cast("Sequence[Any]", value)
            if items.fixed and not items.needed <= len(given) <= len(items.types):
                return refusal
            for number, each in enumerate(given):
                item = inner[number if items.fixed else 0]
                if item is not None and (problem := item(each)) is not None:
                    return problem.within("[]")
            return None

        return check

    def _mapping(self, plain: Type, takes_bools: bool) -> Check:
        inner = self.check(arguments(plain, 2)[1], takes_bools=takes_bools)
        refusal = Problem("", f"is not {spell(plain, short_name)}")

        def check(value: Any) -> Problem | None:
            if not isinstance(value, dict):
                return refusal
            problems = () if inner is None else map(inner, cast("dict[str, Any]", value).values())
            return next((problem.within("[]") for problem in problems if problem is not None), None)

        return check

    def _object(self, plain: Type, takes_bools: bool, *, is_closed: bool = False) -> Check:
        model = model_of(plain, self.classes)
        bools = takes_bools and model.facts.form in {"dataclass", "typeddict"}
        fields = [(each, *_first_and_rest(each), self.check(each.type, takes_bools=bools)) for each in model.fields]
        keys = {key for each in model.fields for key in each.read_keys | each.written_keys}
        is_closed = is_closed or model.facts.extra == "forbid"
        refusal = Problem("", f"is not {spell(plain, short_name)}")

        def check(value: Any) -> Problem | None:
            if not isinstance(value, dict):
                return refusal
            given = cast("dict[str, Any]", value)
            for each, first, others, inner in fields:
                name = first if first in given or not others else next((key for key in others if key in given), first)
                if name not in given:
                    if each.required and given.keys().isdisjoint(each.written_keys):
                        return _MISSING.within(each.name)
                elif inner is not None and (problem := inner(given[name])) is not None:
                    return problem.within(each.name)
            unknown = next((name for name in given if name not in keys), None) if is_closed else None
            return None if unknown is None else _REFUSED.within(unknown)

        return check


def _first_and_rest(read: ModelField) -> tuple[str, list[str]]:
    """The key that a field is most likely read from, and the others."""
    first, *others = sorted(read.read_keys, key=lambda key: (key != read.name, key))
    return first, others


def _one_of(plain: Type, values: Sequence[Any]) -> Check | None:
    if any(isinstance(value, EnumMember | bytes) for value in values):
        return None
    is_enum, text = isinstance(plain, ClassType), spell(plain, short_name)
    refusal = Problem("", f"is no member of {text}" if is_enum else f"is not {text}")
    members, literals = set(values), {typed(value) for value in values}

    def check(value: Any) -> Problem | None:
        if value is not None and not isinstance(value, str | int | float):
            return refusal
        # To an enum 1.0 and true are 1, to a Literal true is not.
        is_one = value in members if is_enum or isinstance(value, float) else typed(value) in literals
        return None if is_one else refusal

    return check


def _scalar(plain: Type, takes_bools: bool) -> Check:
    key, refusal = class_key(plain), Problem("", f"is not {spell(plain, short_name)}")
    is_read = _reader(key, takes_bools)
    return lambda value: None if is_read(value) else refusal


def _reader(key: str, takes_bools: bool) -> Callable[[Any], bool]:
    match key:
        case "builtins:None":
            return lambda value: value is None
        case "builtins:bool":
            return lambda value: isinstance(value, bool)
        case "builtins:int":
            return lambda value: takes_bools if isinstance(value, bool) else isinstance(value, int)
        case "builtins:float":
            return lambda value: takes_bools if isinstance(value, bool) else isinstance(value, int | float)
        case "builtins:str":
            return lambda value: isinstance(value, str)
        case _:
            numbers = key in _NUMERIC
            return lambda value: (
                may_be_text_of(value, key)
                if isinstance(value, str)
                else numbers and isinstance(value, int | float) and not isinstance(value, bool)
            )


def _limited(check: Check, plain: Type, constraints: frozenset[str]) -> Check:
    key = class_key(plain) if isinstance(plain, ClassType) else ""
    pairs = [(name, text) for name, _, text in (each.partition("=") for each in sorted(constraints))]
    known = [(name, text) for name, text in pairs if name != UNKNOWN_CONSTRAINT]
    # Of what is written as text, or has no item twice, the value is not what the limit is about.
    if not known or key not in {"builtins:int", "builtins:float", "builtins:str", "builtins:list", "builtins:dict"}:
        return check

    def limited(value: Any) -> Problem | None:
        problem = check(value)
        if problem is not None:
            return problem
        for name, text in known:
            measured = len(cast("list[Any]", value)) if isinstance(value, list | dict) else value
            is_length = isinstance(value, list | dict)
            if is_length and name not in {"min_length", "max_length"}:
                continue
            kind = {"min_length": "ge", "max_length": "le"}[name] if is_length else name
            if not satisfies(measured, kind, text):
                return Problem("", f"does not satisfy {name}={text}")
        return None

    return limited
