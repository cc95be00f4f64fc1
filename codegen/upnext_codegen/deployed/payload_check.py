"""Decides whether a handler can take a stored payload, from what the sources say about its fields.

No user code is imported, so the check is weaker than the worker's. Checked are required fields, unknown fields of a
closed handler, JSON kinds, enum members, literal values and limits, also inside models, lists, tuples and dicts. Not
checked are validators, the contents of texts, and types that the sources do not reveal. What is uncertain passes. A
reason names fields and types, but no value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from pydantic_core import SchemaValidator, core_schema, from_json

from upnext_codegen.changes.shapes import (
    Classes,
    alternatives,
    arguments,
    asks_nothing,
    category,
    items_of,
    model_of,
    values_of,
)
from upnext_codegen.contract import Field, Upcast
from upnext_codegen.deployed.value_checks import Check, Problem, limited, one_of, scalar
from upnext_codegen.records import Handler, Parameter, Task
from upnext_codegen.types import ANY, ModelField, Type, unconstrained
from upnext_codegen.types.format import short_name, spell

UNREADABLE: Final = "the payload is not JSON"

_MOST_REFUSED = 1000
"""Payloads that pydantic-core may refuse; making its exceptions takes longer than it saves if it refuses many."""

_MISSING, _REFUSED = Problem("", "is missing"), Problem("", "is not taken")


@dataclass(slots=True)
class PayloadChecks:
    """Creates the checks of payloads, each once.

    Attributes:
        classes: Facts of the classes that fields are typed with.
    """

    classes: Classes
    _known: dict[tuple[Type, bool], Check | None] = field(default_factory=dict[tuple[Type, bool], "Check | None"])

    def of(self, handlers: Sequence[Handler | Task], upcasts: Sequence[Upcast] = ()) -> Callable[[bytes], str]:
        """Return a check that says why a handler cannot take a payload in JSON, "" if it can.

        Whatever an upcaster takes is taken: whether what it makes of that suits the handlers is UPN450's question.

        Args:
            handlers: The handler or task; several where it depends on a condition which one it is. One that takes the
                payload will do.
            upcasts: The upcasters of their event.
        """
        first, *others = [self._payload(handler) for handler in handlers]
        others += [self._taken_by(each) for each in upcasts]
        validator, refused = SchemaValidator(first.schema), 0

        def reason(written: bytes) -> str:
            nonlocal refused
            if refused > _MOST_REFUSED:
                return reason_in_full(written)
            try:
                validator.validate_json(written)
            except ValueError:
                refused += 1
                return reason_in_full(written)
            return ""

        def reason_in_full(written: bytes) -> str:
            try:
                payload = from_json(written)
            except ValueError:
                return UNREADABLE
            if not isinstance(payload, dict):
                return "the payload is not an object"
            problem = first.problem(payload)
            if problem is None or any(check.problem(payload) is None for check in others):
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
                if inner is not None and (problem := inner.problem(value)) is not None:
                    return problem.within(name)
            return None

        if former:
            return Check.of(check)
        return Check(
            check,
            core_schema.typed_dict_schema(
                {each.name: _schema_field(named[each.name], required=each.required) for each in fields},
                extra_behavior="forbid" if is_closed else "ignore" if further is None else "allow",
                extras_schema=None if further is None else further.schema,
            ),
        )

    def check(self, written: Type, *, takes_bools: bool = True) -> Check | None:
        """Return the check of a value; None if anything is accepted, or nothing is certain."""
        key = (written, takes_bools)
        if key not in self._known:
            # A recursive type is looked up once there is a value.
            self._known[key] = Check.of(
                lambda value: None if (found := self._known[key]) is None else found.problem(value)
            )
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
                problem = each.problem(value)
                if problem is None:
                    return None
                if problem.path:
                    inside.append(problem)
            return inside[0] if len(inside) == 1 else refusal

        return Check(check, core_schema.union_schema([each.schema for each in known], mode="left_to_right"))

    def _one(self, written: Type, takes_bools: bool) -> Check | None:
        plain, constraints = unconstrained(written)
        values = values_of(plain, self.classes)
        if values is not None:
            return one_of(plain, [value for _, value in values])
        what = category(plain, self.classes)
        makers: dict[str, Callable[[], Check]] = {
            # A number with limits accepts no bool, at any depth.
            "scalar": lambda: scalar(plain, takes_bools=takes_bools and not constraints),
            "array": lambda: self._array(plain, takes_bools),
            "mapping": lambda: self._mapping(plain, takes_bools),
            "object": lambda: self._object(plain, takes_bools),
        }
        return limited(makers[what](), plain, constraints) if what in makers else None

    def _array(self, plain: Type, takes_bools: bool) -> Check:
        items = items_of(plain, self.classes)
        inner = [self.check(each, takes_bools=takes_bools) for each in items.types]
        refusal = Problem("", f"is not {spell(plain, short_name)}")
        by_name = self._object(plain, takes_bools, is_closed=True) if items.owner else None

        def check(value: Any) -> Problem | None:
            if not isinstance(value, list):
                return by_name.problem(value) if by_name is not None and isinstance(value, dict) else refusal
            given = cast("Sequence[Any]", value)
            if items.fixed and not items.needed <= len(given) <= len(items.types):
                return refusal
            for number, each in enumerate(given):
                item = inner[number if items.fixed else 0]
                if item is not None and (problem := item.problem(each)) is not None:
                    return problem.within("[]")
            return None

        if items.fixed:
            return Check.of(check)
        return Check(check, core_schema.list_schema(_schema(inner[0]), strict=True))

    def _mapping(self, plain: Type, takes_bools: bool) -> Check:
        inner = self.check(arguments(plain, 2)[1], takes_bools=takes_bools)
        refusal = Problem("", f"is not {spell(plain, short_name)}")

        def check(value: Any) -> Problem | None:
            if not isinstance(value, dict):
                return refusal
            problems = () if inner is None else map(inner.problem, cast("dict[str, Any]", value).values())
            return next((problem.within("[]") for problem in problems if problem is not None), None)

        return Check(check, core_schema.dict_schema(values_schema=_schema(inner), strict=True))

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
                elif inner is not None and (problem := inner.problem(given[name])) is not None:
                    return problem.within(each.name)
            unknown = next((name for name in given if name not in keys), None) if is_closed else None
            return None if unknown is None else _REFUSED.within(unknown)

        if any(others or first != each.name for each, first, others, _ in fields):
            return Check.of(check)
        return Check(
            check,
            core_schema.typed_dict_schema(
                {each.name: _schema_field(inner, required=each.required) for each, _, _, inner in fields},
                extra_behavior="forbid" if is_closed else "ignore",
            ),
        )


def _schema(check: Check | None) -> core_schema.CoreSchema:
    return core_schema.any_schema() if check is None else check.schema


def _schema_field(check: Check | None, *, required: bool) -> core_schema.TypedDictField:
    return core_schema.typed_dict_field(_schema(check), required=required)


def _first_and_rest(read: ModelField) -> tuple[str, list[str]]:
    """The key that a field is most likely read from, and the others."""
    first, *others = sorted(read.read_keys, key=lambda key: (key != read.name, key))
    return first, others
