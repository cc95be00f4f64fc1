"""Types of fields, freed from how they were spelt.

`Optional[str]`, `Union[None, str]` and `str | None` are one value here, and a class is named by the module that
defines it, whatever it was imported as. The reader makes these values, merging compares them, the catalog prints them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Type: TypeAlias = "AnyType | ClassType | TupleType | LiteralType | UnionType"
"""What a field can be typed as."""

LiteralValue: TypeAlias = "str | bytes | int | bool | EnumMember | None"
"""What can stand inside `Literal[...]`."""


@dataclass(frozen=True, slots=True)
class AnyType:
    """No promise at all: `Any`, `object` as a whole annotation, or no annotation."""


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
        """Compare values with their classes, for Python calls `True` and `1` equal."""
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


@dataclass(frozen=True, slots=True)
class ClassFacts:
    """What merging must know of a class that the project or the standard library defines.

    Attributes:
        bases: The direct bases (for a NewType, the type it is made of), as types.
        kind: "class", "newtype", "typeddict", "enum", "model" (pydantic), "dataclass" or "namedtuple".
        type_parameters: Names and variance ("invariant", "covariant", "contravariant") of its type parameters.
        json: Whether values of it can travel as JSON (rule UPN106).
    """

    bases: tuple[Type, ...] = ()
    kind: str = "class"
    type_parameters: tuple[tuple[str, str], ...] = ()
    json: bool = True
