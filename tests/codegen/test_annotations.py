"""How annotations become types."""

# ruff: noqa: E501 - the columns of a source are part of what its case expects

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codegen.reading import HEAD, lines, read, spelt
from upnext_codegen.types import LiteralType

CASES: dict[str, tuple[dict[str, str], list[str]]] = {
    "annotations": (
        {
            "shop/__init__.py": """\
""",
            "shop/models.py": """\
from dataclasses import dataclass
from typing import NewType, TypeAlias, Literal, Optional, TypedDict, Union, TypeVar, Generic
import enum, pydantic
OrderId = NewType("OrderId", str)
Ids: TypeAlias = "list[OrderId]"
Maybe = Optional[int]
@dataclass
class Item:
    a: int
class Model(pydantic.BaseModel):
    class Inner(pydantic.BaseModel):
        x: int
class Color(enum.Enum):
    RED = 1
class Plain: ...
class TD(TypedDict, total=False):
    a: int
T = TypeVar("T")
Pair = tuple[T, T]
class Box(Generic[T], pydantic.BaseModel): ...
""",
            "shop/h.py": """\
from __future__ import annotations
import datetime as dt, typing as t, uuid, decimal
from collections.abc import Sequence
from typing import Annotated, Any, List, Dict, Literal, Optional, Union, Tuple
import upnext
from shop import models
from shop.models import *
from shop.models import Item as It
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
@placed.on
async def h(a: OrderId, b: Ids, c: Maybe, d: "It | None", e: models.Model.Inner, f: Literal["x", "y", Color.RED, None], g: List[Dict[str, int]], h: Union[int, str, None], i: Optional[Union[int, None]], j: Annotated[int, 5], k: t.Sequence[int], l: dt.datetime, m: Tuple[int, ...], n: tuple[()], o: Any, p: object, q: list[object], r: list, s: TD, u: Pair[int], v: models.Box[int], w: Optional["Item"] = None, *, x: bytes | bytearray, y: list["Item"], z: decimal.Decimal, **kw: int) -> None: ...
""",
        },
        [
            "shop/h.py:10:10 event order.placed of shop",
            (
                "shop/h.py:12:11 order.placed of shop: h(a: shop.models.OrderId, b: list[shop.models.OrderId], "
                "c: int | None, d: shop.models.Item | None, e: shop.models.Model.Inner, f: Literal['x', 'y', "
                "shop.models.Color.RED] | None, g: list[dict[str, int]], h: int | str | None, i: int | None, j: "
                "int, k: collections.abc.Sequence[int], l: datetime.datetime, m: tuple[int, ...], n: tuple[], o:"
                " Any, p: Any, q: list[object], r: list, s: shop.models.TD, u: tuple[int, int], v: "
                "shop.models.Box[int], w?: shop.models.Item | None, x: bytes | bytearray, y: "
                "list[shop.models.Item], z: decimal.Decimal, **int)"
            ),
        ],
    ),
    "string literal annotations": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
from typing import Literal, Annotated
K = Literal["a", "b"]
@placed.on
def a(a: "Literal['x']", b: Literal["int"], c: K, d: Literal[K, "c", -1, True, b"x"], e: "Annotated[int, 'x'] | None" = None): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            (
                "app.py:7:5 order.placed of shop: a(a: Literal['x'], b: Literal['int'], c: Literal['a', 'b'], d:"
                " Literal['a', 'b', 'c', -1, True, b'x'], e?: int | None)"
            ),
        ],
    ),
    "type checking arms": (
        {
            "events.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
""",
            "models.py": """\
import pydantic
class M(pydantic.BaseModel): ...
""",
            "app.py": """\
from __future__ import annotations
from typing import TYPE_CHECKING
from events import placed
if TYPE_CHECKING:
    from models import M
    import models as mm
@placed.on
def a(x: M, y: mm.M): ...
""",
        },
        [
            "events.py:3:10 event order.placed of shop",
            "app.py:8:5 order.placed of shop: a(x: models.M, y: models.M)",
        ],
    ),
    "context": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
from typing import Annotated, Optional
from upnext import Context
class My(Context): ...
@placed.on
def a(c: Context, d: upnext.Context | None, e: Optional[Context], f: Annotated[Context, 1], g: "Context", h: My, i: int): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:8:5 order.placed of shop: a(i: int)",
        ],
    ),
    "bad annotations": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
def outer():
    class Local: ...
    global f
    def f(x: Local): ...
    placed.on(f)
import shopx.y
from missing_third import Thing
@placed.on
def a(x: Nope, y: Thing, z: "not a type", w: shopx.y.Z, v: worker, u: [int], t: upnext): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            (
                "app.py:12:5 order.placed of shop: a(x: Any, y: missing_third.Thing, z: Any, w: shopx.y.Z, v: "
                "Any, u: Any, t: Any)"
            ),
            'app.py:7:9 UPN109 handler "f" cannot be found again at run time: it is defined inside a function',
            'app.py:12:10 UPN105 annotation "Nope" cannot be written in the catalog: the name cannot be found',
            (
                'app.py:12:29 UPN105 annotation "not a type" cannot be written in the catalog: the text in '
                "quotes is not a type"
            ),
            (
                'app.py:12:60 UPN105 annotation "worker" cannot be written in the catalog: it is the result of a'
                " call, not a type"
            ),
            'app.py:12:71 UPN105 annotation "[int]" cannot be written in the catalog: it is not a type',
            'app.py:12:81 UPN105 annotation "upnext" cannot be written in the catalog: it is a module, not a type',
        ],
    ),
    "unpack": (
        {
            "models.py": """\
from typing import TypedDict, NotRequired, Required
class Base(TypedDict):
    a: int
    b: NotRequired[str]
class TD(Base, total=False):
    c: float
    d: Required[bool]
F = TypedDict("F", {"x": int, "y": "str"})
""",
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
from typing import Unpack
import models, typing_extensions as te
@placed.on
def a(z: int, **kw: Unpack[models.TD]): ...
@placed.on
def b(**kw: "te.Unpack[models.F]"): ...
@placed.on
def c(**kw: Unpack[dict]): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:7:5 order.placed of shop: a(z: int, a: int, b?: str, c?: float, d: bool)",
            "app.py:9:5 order.placed of shop: b(x: int, y: str)",
            "app.py:11:5 order.placed of shop: c(**Any)",
            (
                'app.py:11:13 UPN105 annotation "Unpack[dict]" cannot be written in the catalog: Unpack takes a '
                "TypedDict of the project"
            ),
        ],
    ),
    "unfillable": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
@placed.on
def a(x, y: int, /, z, *args, **kw): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:5:5 order.placed of shop: a(z, **Any)",
            'app.py:5:7 UPN103 positional-only parameter "x" of handler "a" never gets a value: events pass keyword arguments only',
            'app.py:5:10 UPN103 positional-only parameter "y" of handler "a" never gets a value: events pass keyword arguments only',
            'app.py:5:21 UPN104 field "z" of handler "a" has no annotation, so sends are not checked against it',
            'app.py:5:25 UPN103 parameter "*args" of handler "a" never gets a value: events pass keyword arguments only',
        ],
    ),
    "generic function bound": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
from typing import TypeVar
T = TypeVar("T", bound=int)
S = TypeVar("S", int, str)
U = TypeVar("U")
@placed.on
def a(x: T, y: S, z: list[U]): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:9:5 order.placed of shop: a(x: int, y: int | str, z: list[Any])",
        ],
    ),
    "recursion and self reference": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
Json = "dict[str, Json] | list[Json] | str"
x = x
y = z
z = y
@placed.on
def a(j: Json): ...
@y.on
def b(j: int): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:9:5 order.placed of shop: a(j: dict[str, app.Json] | list[app.Json] | str)",
            "app.py:10:2 UPN002 the event that .on is called on cannot be known without running the code",
        ],
    ),
    "unpacking": (
        {
            "app.py": """\
import upnext
from typing import Self, Unpack
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
class C:
    @placed.on
    @staticmethod
    def a(a: tuple[int, *tuple[str, ...]], b: Self, c: tuple[int, Unpack[tuple[str, ...]]]): ...
""",
        },
        [
            "app.py:4:10 event order.placed of shop",
            "app.py:8:9 order.placed of shop: a(a: Any, b: Any, c: Any)",
            (
                'app.py:8:14 UPN105 annotation "tuple[int, *tuple[str, ...]]" cannot be written in the catalog: '
                "no payload can be checked against a tuple with an unpacked part"
            ),
            'app.py:8:47 UPN105 annotation "Self" cannot be written in the catalog: Self has no meaning here',
            (
                'app.py:8:56 UPN105 annotation "tuple[int, Unpack[tuple[str, ...]]]" cannot be written in the catalog: '
                "only **kwargs: Unpack[...] of a TypedDict can be unpacked"
            ),
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_scan_says_exactly_this_of(name: str, tmp_path: Path) -> None:
    sources, expected = CASES[name]
    assert lines(*read(tmp_path, sources)) == expected


@pytest.mark.parametrize("quote", ["", "'"])
def test_a_union_may_have_many_members(quote: str, tmp_path: Path) -> None:
    members = [f"list[Literal[{number}]]" for number in range(300)]
    literal = f"Literal[{', '.join(map(str, range(300)))}]"
    source = (
        f"{HEAD}from typing import Literal, Union\n@placed.on\n"
        f"def a(a: {quote}{' | '.join(members)}{quote}, b: Union[{', '.join(members)}], c: {literal}): ...\n"
    )
    scanned, findings = read(tmp_path, source)
    assert findings == ()
    assert [spelt(each.type) for each in scanned.handlers[0].parameters] == [*[" | ".join(members)] * 2, literal]


@pytest.mark.parametrize(
    "binding",
    ["for Sent in (int, str): ...", "Sent, Other = int, str", "*Sent, Other = int, str", "with x as Sent: ..."],
)
def test_a_name_that_a_loop_or_an_unpacking_binds_is_no_type(binding: str, tmp_path: Path) -> None:
    _, findings = read(tmp_path, f"{HEAD}{binding}\n@placed.on\ndef handle(sent: Sent): ...\n")
    assert [each.code for each in findings] == ["UPN105"]


def test_true_and_one_are_two_literals() -> None:
    assert LiteralType((True,)) != LiteralType((1,))
    assert LiteralType((True, "x")) == LiteralType((True, "x"))
    assert hash(LiteralType((1,))) == hash(LiteralType((1,)))
    assert LiteralType((1,)) != 1
