"""Types as they appear in JSON: arrays, objects, mappings and plain values, and what each of them holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from upnext_codegen.changes.scalars import SCALARS, plain_type
from upnext_codegen.limits import MAX_SHAPE_NAMES
from upnext_codegen.merging.subtyping import OBJECT, substituted
from upnext_codegen.types import (
    ANY,
    NONE,
    AnyType,
    ClassFacts,
    ClassType,
    EnumMember,
    LiteralType,
    LiteralValue,
    ModelFacts,
    ModelField,
    TupleType,
    Type,
    UnionType,
    constrained,
    unconstrained,
)
from upnext_codegen.types.traversal import parts, union

Classes: TypeAlias = Mapping[str, ClassFacts]
"""Facts of classes, by "module:qualname"."""

_LISTS = frozenset(
    [
        *("builtins:list", "builtins:set", "builtins:frozenset", "builtins:tuple", "collections:deque"),
        *("collections.abc:Sequence", "collections.abc:MutableSequence", "collections.abc:Set"),
        *("collections.abc:MutableSet", "collections.abc:Collection", "collections.abc:Iterable"),
    ]
)
_DICTS = frozenset(
    [
        *("builtins:dict", "collections:OrderedDict", "collections:defaultdict"),
        *("collections.abc:Mapping", "collections.abc:MutableMapping"),
    ]
)
_OBJECTS = frozenset({"model", "pydantic-dataclass", "dataclass", "typeddict"})


class Model(NamedTuple):
    """A class with its type arguments substituted.

    Attributes:
        name: "module:qualname".
        facts: What a payload carries of it.
        fields: Its fields, with their types.
    """

    name: str
    facts: ModelFacts
    fields: tuple[ModelField, ...]


class Items(NamedTuple):
    """The contents of an array.

    Attributes:
        types: The types of its items; of any number of items the one type.
        fixed: Whether there is one item for each type.
        needed: How many there must be.
        owner: The named tuple that it is, "" for any other.
        names: The names of its items.
    """

    types: tuple[Type, ...]
    fixed: bool
    needed: int
    owner: str = ""
    names: tuple[str, ...] = ()


def values_of(written: Type, classes: Classes) -> list[tuple[str, LiteralValue]] | None:
    """The JSON values of a literal or an enum, each with its name; None for any other type.

    A value that cannot be known is an `EnumMember`.
    """
    match written:
        case LiteralType(values):
            return [(str(value), json_value(value, classes)) for value in values]
        case ClassType():
            facts = classes.get(class_key(written))
            if facts is None or facts.model is None or facts.model.form != "enum":
                return None
            own = [EnumMember(written.module, written.qualname, member.name) for member in facts.model.fields]
            return [(member.member, json_value(member, classes)) for member in own]
        case _:
            return None


def items_of(written: Type, classes: Classes) -> Items:
    """Return the contents of an array."""
    match written:
        case TupleType(items, variadic):
            return Items(items, not variadic, len(items))
        case ClassType() if class_key(written) in _LISTS:
            return Items((arguments(written, 1)[0],), fixed=False, needed=0)
        case _:
            model = model_of(written, classes)
            needed = sum(each.required for each in model.fields)
            names = tuple(each.name for each in model.fields)
            return Items(tuple(each.type for each in model.fields), True, needed, model.name, names)


def model_of(written: Type, classes: Classes) -> Model:
    """Return a class of the category "object", or a named tuple, with its type arguments substituted."""
    assert isinstance(written, ClassType)
    facts = classes[class_key(written)]
    assert facts.model is not None
    names = [name for name, _ in facts.type_parameters]
    given = dict.fromkeys(names, ANY) | dict(zip(names, written.args, strict=False))
    fields = facts.model.fields
    if given:
        fields = tuple(each._replace(type=substituted(each.type, given)) for each in fields)
    return Model(class_key(written), facts.model, fields)


def alternatives(written: Type, classes: Classes, depth: int = 0) -> list[Type]:
    """The alternatives of a type, with aliases resolved."""
    match written:
        case UnionType(members):
            return [one for member in members for one in alternatives(member, classes, depth)]
        case LiteralType(values) if None in values:
            rest = tuple(value for value in values if value is not None)
            return [*([LiteralType(rest)] if rest else []), NONE]
        case ClassType():
            inner, held = unconstrained(written)
            if held:
                return list(parts(constrained(union(alternatives(inner, classes, depth)), held)))
            named = meant(written, classes) if depth < MAX_SHAPE_NAMES else None
            return [written] if named is None else alternatives(named, classes, depth + 1)
        case _:
            return [written]


def meant(written: ClassType, classes: Classes) -> Type | None:
    """The type behind a NewType, a root model or one of pydantic's names, None for any other class."""
    plain = plain_type(written)
    if plain != written:
        return plain
    facts = classes.get(class_key(written))
    if facts is None:
        return None
    if facts.kind == "newtype" and facts.bases:
        return facts.bases[0]
    if facts.model is not None and facts.model.form == "root":
        names = [name for name, _ in facts.type_parameters]
        given = dict.fromkeys(names, ANY) | dict(zip(names, written.args, strict=False))
        return substituted(facts.model.fields[0].type, given)
    return None


def asks_nothing(alternatives: Sequence[Type]) -> bool:
    """Return whether one of some alternatives accepts anything at all."""
    return any(isinstance(each, AnyType) or each == OBJECT for each in alternatives)


def category(written: Type, classes: Classes) -> str:
    """The JSON category of a type: "scalar", "array", "mapping", "object", or "unknown" if uncertain."""
    if isinstance(written, TupleType):
        return "array"
    if not isinstance(written, ClassType):
        return "scalar" if isinstance(written, LiteralType) else "unknown"
    name = class_key(written)
    facts = classes.get(name)
    if facts is not None:
        form = facts.model.form if facts.model else ""
        return "object" if form in _OBJECTS else "array" if form == "namedtuple" else "unknown"
    if name in SCALARS:
        return "scalar"
    return "array" if name in _LISTS else "mapping" if name in _DICTS else "unknown"


def arguments(written: Type, count: int) -> tuple[Type, ...]:
    """Return a given number of arguments of a generic type, Any for each omitted one."""
    given = written.args if isinstance(written, ClassType) else ()
    return (*given, *[ANY] * count)[:count]


def json_value(value: LiteralValue, classes: Classes) -> LiteralValue:
    """The JSON value of a literal's value; a member whose value is unknown stays one."""
    if not isinstance(value, EnumMember):
        return value
    facts = classes.get(f"{value.module}:{value.qualname}")
    for each in facts.model.fields if facts and facts.model else ():
        if each.name == value.member and isinstance(each.type, LiteralType):
            return each.type.values[0]
        if each.name == value.member and each.type == NONE:
            return None
    return value


def typed(value: LiteralValue) -> tuple[type, LiteralValue]:
    """Return a value with its type, since `True` equals 1."""
    return type(value), value


def class_key(owner: Type) -> str:
    """Return the key of a class among facts: "module:qualname"."""
    assert isinstance(owner, ClassType)
    return f"{owner.module}:{owner.qualname}"
