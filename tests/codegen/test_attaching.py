"""How functions become handlers, and which cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codegen.reading import lines, read

CASES: dict[str, tuple[dict[str, str], list[str]]] = {
    "on as a call": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
def h(a: int): ...
placed.on(h)
placed.on(h, name="other", retries=1)
x = placed.on(retries=3)(h)
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:4:5 order.placed of shop: h(a: int)",
            "app.py:4:5 order.placed of shop: h(a: int)",
            "app.py:4:5 order.placed of shop: other(a: int)",
        ],
    ),
    "on call of another module's function": (
        {
            "events.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
""",
            "lib.py": """\
def handle(order_id: str, n: int = 2): ...
alias = handle
""",
            "app.py": """\
from events import placed
from lib import alias
placed.on(alias)
""",
        },
        [
            "events.py:3:10 event order.placed of shop",
            "lib.py:1:5 order.placed of shop: handle(order_id: str, n?: int)",
        ],
    ),
    "two events on one function": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
paid = worker.event("order.paid")
@placed.on
@paid.on(retries=1)
def h(a: int): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:4:8 event order.paid of shop",
            "app.py:7:5 order.paid of shop: h(a: int)",
            "app.py:7:5 order.placed of shop: h(a: int)",
        ],
    ),
    "stacked": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
import functools
def deco(f): return f
@deco
@placed.on
@functools.wraps
def h(a: int): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:9:5 order.placed of shop: h(a: int)",
        ],
    ),
    "static method": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
class C:
    @placed.on
    @staticmethod
    def a(x: int): ...
    @staticmethod
    @placed.on
    def b(x: int): ...
    @placed.on
    def c(self, x: int): ...
    @placed.on
    @classmethod
    def d(cls, x: int): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:7:9 order.placed of shop: a(x: int)",
            "app.py:10:9 order.placed of shop: b(x: int)",
            'app.py:12:9 UPN109 handler "c" cannot be found again at run time: it is a method',
            'app.py:15:9 UPN109 handler "d" cannot be found again at run time: it is a method',
        ],
    ),
    "handler in a nested class": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
class A:
    class B:
        @placed.on
        @staticmethod
        def s(x: int): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            'app.py:8:13 UPN109 handler "s" cannot be found again at run time: its class is not at module level',
        ],
    ),
    "unfindable": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
from functools import partial
def outer():
    @placed.on
    def inner(x: int): ...
placed.on(lambda x: x)
def f(a: int): ...
placed.on(partial(f, a=1))
@placed.on
class K:
    def __init__(self, a: int): ...
class H:
    def m(self, a: int): ...
placed.on(H().m)
placed.on(H.m)
placed.on(print)
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            'app.py:7:9 UPN109 handler "inner" cannot be found again at run time: it is defined inside a function',
            'app.py:8:11 UPN109 handler "lambda" cannot be found again at run time: it is a lambda',
            'app.py:10:11 UPN109 handler "partial(...)" cannot be found again at run time: it is a partial',
            'app.py:12:7 UPN109 handler "K" cannot be found again at run time: it is a class',
            'app.py:15:9 UPN109 handler "m" cannot be found again at run time: it is a method',
            (
                'app.py:18:11 UPN109 handler "print" cannot be found again at run time: it is not a named'
                " function defined in this project"
            ),
        ],
    ),
    "arms define handler": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
import os
if os.name:
    @placed.on
    def a(x: int): ...
else:
    @placed.on
    def a(x: str): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:7:9 order.placed of shop: a(x: int)",
            "app.py:10:9 order.placed of shop: a(x: str)",
        ],
    ),
    "alias of event and of on": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
p = q = placed
on = placed.on
retrying = placed.on(retries=4)
@p.on
def a(x: int): ...
@on
def b(x: int): ...
@retrying
def c(x: int): ...
@on(retries=1)
def d(x: int): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:8:5 order.placed of shop: a(x: int)",
            "app.py:10:5 order.placed of shop: b(x: int)",
            "app.py:12:5 order.placed of shop: c(x: int)",
            "app.py:14:5 order.placed of shop: d(x: int)",
        ],
    ),
    "cast and partial": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
from typing import cast
from functools import partial
p = cast(upnext.Event, placed)
@p.on
def a(x: int): ...
on = partial(placed.on, retries=2)
@on
def b(x: int): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:8:5 order.placed of shop: a(x: int)",
            "app.py:11:5 order.placed of shop: b(x: int)",
        ],
    ),
    "self.bus": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
class S:
    def __init__(self):
        self.bus = worker.event("s.bus")
        self.bus.on(self.handle)
    def handle(self, a: int): ...
s = S()
@s.bus.on
def x(a: int): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:6:20 event s.bus of shop",
            "app.py:7:9 UPN002 the event that .on is called on cannot be known without running the code",
            "app.py:10:2 UPN002 the event that .on is called on cannot be known without running the code",
        ],
    ),
    "parameter annotated": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
def f(e: upnext.Event, w: upnext.Worker, other):
    e.on(g)
    w.event("via.param")
    @other.on
    def z(a: int): ...
def g(a: int): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:6:5 event via.param of ?",
            "app.py:5:5 UPN002 the event that .on is called on cannot be known without running the code",
            "app.py:7:6 UPN002 the event that .on is called on cannot be known without running the code",
        ],
    ),
    "not ours": (
        {
            "app.py": """\
import socketio, upnext
sio = socketio.AsyncServer()
@sio.on("connect")
def c(sid): ...
@sio.on
def d(sid): ...
class Bus:
    def on(self, f): return f
bus = Bus()
@bus.on
def e(x): ...
@Bus().on
def f(x): ...
class L:
    @staticmethod
    def on(f): return f
@L.on
def g(x): ...
""",
        },
        [],
    ),
    "not resolvable": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
EV = {"a": placed}
L = [placed]
@EV["a"].on
def a(x: int): ...
@L[0].on
def b(x: int): ...
@make().on
def c(x: int): ...
@globals()["x"].on(retries=1)
def d(x: int): ...
@globals()["x"].on("connect")
def e(x: int): ...
getattr(placed, "on")(e)
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:7:5 order.placed of shop: a(x: int)",
            "app.py:9:5 order.placed of shop: b(x: int)",
            "app.py:15:5 order.placed of shop: e(x: int)",
            "app.py:10:2 UPN002 the event that .on is called on cannot be known without running the code",
            "app.py:12:2 UPN002 the event that .on is called on cannot be known without running the code",
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_scan_says_exactly_this_of(name: str, tmp_path: Path) -> None:
    sources, expected = CASES[name]
    assert lines(*read(tmp_path, sources)) == expected
