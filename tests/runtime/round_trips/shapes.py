"""The types of the table's rows. Each row's annotation and value are read in this module's names, by mypy too."""

# ruff: noqa: F401  # the rows use them

from __future__ import annotations

import collections
import datetime as dt
import decimal
import enum
import fractions
import ipaddress
import pathlib
import re
import types
import typing as t
import uuid
import zoneinfo
from collections import abc
from dataclasses import InitVar, dataclass, field

import pydantic as p
import typing_extensions as te
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic_core import CoreSchema, core_schema

T = t.TypeVar("T")
JsonValue = te.TypeAliasType("JsonValue", "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None")
Nested = dict[str, "Nested"] | abc.Sequence["Nested"] | str
Numbers = te.TypeAliasType("Numbers", abc.Sequence[int])
UserId = t.NewType("UserId", int)
Name = te.Annotated[str, p.StringConstraints(min_length=1)]
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
DAY = dt.date(2026, 1, 2)
NOON = dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC)
ID = uuid.UUID(int=7)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(enum.StrEnum):
    SMALL = "small"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Pair(enum.Enum):
    ONE = (1, "one")


class Day(enum.Enum):
    FIRST = dt.date(2026, 1, 1)


class Holiday(p.BaseModel):
    on: Day


class Plain:
    pass


class Item(p.BaseModel):
    sku: str
    price: decimal.Decimal = decimal.Decimal("1.10")
    on: dt.date | None = None


class SpecialItem(Item):
    note: str = ""


class Twin(p.BaseModel):
    sku: str
    price: decimal.Decimal = decimal.Decimal("1.10")
    on: dt.date | None = None


class Frozen(p.BaseModel):
    model_config = p.ConfigDict(frozen=True)
    n: int


class Page(p.BaseModel, t.Generic[T]):
    items: list[T]
    next: int | None = None


class IntPage(Page[int]):
    pass


class Node(p.BaseModel):
    name: str
    children: list[Node] = []


class Cat(p.BaseModel):
    kind: t.Literal["cat"] = "cat"
    lives: int = 9


class Dog(p.BaseModel):
    kind: t.Literal["dog"] = "dog"


class Red(p.BaseModel):
    colour: t.Literal[Colour.RED] = Colour.RED


class Blue(p.BaseModel):
    colour: t.Literal[Colour.BLUE] = Colour.BLUE


Pet = te.Annotated[Cat | Dog, p.Field(discriminator="kind")]
Paint = te.Annotated[Red | Blue, p.Field(discriminator="colour")]


class Ids(p.RootModel[list[int]]):
    pass


class Aliased(p.BaseModel):
    a: int = p.Field(default=0, alias="A")
    b: int = p.Field(default=0, validation_alias="B")
    c: int = p.Field(default=0, serialization_alias="C")
    d: int = p.Field(default=0, validation_alias=p.AliasChoices("D1", "D2"))
    e: int = p.Field(default=0, validation_alias=p.AliasPath("E", 0))


class Open(p.BaseModel):
    model_config = p.ConfigDict(extra="allow")
    a: int


class Closed(p.BaseModel):
    model_config = p.ConfigDict(extra="forbid")
    a: int

    @p.computed_field  # type: ignore[prop-decorator]
    @property
    def twice(self) -> int:
        return 2 * self.a


class Secret(p.BaseModel):
    password: p.SecretStr


class Hidden(p.BaseModel):
    a: int = p.Field(default=0, exclude=True)


class Private(p.BaseModel):
    a: int = 0
    _b: int = p.PrivateAttr(default=0)

    def changed(self) -> te.Self:
        self._b = 1
        return self


class Text(p.BaseModel):
    numbers: p.Json[list[int]]


class Before(p.BaseModel):
    when: dt.datetime

    @p.field_validator("when", mode="before")
    @classmethod
    def look(cls, value: t.Any) -> t.Any:
        return value


class Doubling(p.BaseModel):
    a: int

    @p.field_validator("a")
    @classmethod
    def double(cls, value: int) -> int:
        return 2 * value


class Unix(p.BaseModel):
    when: dt.datetime

    @p.field_serializer("when")
    def write(self, when: dt.datetime) -> float:
        return when.timestamp()


class Anything(p.BaseModel):
    value: t.Any


class Moment(p.BaseModel):
    at: dt.datetime


class Thing(p.BaseModel):
    thing: Item


@dataclass
class Point:
    x: int
    y: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Slotted:
    day: dt.date
    tags: frozenset[str] = frozenset()


@dataclass
class Point3(Point):
    z: int = 0


@dataclass
class Counted:
    n: int
    seen: int = field(default=0, init=False)

    def counted(self) -> te.Self:
        self.seen += 1
        return self


@dataclass
class Needing:
    n: int
    base: InitVar[int]

    def __post_init__(self, base: int) -> None:
        self.n += base


NestedLists = te.TypeAliasType("NestedLists", list[Nested])
payload = dict[str, int]
kind = list[str]


@dataclass
class Noted:
    note: Nested
    kept: InitVar[Nested] = ""


class NotedKeys(te.TypedDict):
    note: Nested
    counts: te.NotRequired[payload]
    kinds: te.NotRequired[kind]
    lists: te.NotRequired[NestedLists]


class NotedPair(t.NamedTuple):
    note: Nested
    more: list[Noted]


@dataclass
class NotedBox(t.Generic[T]):
    content: T
    more: dict[str, NotedPair] = field(default_factory=dict)


@dataclass(eq=False)
class Identity:
    n: int


@dataclass
class Box(t.Generic[T]):
    content: T


@pydantic_dataclass
class Checked:
    n: int
    day: dt.date = DAY


class Coordinates(t.NamedTuple):
    lat: float
    day: dt.date = DAY


class Keys(te.TypedDict):
    a: int


class MoreKeys(Keys):
    b: int


class Loose(te.TypedDict, total=False):
    a: int
    day: dt.date


class Mixed(te.TypedDict):
    a: te.Required[int]
    b: te.NotRequired[dt.date]
    c: te.ReadOnly[int]


class Shut(te.TypedDict, closed=True):  # type: ignore[call-arg]
    a: int


class GenericKeys(te.TypedDict, t.Generic[T]):
    item: T


class Own:
    """A class that tells pydantic how it is written and read."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own) and other.number == self.number

    def __hash__(self) -> int:
        return self.number

    def __repr__(self) -> str:
        return f"Own({self.number})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[t.Any], handler: p.GetCoreSchemaHandler) -> CoreSchema:
        read = core_schema.no_info_after_validator_function(cls, core_schema.int_schema())
        write = core_schema.plain_serializer_function_ser_schema(lambda own: own.number)
        return core_schema.json_or_python_schema(read, core_schema.is_instance_schema(cls), serialization=write)


def upper(value: str) -> str:
    return value.upper()


def counting() -> abc.Iterator[int]:
    yield 1
