"""The normal form of types, so that merging compares meaning instead of spelling."""

from __future__ import annotations

from upnext_codegen.merging.subtyping import OBJECT, Hierarchy
from upnext_codegen.types import (
    ANY,
    NONE,
    AnyType,
    ClassType,
    EnumMember,
    LiteralType,
    LiteralValue,
    TupleType,
    Type,
    UnionType,
)
from upnext_codegen.types.format import in_order, key, value_key
from upnext_codegen.types.traversal import parts

_TUPLE = ("builtins", "tuple")


def normal(written: Type, classes: Hierarchy) -> Type:
    """Flatten unions, give every generic its arguments, take `None` out of literals; the order is kept."""
    match written:
        case ClassType(module, qualname, arguments) if (module, qualname) == _TUPLE:
            return TupleType(tuple(normal(item, classes) for item in arguments) or (ANY,), variadic=True)
        case ClassType(_, _, ()):
            return classes.padded(written)
        case ClassType(module, qualname, arguments):
            inner = tuple(normal(item, classes) for item in arguments)
            return classes.padded(ClassType(module, qualname, inner))
        case TupleType(items, variadic):
            return TupleType(tuple(normal(item, classes) for item in items), variadic)
        case LiteralType(values):
            return union(_without_none(values))
        case UnionType(members):
            return union([normal(member, classes) for member in members])
        case AnyType():
            return ANY


def union(members: list[Type]) -> Type:
    """Build a type from alternatives: each once, without nesting; `object` absorbs the others."""
    flat: dict[str, Type] = {}
    for member in members:
        for part in parts(member):
            flat.setdefault(key(part), part)
    if OBJECT in flat.values():
        return OBJECT
    found = list(flat.values())
    return found[0] if len(found) == 1 else UnionType(tuple(found))


def sorted_union(members: list[Type]) -> Type:
    """Build a type from alternatives in an order independent of theirs; literals are combined."""
    literals = [value for member in members if isinstance(member, LiteralType) for value in member.values]
    others = [member for member in members if not isinstance(member, LiteralType)]
    joined: list[Type] = [literal(literals)] if literals else []
    return union(in_order([*joined, *others]))


def literal(values: list[LiteralValue]) -> LiteralType:
    """Build a literal from values, each once, in an order independent of theirs."""
    found = {value_key(value): value for value in values}
    return LiteralType(tuple(found[name] for name in sorted(found)))


def class_of(value: LiteralValue) -> ClassType:
    """Return the class of a value of a literal."""
    if isinstance(value, EnumMember):
        return ClassType(value.module, value.qualname)
    return ClassType("builtins", type(value).__name__)


def asks_nothing(written: Type) -> bool:
    """Return whether a side of a merge restricts nothing: `Any`, `object`, or a union with `Any`."""
    return written == OBJECT or any(isinstance(part, AnyType) for part in parts(written))


def _without_none(values: tuple[LiteralValue, ...]) -> list[Type]:
    plain = tuple(value for value in values if value is not None)
    once = LiteralType(tuple({value_key(value): value for value in plain}.values()))
    return [*([once] if plain else []), *([NONE] if len(plain) < len(values) else [])]
