"""What senders get as a handler's result: it travels as JSON and is read back as plain JSON."""

from __future__ import annotations

from upnext_codegen.types import ANY, NONE, AnyType, ClassType, EnumMember, LiteralType, TupleType, Type, UnionType

_SCALARS = frozenset({"str", "int", "float", "bool", "None"})


def as_plain_json(returned: Type) -> Type:
    """Return the type in `receipt.results()` for a handler with this return type.

    Text, numbers, booleans and None come back as they were, lists and dicts of them too, and tuples as lists. What is
    written as some JSON that its type alone does not tell (a model, a date, an enum) is `ANY`.
    """
    match returned:
        case ClassType("builtins", name, ()) if name in _SCALARS:
            return returned
        case ClassType("builtins", "list", args) if len(args) <= 1:
            return ClassType("builtins", "list", tuple(map(as_plain_json, args)) or (ANY,))
        case ClassType("builtins", "dict", (ClassType("builtins", "str", ()) as key, value)):
            return ClassType("builtins", "dict", (key, as_plain_json(value)))
        case ClassType("builtins", "dict", ()):
            return ClassType("builtins", "dict", (ClassType("builtins", "str"), ANY))
        case TupleType(items):
            return ClassType("builtins", "list", (_one_of(items) if items else ANY,))
        case LiteralType(values) if not any(isinstance(each, bytes | EnumMember) for each in values):
            return returned
        case UnionType(members):
            return _one_of(members)
        case _:
            return ANY


def _one_of(sides: tuple[Type, ...]) -> Type:
    found = tuple(dict.fromkeys(map(as_plain_json, sides)))
    if any(isinstance(each, AnyType) for each in found):
        # A part that may be anything cannot be distinguished from the rest, but None still can.
        return UnionType((ANY, NONE)) if NONE in found else ANY
    return found[0] if len(found) == 1 else UnionType(found)
