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
                'app.py:6:15 UPN109 handler "h" cannot be found again at run time: it is not a named '
                "function defined in this project"
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
}


@pytest.mark.parametrize("name", CASES)
def test_a_scan_says_exactly_this_of(name: str, tmp_path: Path) -> None:
    sources, expected = CASES[name]
    assert lines(*read(tmp_path, sources)) == expected
