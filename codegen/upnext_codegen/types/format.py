"""Types as text: one formatter for the stub, the lock and messages, which only name classes differently."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from upnext_codegen.escaped_text import quote
from upnext_codegen.types import (
    CONSTRAINED,
    NONE,
    AnyType,
    ClassType,
    EnumMember,
    LiteralType,
    LiteralValue,
    TupleType,
    Type,
    UnionType,
    unconstrained,
)
from upnext_codegen.types.traversal import union

Namer: TypeAlias = Callable[[str, str], str]
"""From a module and a qualified name to the text that stands for the class."""


def spell(written: Type, name: Namer) -> str:
    """Write a type as a Python annotation.

    Args:
        written: The type.
        name: How to write a class, given its module and its qualified name; also asked for `typing.Any` and
            `typing.Literal`.
    """
    match written:
        case AnyType():
            return name("typing", "Any")
        case ClassType(module, qualname, arguments):
            head = name(module, qualname)
            return f"{head}[{', '.join(spell(item, name) for item in arguments)}]" if arguments else head
        case TupleType(items, variadic):
            inner = [spell(item, name) for item in items] + (["..."] if variadic else [])
            return f"{name('builtins', 'tuple')}[{', '.join(inner) or '()'}]"
        case LiteralType(values):
            return f"{name('typing', 'Literal')}[{', '.join(spell_value(value, name) for value in values)}]"
        case UnionType(members):
            return " | ".join(spell(member, name) for member in members)


def spell_value(value: LiteralValue, name: Namer) -> str:
    """Write one value of a `Literal[...]`."""
    if isinstance(value, EnumMember):
        return f"{name(value.module, value.qualname)}.{value.member}"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bytes):
        return "b" + quote(value.decode("latin-1"), ascii_only=True)
    return repr(value)


def full_name(module: str, qualname: str) -> str:
    """Name a class by module and name; built-in ones, `Any` and `Literal` by their name alone."""
    if module in {"", "builtins"} or (module == "typing" and qualname in {"Any", "Literal"}):
        return qualname
    return f"{module}.{qualname}"


def short_name(module: str, qualname: str) -> str:  # noqa: ARG001 - a Namer takes both
    """Name a class without its module, as messages do if that is unambiguous."""
    return qualname


def full_text(written: Type) -> str:
    """Write a type with full names."""
    return spell(written, full_name)


def _for_people(written: Type, *, with_limits: bool) -> Type:
    """Write limits in a type in readable form, or leave them out."""

    def inside(items: tuple[Type, ...]) -> tuple[Type, ...]:
        return tuple(_for_people(each, with_limits=with_limits) for each in items)

    inner, limits = unconstrained(written)
    if limits:
        bare = _for_people(inner, with_limits=with_limits)
        texts = tuple(ClassType("", each) for each in sorted(limits))
        return ClassType("", CONSTRAINED[1], (bare, *texts)) if with_limits else bare
    match written:
        case ClassType(module, qualname, arguments):
            return ClassType(module, qualname, inside(arguments))
        case TupleType(items, variadic):
            return TupleType(inside(items), variadic)
        case UnionType(members):
            return union([*inside(members)])
        case _:
            return written


def distinct_texts(types: tuple[Type, ...]) -> tuple[str, ...]:
    """Write types for a message: without limits and with short names, unless that would hide a difference."""
    bare = tuple(_for_people(written, with_limits=False) for written in types)
    hides = len(set(bare)) < len(set(types))
    types = tuple(_for_people(written, with_limits=True) for written in types) if hides else bare
    short = tuple(spell(written, short_name) for written in types)
    full = tuple(full_text(written) for written in types)
    return short if len(set(short)) == len(set(full)) else full


def key(written: Type) -> str:
    """Return a text that two types share if and only if they are equal, in whatever order they were written."""
    match written:
        case AnyType():
            return "?"
        case ClassType(module, qualname, arguments):
            return f"{module}:{qualname}[{','.join(map(key, arguments))}]"
        case TupleType(items, variadic):
            return f"({','.join(map(key, items))}{',...' if variadic else ''})"
        case LiteralType(values):
            return f"L[{','.join(sorted(map(value_key, values)))}]"
        case UnionType(members):
            return f"U[{'|'.join(sorted(map(key, members)))}]"


def value_key(value: LiteralValue) -> str:
    """Return the same for a value of a `Literal[...]`; `True` and `1` are two."""
    return f"{type(value).__name__} {spell_value(value, full_name)}"


def in_order(members: list[Type]) -> list[Type]:
    """Sort the alternatives of a union by meaning, with None last as people write it."""
    return sorted(members, key=lambda member: (member == NONE, key(member)))
