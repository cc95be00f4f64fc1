"""The parts of types, and types made from others."""

from __future__ import annotations

from collections.abc import Iterator

from upnext_codegen.types import ANY, AnyType, ClassType, EnumMember, LiteralType, TupleType, Type, UnionType


def walk(written: Type) -> Iterator[Type]:
    """Yield a type and every type inside it, from left to right; the enums of a literal's members too."""
    waiting = [written]
    while waiting:
        current = waiting.pop()
        yield current
        match current:
            case ClassType(_, _, inner) | TupleType(inner) | UnionType(inner):
                waiting.extend(reversed(inner))
            case LiteralType(values):
                waiting.extend(ClassType(v.module, v.qualname) for v in reversed(values) if isinstance(v, EnumMember))
            case AnyType():
                pass


def parts(written: Type) -> tuple[Type, ...]:
    """Return the alternatives of a type, itself if it has none."""
    return written.members if isinstance(written, UnionType) else (written,)


def union(members: list[Type]) -> Type:
    """Build a type from alternatives, each once, without nesting."""
    flat = tuple(dict.fromkeys(part for member in members for part in parts(member)))
    if ANY in flat:
        return ANY
    return flat[0] if len(flat) == 1 else UnionType(flat)


def classes_in(written: Type) -> Iterator[ClassType]:
    """Yield every class that a type names, without arguments; a tuple counts as its class."""
    for part in walk(written):
        if isinstance(part, ClassType):
            yield ClassType(part.module, part.qualname)
        elif isinstance(part, TupleType):
            yield ClassType("builtins", "tuple")
