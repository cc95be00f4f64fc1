"""Attributes of the project's own classes and of their objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext_codegen.names import values
from upnext_codegen.names.lookup import Bound, Spot, reaching
from upnext_codegen.names.modules import Outside
from upnext_codegen.names.ours import our_name
from upnext_codegen.names.values import FOREIGN, NOTHING, Value
from upnext_codegen.reading import facts

if TYPE_CHECKING:
    from upnext_codegen.names.evaluate import Evaluator

_ENUMS = frozenset({"enum.Enum", "enum.IntEnum", "enum.StrEnum", "enum.Flag", "enum.IntFlag", "enum.ReprEnum"})
_END = 1 << 60


def class_attribute(evaluator: Evaluator, cls: values.ClassRef, attr: str) -> Value:
    """What `Class.attr` is."""
    ancestors = evaluator.ancestors(cls)
    is_enum = any(our_name(each) in _ENUMS for each in ancestors)
    for owner in ancestors:
        if not isinstance(owner, values.ClassRef):
            continue
        found = _own_attribute(evaluator, owner, attr)
        if found is None:
            continue
        if is_enum and not isinstance(found, values.FunctionRef | values.Handled | values.ClassRef | values.Member):
            made = _has(evaluator, ancestors, "__new__")
            value = NOTHING if made else _member_value(evaluator, owner, attr, found, ancestors)
            return values.Member(owner, attr, value)
        return found
    closed = all(isinstance(each, values.ClassRef) or our_name(each).startswith("builtins.") for each in ancestors)
    return FOREIGN if closed else NOTHING


def as_text(evaluator: Evaluator, value: Value) -> Value:
    """What a value is as a string: a member of an enum of strings is its own value."""
    if not isinstance(value, values.Member):
        return value
    textual = {"builtins.str", "enum.StrEnum"} & {our_name(each) for each in evaluator.ancestors(value.cls)}
    return value.value if textual else NOTHING


def printed(evaluator: Evaluator, value: Value) -> Value:
    """What a value is once it is formatted: a member of an enum is its value only where every Python agrees on it."""
    if not isinstance(value, values.Member):
        return value
    ancestors = evaluator.ancestors(value.cls)
    changed = _has(evaluator, ancestors, "__str__", "__format__")
    textual = {"enum.StrEnum", "enum.ReprEnum"} & {our_name(each) for each in ancestors}
    return value.value if textual and not changed else NOTHING


def instance_attribute(evaluator: Evaluator, owner: values.Instance, attr: str) -> Value:
    """What `self.attr` or `object.attr` is: ours, but not known, where a method assigns it."""
    known = evaluator.lookup.load(owner.cls.file)
    for each in evaluator.ancestors(owner.cls):
        if isinstance(each, values.ClassRef):
            assigned = _assigned(evaluator, each, attr)
            if isinstance(assigned, values.EventValue | values.Handled):
                return values.EventValue(None)
            if isinstance(assigned, values.WorkerValue):
                return assigned
            if assigned is not None:
                return assigned
    found = class_attribute(evaluator, owner.cls, attr) if known else NOTHING
    if isinstance(found, values.FunctionRef) and _is_property(evaluator, found):
        found = evaluator.returned(found)
        return values.EventValue(None) if isinstance(found, values.EventValue) else found
    if isinstance(found, values.EventValue) and owner.is_self:
        return values.EventValue(None)  # A subclass may put another one in its place.
    return found


def _is_property(evaluator: Evaluator, function: values.FunctionRef) -> bool:
    known = evaluator.lookup.load(function.file)
    decorators = known.functions[function.index].decorators if known else ()
    named = [each.value for each in decorators if isinstance(each.value, facts.Name | facts.Attr)]
    last = {each.id if isinstance(each, facts.Name) else each.attr for each in named}
    return bool(last & {"property", "cached_property"})


def _has(evaluator: Evaluator, ancestors: list[Value], *names: str) -> bool:
    """Whether one of the project's own classes among these defines one of these names."""
    own = [each for each in ancestors if isinstance(each, values.ClassRef)]
    return any(_own_attribute(evaluator, each, name) is not None for each in own for name in names)


def _own_attribute(evaluator: Evaluator, cls: values.ClassRef, attr: str) -> Value | None:
    known = evaluator.lookup.load(cls.file)
    if known is None:
        return None
    body = known.classes[cls.index].body
    reached = reaching(evaluator.lookup.bindings(cls.file, body, attr), _END, ())
    if not reached:
        return None
    return evaluator.defined(evaluator.lookup.name(Spot(cls.file, body), attr))


def _assigned(evaluator: Evaluator, cls: values.ClassRef, attr: str) -> Value | None:
    known = evaluator.lookup.load(cls.file)
    if known is None:
        return None
    body = known.classes[cls.index].body
    found = [each for each in known.scopes[body].attributes if each.name == attr]
    if not found:
        return None
    # The number of the method's own scope travels in the arms.
    bounds = [Bound(cls.file, each.arms[0][0], each._replace(arms=())) for each in found]
    return evaluator.defined(tuple(bounds))


def _member_value(evaluator: Evaluator, cls: values.ClassRef, attr: str, found: Value, ancestors: list[Value]) -> Value:
    body = _body(evaluator, cls)
    bindings = evaluator.lookup.bindings(cls.file, body, attr)
    what = bindings[-1].what if bindings else None
    if isinstance(what, facts.Assigned) and isinstance(what.value, facts.Call):
        func = evaluator.value(what.value.func, Spot(cls.file, body))
        if isinstance(func, Outside) and func.name == "enum.auto":
            own = _has(evaluator, ancestors, "_generate_next_value_")
            textual = not own and any(our_name(each) == "enum.StrEnum" for each in ancestors)
            return values.Constant(attr.lower()) if textual else NOTHING
    return found


def _body(evaluator: Evaluator, cls: values.ClassRef) -> int:
    known = evaluator.lookup.load(cls.file)
    return known.classes[cls.index].body if known else 0
