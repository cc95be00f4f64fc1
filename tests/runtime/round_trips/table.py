"""Annotations and values, with what a type checker and the library say of each.

A row is: annotation | value | mypy | what happens to it, as a payload and as a result.

    =    arrives, and comes back, equal and of the same type
    ~    equal, of another type: a float for an int, a list for the tuple of a Sequence, `Page[int]` for `Page`
    x    refused where it is written, by an error that names the field
    decl refused where the handler is declared, or first sent

A fifth cell is the first version of pydantic that reads it so.
"""

from __future__ import annotations

from typing import NamedTuple

from pydantic import VERSION


class Row(NamedTuple):
    """One pair of annotation and value, as source text."""

    annotation: str
    value: str
    mypy: str
    verdict: str


def rows() -> list[Row]:
    """Return the table."""
    lines = (line for line in TABLE.splitlines() if line.strip() and not line.startswith("#"))
    cells = ([cell.strip() for cell in line.split(" | ")] for line in lines)
    return [Row(*row) for *row, since in ([*each, *[""] * (5 - len(each))] for each in cells) if _has(since)]


def _has(pydantic: str) -> bool:
    version = VERSION.split(".")
    return [int(part) for part in pydantic.split(".") if part] <= [int(version[0]), int(version[1])]


TABLE = r"""
# what JSON has itself
str | "x" | ok | =
str | "" | ok | =
str | "\x00 \u2028 \U0001f600" | ok | =
str | "\ud800" | ok | x
str | 1 | error | x
str | b"x" | error | x
int | 0 | ok | =
int | -1 | ok | =
int | 2**63 | ok | =
int | 10**4000 | ok | =
int | 10**5000 | ok | x
int | True | ok | =
int | 1.0 | error | x
int | "1" | error | x
int | None | error | x
float | 0.1 | ok | =
float | 1 | ok | ~
float | True | ok | ~
float | -0.0 | ok | =
float | 1e308 | ok | =
float | 5e-324 | ok | =
float | float("inf") | ok | x
float | float("nan") | ok | x
float | "1.5" | error | x
bool | True | ok | =
bool | 1 | error | x
bool | "true" | error | x
None | None | ok | =
None | 0 | error | x
t.Optional[int] | None | ok | =
t.Optional[int] | 3 | ok | =
t.Union[int, str] | "1" | ok | =
t.Union[int, str] | 1 | ok | =
t.Union[int, float] | 1.0 | ok | =
t.Union[float, int] | 1 | ok | =
t.Union[bool, int] | 1 | ok | =
t.Union[int, bool] | True | ok | =
t.Any | {"a": [1, None]} | ok | =
t.Any | True | ok | =
t.Any | (1, 2) | ok | x
t.Any | NOON | ok | x
t.Any | {1: 2} | ok | x
t.Any | Item(sku="x") | ok | x
object | [1, "x"] | ok | =
object | {DAY} | ok | x
te.LiteralString | "x" | ok | =
JsonValue | {"a": [1, {"b": None}]} | ok | =
JsonValue | [1.5, "x", True] | ok | =
JsonValue | {"a": DAY} | error | x
Nested | {"a": ["b", {"c": "d"}]} | ok | =
Nested | [[], {"a": "b"}] | ok | =
Nested | {"a": [1.5]} | error | x
list[Nested] | ["a"] | ok | =
NestedLists | ["a", {"b": "c"}] | ok | =
Noted | Noted({"a": ["b", {"c": "d"}]}) | ok | =
Noted | Noted({"a": [1.5]}) | error | x
NotedKeys | {"note": [[], {"a": "b"}], "counts": {"a": 1}, "kinds": ["b"], "lists": [["c"]]} | ok | =
NotedKeys | {"note": [1]} | error | x
NotedPair | NotedPair("a", [Noted(["b"])]) | ok | =
NotedBox[Nested] | NotedBox(["a"], {"b": NotedPair({}, [])}) | ok | =
NotedBox[NotedKeys] | NotedBox({"note": [2]}) | error | x
# literals and enums
t.Literal["a", "b"] | "a" | ok | =
t.Literal["a", "b"] | "c" | error | x
t.Literal[1] | 1 | ok | =
t.Literal[1] | True | error | x
t.Literal[0, False] | False | ok | =
t.Literal[Colour.RED] | Colour.RED | ok | =
t.Literal[Colour.RED] | Colour.BLUE | error | x
t.Literal[Colour.RED] | "red" | error | x
t.Optional[t.Literal[Level.HIGH]] | Level.HIGH | ok | =
list[t.Literal[Size.SMALL]] | [Size.SMALL] | ok | =
Colour | Colour.RED | ok | =
Colour | "red" | error | x
Size | Size.SMALL | ok | =
Size | "small" | error | x
str | Size.SMALL | ok | ~
Level | Level.LOW | ok | =
Level | 1 | error | x
int | Level.LOW | ok | ~
Right | Right.READ | ok | =

Right | Right.READ.__or__(Right.WRITE) | ok | =
Pair | Pair.ONE | ok | =
dict[Colour, int] | {Colour.RED: 1} | ok | =
list[Day] | [Day.FIRST] | ok | =
Holiday | Holiday(on=Day.FIRST) | ok | =
te.Annotated[t.Union[Red, Blue, Item], p.Field(union_mode="left_to_right")] | Blue() | ok | =
UserId | UserId(1) | ok | =
UserId | 1 | error | =
Name | "x" | ok | =
Name | "" | ok | x
te.Annotated[int, "meta"] | 1 | ok | =
t.Optional[list[te.Annotated[int, "meta"]]] | [1] | ok | =
te.Annotated[int, p.Field(gt=0)] | 1 | ok | =
te.Annotated[int, p.Field(gt=0)] | 0 | ok | x
p.PositiveInt | 1 | ok | =
te.Annotated[str, p.AfterValidator(upper)] | "X" | ok | =
te.Annotated[dt.date, p.BeforeValidator(lambda value: value)] | DAY | ok | =
# dates and times
dt.datetime | dt.datetime(2026, 1, 2, 3, 4, 5, 678901) | ok | =
dt.datetime | NOON | ok | =
dt.datetime | dt.datetime(2026, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=45))) | ok | =
dt.datetime | dt.datetime(2026, 1, 2, tzinfo=dt.timezone(dt.timedelta(seconds=3601))) | ok | x
dt.datetime | dt.datetime(2026, 1, 2, tzinfo=BERLIN) | ok | x
dt.datetime | dt.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1) | ok | x
dt.datetime | dt.datetime(2026, 1, 2, tzinfo=zoneinfo.ZoneInfo("UTC")) | ok | =
dt.datetime | dt.datetime.max | ok | =
dt.datetime | dt.datetime.min | ok | =
dt.datetime | DAY | error | x
dt.datetime | "2026-01-02T00:00:00" | error | x
dt.date | DAY | ok | =
dt.date | NOON | ok | x
dt.date | "2026-01-02" | error | x
dt.time | dt.time(1, 2, 3, 4) | ok | =
dt.time | dt.time(1, tzinfo=dt.timezone.utc) | ok | =
dt.time | dt.time(1, tzinfo=BERLIN) | ok | x
dt.timedelta | dt.timedelta(days=-1, microseconds=1) | ok | =
dt.timedelta | dt.timedelta.max | ok | =
dt.timedelta | 1.5 | error | x
zoneinfo.ZoneInfo | BERLIN | ok | =
dict[dt.date, int] | {DAY: 1} | ok | =
list[dt.datetime] | [dt.datetime(2026, 7, 1, tzinfo=BERLIN)] | ok | x
# the standard library's other values
uuid.UUID | ID | ok | =
uuid.UUID | str(ID) | error | x
t.Union[uuid.UUID, str] | str(ID) | ok | x
t.Union[str, dt.datetime] | NOON | ok | x
t.Union[int, dt.timedelta] | dt.timedelta(1) | ok | =
decimal.Decimal | decimal.Decimal("1.10") | ok | =
decimal.Decimal | decimal.Decimal("1E+3") | ok | =
decimal.Decimal | decimal.Decimal("1E-30") | ok | =
decimal.Decimal | decimal.Decimal("NaN") | ok | x
decimal.Decimal | decimal.Decimal("-Infinity") | ok | x
decimal.Decimal | 1.5 | error | x
fractions.Fraction | fractions.Fraction(1, 3) | ok | =
complex | 1 + 2j | ok | =
complex | 1.5 | ok | ~
bytes | b"x" | ok | =
bytes | b"\xff" | ok | x
bytes | "x" | error | x
bytearray | bytearray(b"x") | ok | =
bytearray | b"x" | error | x
memoryview | memoryview(b"x") | ok | decl
pathlib.Path | pathlib.Path("a/b") | ok | =
pathlib.PurePath | pathlib.PurePath("a") | ok | =
pathlib.PurePosixPath | pathlib.PurePosixPath("/a") | ok | =
pathlib.Path | "a" | error | x
list[pathlib.Path] | [pathlib.Path("a")] | ok | =
ipaddress.IPv4Address | ipaddress.IPv4Address("10.0.0.1") | ok | =
ipaddress.IPv6Network | ipaddress.IPv6Network("fe80::/64") | ok | =
ipaddress.IPv4Interface | ipaddress.IPv4Interface("10.0.0.1/24") | ok | =
re.Pattern[str] | re.compile("a+") | ok | =
re.Pattern[str] | re.compile("a+", re.IGNORECASE) | ok | x
p.AnyUrl | p.AnyUrl("https://example.org/a") | ok | = | 2.11
p.HttpUrl | p.HttpUrl("https://example.org/") | ok | = | 2.11
p.SecretStr | p.SecretStr("x") | ok | x
p.SecretBytes | p.SecretBytes(b"x") | ok | x
p.Json[list[int]] | [1, 2] | ok | =
p.Json[t.Any] | {"a": 1} | ok | =
p.ByteSize | p.ByteSize(5) | ok | =
type | int | ok | x
abc.Callable[[], int] | int | ok | x
Plain | Plain() | ok | decl
p.AwareDatetime | NOON | ok | =
p.NaiveDatetime | NOON | ok | x
p.JsonValue | {"a": [1]} | ok | =
p.InstanceOf[Item] | Item(sku="x") | ok | =
# containers
list[int] | [1, 2] | ok | =
list[int] | [] | ok | =
list[int] | (1, 2) | error | x
list[int] | ["x"] | error | x
list | [1, "x"] | ok | =
list | [(1,)] | ok | x
list[float] | [True, 1, 0.5] | ok | =
tuple[int, str] | (1, "x") | ok | =
tuple[int, ...] | (1, 2, 3) | ok | =
tuple[int, ...] | () | ok | =
tuple[int, str] | (1,) | error | x
tuple[int, str] | [1, "x"] | error | x
set[int] | {1} | ok | =
set[int] | frozenset({1}) | error | x
set[dt.date] | {DAY} | ok | =
frozenset[str] | frozenset({"a"}) | ok | =
set[tuple[int, int]] | {(1, 2)} | ok | =
dict[str, int] | {"a": 1} | ok | =
dict[int, str] | {1: "x"} | ok | =
dict[uuid.UUID, int] | {ID: 1} | ok | =
dict[tuple[int, int], int] | {(1, 2): 3} | ok | x
dict[str, object] | {"a": (1,)} | ok | x
dict[str, t.Any] | {"a": DAY} | ok | x
dict | {1: 2} | ok | x
dict[str, int] | {"a": "1"} | error | x
dict[str, list[dict[str, tuple[int, dt.date]]]] | {"a": [{"b": (1, DAY)}]} | ok | =
collections.deque[int] | collections.deque([1, 2]) | ok | = | 2.13
collections.deque[int] | collections.deque([1], maxlen=3) | ok | x
collections.Counter[str] | collections.Counter("aab") | ok | = | 2.12
collections.OrderedDict[str, int] | collections.OrderedDict(b=1, a=2) | ok | = | 2.12
collections.defaultdict[str, int] | collections.defaultdict(int, a=1) | ok | =
collections.defaultdict[str, int] | collections.defaultdict(lambda: 7, a=1) | ok | x
dict[str, int] | collections.Counter("a") | ok | ~ | 2.12
collections.ChainMap[str, int] | collections.ChainMap({"a": 1}) | ok | decl
abc.Sequence[int] | [1] | ok | =
abc.Sequence[int] | (1, 2) | ok | ~
abc.Sequence[dt.date] | [DAY] | ok | =
abc.Sequence[str] | "abc" | ok | x
abc.Collection[int] | {1} | ok | ~
abc.Iterable[int] | [1] | ok | =
abc.Iterable[int] | counting() | ok | x
abc.Iterator[int] | counting() | ok | decl
abc.Set[dt.date] | {DAY} | ok | =
abc.Set[int] | frozenset({1}) | ok | ~
abc.Mapping[str, dt.date] | {"a": DAY} | ok | =
abc.MutableMapping[str, int] | {"a": 1} | ok | =
abc.MutableSequence[int] | [1] | ok | =
t.Sequence[abc.Collection[int]] | [[1]] | ok | =
t.Optional[abc.Sequence[int]] | None | ok | =
Numbers | [1] | ok | =
Numbers | (1, 2) | ok | ~
dict[str, Numbers] | {"a": [1, 2]} | ok | =
abc.Sequence[int] | range(3) | ok | ~
abc.Collection[str] | {"a": 1}.keys() | ok | ~
abc.Iterable[int] | {"a": 1}.values() | ok | ~
abc.Mapping[str, int] | types.MappingProxyType({"a": 1}) | ok | ~
abc.Mapping[str, dt.date] | collections.ChainMap({"a": DAY}) | ok | ~
abc.Mapping[str, dt.date] | {"a": 1} | error | x
abc.Mapping | {"a": 1} | ok | =
object | range(3) | ok | x
range | range(3) | ok | decl
# models
Item | Item(sku="x") | ok | =
Item | Item(sku="x", on=DAY) | ok | =
Item | {"sku": "x"} | error | x
Item | SpecialItem(sku="x", note="n") | ok | x
Item | Twin(sku="x") | error | x
list[Item] | [Item(sku="x"), Item(sku="y", on=DAY)] | ok | =
dict[str, Item] | {"a": Item(sku="x")} | ok | =
t.Optional[Item] | Item(sku="x") | ok | =
t.Union[Item, Twin] | Twin(sku="x") | ok | x
t.Union[Item, int] | Item(sku="x") | ok | =
t.Union[Item, Page[int]] | Page(items=[1]) | ok | ~
set[Frozen] | {Frozen(n=1)} | ok | =
Page[int] | Page[int](items=[1]) | ok | =
Page[int] | Page(items=[1]) | ok | ~
Page[int] | Page(items=["x"]) | error | x
Page[int] | IntPage(items=[1]) | ok | x
IntPage | IntPage(items=[1]) | ok | =
Page[t.Any] | Page[int](items=[1]) | ok | ~
Page[Item] | Page(items=[Item(sku="x")]) | ok | ~
list[Page[dt.date]] | [Page(items=[DAY])] | ok | =
t.Optional[Page[int]] | Page(items=[1]) | ok | ~
Page[Page[int]] | Page(items=[Page(items=[1])]) | ok | ~
Box[Page[int]] | Box(Page(items=[1])) | ok | =
Node | Node(name="a", children=[Node(name="b")]) | ok | =
Pet | Cat() | ok | =
Pet | Dog() | ok | =
list[Pet] | [Dog(), Cat(lives=1)] | ok | =
Pet | Item(sku="x") | error | x
Paint | Blue() | ok | =
Ids | Ids([1]) | ok | =
p.RootModel[dict[str, dt.date]] | p.RootModel[dict[str, dt.date]]({"a": DAY}) | ok | =
Aliased | Aliased.model_validate({"A": 1, "B": 2, "c": 3, "D2": 4, "E": [5]}) | ok | =
list[Aliased] | [Aliased()] | ok | =
Open | Open.model_validate({"a": 1, "b": [2]}) | ok | =
Open | Open.model_validate({"a": 1, "b": DAY}) | ok | x
Closed | Closed(a=1) | ok | =
Secret | Secret(password=p.SecretStr("x")) | ok | x
Hidden | Hidden() | ok | =
Hidden | Hidden(a=7) | ok | x
Private | Private(a=1) | ok | =
Private | Private(a=1).changed() | ok | x
Text | Text.model_validate({"numbers": "[1]"}) | ok | =
Before | Before(when=NOON) | ok | =
Doubling | Doubling(a=1) | ok | x
Unix | Unix(when=NOON) | ok | x
Anything | Anything(value=[1]) | ok | =
Anything | Anything(value=DAY) | ok | x
Moment | Moment(at=NOON) | ok | =
Moment | Moment(at=dt.datetime(2026, 1, 2, tzinfo=BERLIN)) | ok | x
Thing | Thing(thing=SpecialItem(sku="x", note="n")) | ok | x
# dataclasses, named tuples, typed dicts, own classes
Point | Point(1) | ok | =
Point | Point3(1, z=2) | ok | x
Point | {"x": 1} | error | x
Slotted | Slotted(day=DAY, tags=frozenset({"a"})) | ok | =
Counted | Counted(1) | ok | =
Counted | Counted(1).counted() | ok | x
Needing | Needing(1, 2) | ok | x
Identity | Identity(1) | ok | =
Box[int] | Box(1) | ok | =
Box[dt.date] | Box(DAY) | ok | =
Checked | Checked(1) | ok | =
list[Point] | [Point(1), Point(2, 1.5)] | ok | =
Coordinates | Coordinates(1.5) | ok | =
Coordinates | (1.5, DAY) | error | x
tuple[float, dt.date] | Coordinates(1.5) | ok | ~
Keys | {"a": 1} | ok | =
Keys | {} | error | x
Keys | {"a": 1, "b": 2} | error | x
MoreKeys | {"a": 1, "b": 2} | ok | =
Loose | {} | ok | =
Loose | {"day": DAY} | ok | =
Mixed | {"a": 1, "c": 2} | ok | = | 2.11
Mixed | {"a": 1, "b": DAY, "c": 2} | ok | = | 2.11
Shut | {"a": 1} | ok | =
GenericKeys[dt.date] | {"item": DAY} | ok | =
list[Keys] | [{"a": 1}] | ok | =
Own | Own(3) | ok | =
list[Own] | [Own(3)] | ok | =
dict[str, Own] | {"a": Own(3)} | ok | =
"""
