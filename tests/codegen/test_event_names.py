"""How the names of events and workers are worked out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codegen.reading import lines, read

CASES: dict[str, tuple[dict[str, str], list[str]]] = {
    "constants": (
        {
            "names.py": """\
from typing import Final
PREFIX: Final = 'order'
PLACED = PREFIX + '.placed'
PAID = f'{PREFIX}.paid'
""",
            "app.py": """\
import upnext
import names
from names import PLACED
w = upnext.Worker("shop")
p = w.event(PLACED)
q = w.event(names.PAID)
r = w.event(f"{names.PREFIX}.x")
""",
        },
        [
            "app.py:5:5 event order.placed of shop",
            "app.py:6:5 event order.paid of shop",
            "app.py:7:5 event order.x of shop",
        ],
    ),
    "enums": (
        {
            "app.py": """\
import enum, upnext
class N(enum.StrEnum):
    A = "a.b"
    AUTO = enum.auto()
class M(str, enum.Enum):
    B = "b.c"
class P(enum.Enum):
    C = "c.d"
w = upnext.Worker("shop")
a = w.event(N.A)
b = w.event(M.B)
c = w.event(P.C.value)
d = w.event(N.AUTO)
e = w.event(P.C)
""",
        },
        [
            "app.py:10:5 event a.b of shop",
            "app.py:11:5 event b.c of shop",
            "app.py:12:5 event c.d of shop",
            "app.py:13:5 event auto of shop",
            'app.py:14:13 UPN004 event name "C" is not allowed',
        ],
    ),
    "class attribute": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
class Events:
    paid = worker.event("order.paid")
    class Inner:
        x = worker.event("x.y")
@Events.paid.on
def a(x: int): ...
@Events.Inner.x.on
def b(x: int): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:5:12 event order.paid of shop",
            "app.py:7:13 event x.y of shop",
            "app.py:9:5 order.paid of shop: a(x: int)",
            "app.py:11:5 x.y of shop: b(x: int)",
        ],
    ),
    "class attribute through an object": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
class Bus:
    paid = worker.event("order.paid")
    sent: upnext.Event
    def m(self):
        self.paid.on(f)
bus = Bus()
def f(x: int): ...
@bus.paid.on
def a(x: int): ...
@Bus.sent.on
def b(x: int): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:5:12 event order.paid of shop",
            "app.py:12:5 order.paid of shop: a(x: int)",
            "app.py:8:9 UPN002 the event that .on is called on cannot be known without running the code",
            "app.py:13:2 UPN002 the event that .on is called on cannot be known without running the code",
        ],
    ),
    "dynamic names": (
        {
            "app.py": """\
import os, upnext
w = upnext.Worker(os.environ["W"])
p = w.event(os.environ["X"])
for n in ["a", "b"]:
    w.event(n)
@p.on
def a(x: int): ...
q = w.event("ok.name")
@q.on
def b(x: int): ...
""",
        },
        [
            "app.py:8:5 event ok.name of ?",
            "app.py:10:5 ok.name of ?: b(x: int)",
            "app.py:2:5 UPN002 the worker's name cannot be known without running the code",
            "app.py:3:5 UPN002 the event's name cannot be known without running the code",
            "app.py:5:5 UPN002 the event's name cannot be known without running the code",
        ],
    ),
    "bad names": (
        {
            "app.py": """\
import upnext
w = upnext.Worker("my worker")
p = w.event("order placed")
q = w.event("")
r = w.event("x"*300)
s = w.event(3)
t=w.event("\\x1b[31m")
""",
        },
        [
            'app.py:2:19 UPN004 worker name "my worker" is not allowed',
            'app.py:3:13 UPN004 event name "order placed" is not allowed',
            'app.py:4:13 UPN004 event name "" is not allowed',
            "app.py:5:5 UPN002 the event's name cannot be known without running the code",
            'app.py:6:13 UPN004 event name "3" is not allowed',
            'app.py:7:11 UPN004 event name "\\x1b[31m" is not allowed',
        ],
    ),
    "worker subclass": (
        {
            "app.py": """\
import upnext
class W(upnext.Worker): ...
class V(W):
    def __init__(self, n="x"):
        super().__init__("vee")
class U(W):
    def __init__(self, label: str, n: int):
        super().__init__(name=label)
a = W("aa").event("a.a")
b = V().event("b.b")
c = U("uu", 3).event("c.c")
""",
        },
        [
            "app.py:9:5 event a.a of aa",
            "app.py:10:5 event b.b of vee",
            "app.py:11:5 event c.c of uu",
        ],
    ),
    "functions": (
        {
            "app.py": """\
import upnext
def setup():
    w = upnext.Worker("in")
    e = w.event("in.side")
    e.on(h)
    return e
def h(a: int): ...
def make():
    return upnext.Worker("made")
x = make().event("out.side")
@setup().on
def g(b: int): ...
""",
        },
        [
            "app.py:4:9 event in.side of in",
            "app.py:10:5 event out.side of made",
            "app.py:7:5 in.side of in: h(a: int)",
            "app.py:12:5 in.side of in: g(b: int)",
        ],
    ),
    "chained": (
        {
            "app.py": """\
import upnext
@upnext.Worker("w").event("a.b").on
def a(x: int): ...
""",
        },
        [
            "app.py:2:2 event a.b of w",
            "app.py:3:5 a.b of w: a(x: int)",
        ],
    ),
    "unhashable and odd names": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
n = worker.event(*["a.b"])
m = worker.event()
x = worker.event(name="ok.name", extra="forbid")
@placed.on()
def a(x: int): ...
@x.on(**{"retries": 1})
def b(x: int): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:6:5 event ok.name of shop",
            "app.py:8:5 order.placed of shop: a(x: int)",
            "app.py:10:5 ok.name of shop: b(x: int)",
            "app.py:4:5 UPN002 the event's name cannot be known without running the code",
            "app.py:5:5 UPN002 the event's name cannot be known without running the code",
        ],
    ),
    "worker.events": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
@worker.events["order.placed"].on
def a(x: int): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:5:5 order.placed of shop: a(x: int)",
        ],
    ),
    "rebinding": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
e = worker.event("one.x")
@e.on
def a(x: int): ...
e = worker.event("two.x")
@e.on
def b(x: int): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:4:5 event one.x of shop",
            "app.py:7:5 event two.x of shop",
            "app.py:6:5 one.x of shop: a(x: int)",
            "app.py:9:5 two.x of shop: b(x: int)",
        ],
    ),
    "tuple assignment walrus global": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
a, b = worker.event("a.a"), worker.event("b.b")
if (c := worker.event("c.c")):
    pass
def init():
    global late
    late = worker.event("late.x")
@a.on
def h1(x: int): ...
@c.on
def h2(x: int): ...
@late.on
def h3(x: int): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:4:8 event a.a of shop",
            "app.py:4:29 event b.b of shop",
            "app.py:5:10 event c.c of shop",
            "app.py:9:12 event late.x of shop",
            "app.py:11:5 a.a of shop: h1(x: int)",
            "app.py:13:5 c.c of shop: h2(x: int)",
            "app.py:15:5 late.x of shop: h3(x: int)",
        ],
    ),
    "module level loop and comprehension": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
evs = [worker.event(n) for n in ("a.a", "b.b")]
for h in (1, 2):
    placed.on(h)
def f(x: int): ...
for e in (placed, worker.event("c.c")):
    e.on(f)
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:8:19 event c.c of shop",
            "app.py:4:8 UPN002 the event's name cannot be known without running the code",
            (
                'app.py:6:15 UPN109 handler "h" cannot be found again at run time: it is no function of the '
                "project that has a name"
            ),
            "app.py:9:5 UPN002 the event that .on is called on cannot be known without running the code",
        ],
    ),
    "arms bind two": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
paid = worker.event("order.paid")
import os
if os.name:
    e = placed
else:
    e = paid
@e.on
def a(x: int): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:4:8 event order.paid of shop",
            "app.py:10:2 UPN002 the event that .on is called on cannot be known without running the code",
        ],
    ),
    "f-strings of enums": (
        {
            "app.py": """\
from enum import Enum, IntEnum, ReprEnum, StrEnum
import upnext
class N(StrEnum):
    PAID = "paid"
class R(str, ReprEnum):
    PAID = "paid"
class M(str, Enum):
    PAID = "paid"
class S(StrEnum):
    PAID = "paid"
    def __str__(self): return "x"
class I(IntEnum):
    ONE = 1
w = upnext.Worker("shop")
a = w.event(f"order.{N.PAID}")
b = w.event(f"bill.{R.PAID}")
c = w.event(f"order.{M.PAID}")
d = w.event(f"order.{S.PAID}")
e = w.event(f"order.{I.ONE}")
f = w.event(f"card.{M.PAID.value}{I.ONE.value}")
""",
        },
        [
            "app.py:15:5 event order.paid of shop",
            "app.py:16:5 event bill.paid of shop",
            "app.py:20:5 event card.paid1 of shop",
            "app.py:17:5 UPN002 the event's name cannot be known without running the code",
            "app.py:18:5 UPN002 the event's name cannot be known without running the code",
            "app.py:19:5 UPN002 the event's name cannot be known without running the code",
        ],
    ),
    "format": (
        {
            "app.py": """\
import enum, upnext
A = "order"
class N(enum.StrEnum):
    PAID = "paid"
w = upnext.Worker("shop")
a = w.event("a{}.{}".format(A, 1))
b = w.event("b{1}.{0}".format("x", A))
c = w.event("c{a}.{b}".format(a=A, b=N.PAID))
d = w.event("{{d}}{}/{}{{".format(A, "x"))
e = w.event("e{:>9}".format(A))
f = w.event("f{!r}".format(A))
g = w.event("g{0.real}".format(1))
h = w.event("h{}.{}".format(A))
i = w.event("i{}{}".format(A, *A))
j = w.event("j{a}".format(**A))
k = w.event("k{".format(A))
""",
        },
        [
            "app.py:6:5 event aorder.1 of shop",
            "app.py:7:5 event border.x of shop",
            "app.py:8:5 event corder.paid of shop",
            'app.py:9:13 UPN004 event name "{d}order/x{" is not allowed',
            *[
                f"app.py:{line}:5 UPN002 the event's name cannot be known without running the code"
                for line in range(10, 17)
            ],
        ],
    ),
    "join": (
        {
            "app.py": """\
import enum, upnext
A = "order"
DOT = "."
PARTS = (A, "y")
class M(str, enum.Enum):
    PAID = "paid"
w = upnext.Worker("shop")
a = w.event(".".join([A, "x"]))
b = w.event(DOT.join(PARTS))
c = w.event("_".join((A, M.PAID)))
d = w.event(".".join({A, "x"}))
e = w.event(".".join([A, unknown]))
f = w.event(".".join([A, 1]))
g = w.event(".".join([*PARTS]))
h = w.event(".".join(x for x in PARTS))
""",
        },
        [
            "app.py:8:5 event order.x of shop",
            "app.py:9:5 event order.y of shop",
            "app.py:10:5 event order_paid of shop",
            *[
                f"app.py:{line}:5 UPN002 the event's name cannot be known without running the code"
                for line in range(11, 16)
            ],
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_scan_says_exactly_this_of(name: str, tmp_path: Path) -> None:
    sources, expected = CASES[name]
    assert lines(*read(tmp_path, sources)) == expected
