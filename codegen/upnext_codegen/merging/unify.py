"""Unifies types that must be equal, where `Any` stands for whatever the other side says."""

from __future__ import annotations

from collections.abc import Iterable

from upnext_codegen.merging.subtyping import same_class
from upnext_codegen.types import AnyType, ClassType, TupleType, Type, UnionType
from upnext_codegen.types.format import in_order, key
from upnext_codegen.types.traversal import parts


def all_unified(types: Iterable[Type]) -> Type | None:
    """Return the single type that all of them are, with `Any` filled in by the others; None if they differ."""
    ordered = sorted(types, key=key)
    result: Type | None = ordered[0]
    for other in ordered[1:]:
        if result is None:
            return None
        result = unified(result, other)
    return result


def unified(one: Type, other: Type) -> Type | None:
    """Return the same for two."""
    if key(one) == key(other) or isinstance(other, AnyType):
        return one
    match one, other:
        case AnyType(), _:
            return other
        case ClassType(), ClassType() if same_class(one, other):
            inner = _each(one.args, other.args)
            return None if inner is None else ClassType(one.module, one.qualname, inner)
        case TupleType(), TupleType() if one.variadic == other.variadic:
            inner = _each(one.items, other.items)
            return None if inner is None else TupleType(inner, one.variadic)
        case UnionType(), _ if _is_open(one):
            return _filled(one, other)
        case _, UnionType() if _is_open(other):
            return _filled(other, one)
        case UnionType(), UnionType() if len(one.members) == len(other.members):
            return _unified_members(one.members, other.members)
        case _:
            return None


def _is_open(written: UnionType) -> bool:
    return any(isinstance(member, AnyType) for member in written.members)


def _filled(written: UnionType, other: Type) -> Type | None:
    """Fill the `Any` of a union: `int | Any` can be any union with `int` among its alternatives."""
    plain = {key(member): member for member in written.members if not isinstance(member, AnyType)}
    offered = {key(part): part for part in parts(other)}
    if isinstance(other, UnionType) and _is_open(other):
        return UnionType(tuple(in_order(list({**plain, **offered}.values()))))
    return other if plain.keys() <= offered.keys() else None


def _each(ones: tuple[Type, ...], others: tuple[Type, ...]) -> tuple[Type, ...] | None:
    if len(ones) != len(others):
        return None
    inner = [unified(one, other) for one, other in zip(ones, others, strict=True)]
    known = tuple(item for item in inner if item is not None)
    return known if len(known) == len(inner) else None


def _unified_members(ones: tuple[Type, ...], others: tuple[Type, ...]) -> Type | None:
    waiting = {key(other): other for other in others}
    # Members that are the same on both sides find each other before an `Any` can take them.
    found = [one for one in ones if waiting.pop(key(one), None) is not None]
    for one in sorted((one for one in ones if one not in found), key=key):
        for name in sorted(waiting):
            both = unified(one, waiting[name])
            if both is not None:
                del waiting[name]
                found.append(both)
                break
        else:
            return None
    return UnionType(tuple(in_order(found)))
