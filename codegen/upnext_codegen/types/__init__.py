"""The types of fields, independent of their spelling.

`Optional[str]`, `Union[None, str]` and `str | None` are the same value here, and a class is named by the module that
defines it, whatever it was imported as. The reader creates these values, merging compares them, the catalog prints
them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

Type: TypeAlias = "AnyType | ClassType | TupleType | LiteralType | UnionType"
"""What a field can be typed as."""

LiteralValue: TypeAlias = "str | bytes | int | bool | EnumMember | None"
"""What can stand inside `Literal[...]`."""


@dataclass(frozen=True, slots=True)
class AnyType:
    """No restriction at all: `Any`, `object` as a whole annotation, or no annotation."""


@dataclass(frozen=True, slots=True)
class ClassType:
    """A class, a NewType or a TypedDict, with its type arguments.

    Attributes:
        module: The module that defines it, "builtins" for the built-in ones.
        qualname: Its name there, dotted for a nested class.
        args: Its type arguments, empty where none were written.
    """

    module: str
    qualname: str
    args: tuple[Type, ...] = ()


@dataclass(frozen=True, slots=True)
class TupleType:
    """`tuple[int, str]`, or `tuple[int, ...]` when `variadic` (then there is exactly one item)."""

    items: tuple[Type, ...]
    variadic: bool = False


@dataclass(frozen=True, slots=True)
class EnumMember:
    """A member of an enum inside `Literal[...]`."""

    module: str
    qualname: str
    member: str


@dataclass(frozen=True, slots=True)
class LiteralType:
    """`Literal[...]`; the values in the order they were written, each once (`True` and `1` are two)."""

    values: tuple[LiteralValue, ...]

    def __eq__(self, other: object) -> bool:
        """Compare values together with their classes, because `True` equals `1`."""
        if not isinstance(other, LiteralType):
            return NotImplemented
        return self.values == other.values and [*map(type, self.values)] == [*map(type, other.values)]

    def __hash__(self) -> int:
        """Agree with `__eq__`."""
        return hash(self.values)


@dataclass(frozen=True, slots=True)
class UnionType:
    """Two or more alternatives, none of them a union, each once, in the order they were first written."""

    members: tuple[Type, ...]


ANY = AnyType()
NONE = ClassType("builtins", "None")


CONSTRAINED = ("typing", "Annotated")
"""The class that a type with constraints is written as: the type, and a literal of constraints as its arguments."""

UNKNOWN_CONSTRAINT = "unknown"
"""Stands for something that holds a type back in a way that cannot be known, such as a validator."""


DISCRIMINATOR = "discriminator"
"""A constraint of the models of a union: the field that tells them apart must be there."""


def constrained(written: Type, constraints: Iterable[str]) -> Type:
    """Add constraints to a type ("gt=0", "max_length=20", "pattern=^a"), besides existing ones.

    Those of an optional type are those of what it holds beside None, as pydantic has it. Of another union it cannot be
    known what they ask for, but for its discriminator.
    """
    added = frozenset(constraints)
    if not added or isinstance(written, AnyType):
        return written
    if isinstance(written, UnionType):
        others = [each for each in written.members if each != NONE]
        if len(others) == 1:
            return UnionType(tuple(each if each == NONE else constrained(each, added) for each in written.members))
        tags = frozenset(each for each in added if each.startswith(f"{DISCRIMINATOR}="))
        tagged = tuple(each if each == NONE else constrained(each, tags) for each in written.members)
        if added == tags:
            return UnionType(tagged)
        written, added = UnionType(tagged), frozenset({UNKNOWN_CONSTRAINT})
    inner, known = unconstrained(written)
    return ClassType(*CONSTRAINED, (inner, LiteralType(tuple(sorted(known | added)))))


def unconstrained(written: Type) -> tuple[Type, frozenset[str]]:
    """Return a type without its constraints, and the constraints."""
    match written:
        case ClassType(module, qualname, (inner, LiteralType(values))) if (module, qualname) == CONSTRAINED:
            return inner, frozenset(str(value) for value in values)
        case _:
            return written, frozenset()


class ModelField(NamedTuple):
    """A field of a model, an item of a named tuple, or a member of an enum.

    Attributes:
        name: Its name.
        type: What it holds, with constraints; `ANY` where that cannot be known. Of an enum's member the literal that it
            is in a payload.
        required: Whether it must be given.
        written: The keys that a payload may have it under, where that is not just the name; one of them.
        read: The keys that it is read from, where that is not just the name.
        place: Its line and column; (0, 0) where it was read from a lock.
        left_out: "always" or "sometimes" where a payload is without it whatever its value is, as `exclude=True` has it.
    """

    name: str
    type: Type
    required: bool = True
    written: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    place: tuple[int, int] = (0, 0)
    left_out: str = ""

    @property
    def is_always_given(self) -> bool:
        """Whether every payload contains it."""
        return self.required and not self.left_out

    @property
    def written_keys(self) -> frozenset[str]:
        """The possible keys of it in a payload."""
        return frozenset(self.written or (self.name,))

    @property
    def read_keys(self) -> frozenset[str]:
        """The keys that it is read from."""
        return frozenset(self.read or (self.name,))


class ModelFacts(NamedTuple):
    """What a payload carries of a class, as far as the sources certainly show.

    Attributes:
        form: "model", "pydantic-dataclass", "dataclass", "typeddict", "namedtuple", "enum", or "root" for a model that
            is what its one field is.
        fields: Its fields, those it inherits among them; sorted by name, but for the items of a named tuple.
        extra: What it does with keys that it does not know: "allow", "forbid" or "ignore".
        file: The file that defines it, "" where it was read from a lock.
        place: Its line and column there.
    """

    form: str
    fields: tuple[ModelField, ...]
    extra: str = "ignore"
    file: str = ""
    place: tuple[int, int] = (0, 0)


MODEL_KINDS = frozenset({"model", "dataclass", "typeddict", "namedtuple", "enum"})
"""Kinds of classes of which a payload carries fields or members."""


class Doubt(NamedTuple):
    """Why it is unknown what a payload carries of a class.

    Attributes:
        reason: The reason, as what is said of "it".
        file: The file that defines the class, "" where it was read from a lock.
        place: Its line and column there.
    """

    reason: str
    file: str = ""
    place: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class ClassFacts:
    """The facts about a class that the project or the standard library defines.

    Attributes:
        bases: The direct bases (for a NewType, the type it is made of), as types.
        kind: "class", "newtype", "typeddict", "enum", "model" (pydantic), "dataclass" or "namedtuple".
        type_parameters: Names and variance ("invariant", "covariant", "contravariant") of its type parameters.
        json: Whether values of it can travel as JSON (rule UPN106).
        model: What a payload carries of it; None where that cannot be known.
        from_typing: Whether it is certainly a TypedDict of `typing` itself, not of typing_extensions (rule UPN110).
        doubt: Why it cannot be known what a payload carries of it, where it should be (rule UPN429).
    """

    bases: tuple[Type, ...] = ()
    kind: str = "class"
    type_parameters: tuple[tuple[str, str], ...] = ()
    json: bool = True
    model: ModelFacts | None = None
    from_typing: bool = False
    doubt: Doubt | None = field(default=None, compare=False)
