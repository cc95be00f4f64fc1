"""How events are followed across modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codegen.reading import lines, read, write
from upnext_codegen.project import load_project
from upnext_codegen.scan import scan

CASES: dict[str, tuple[dict[str, str], list[str]]] = {
    "import upnext under another name": (
        {
            "app.py": """\
import upnext as u
w = u.Worker("shop")
p = w.event("order.placed")
@p.on
def h(a: int): ...
""",
        },
        [
            "app.py:3:5 event order.placed of shop",
            "app.py:5:5 order.placed of shop: h(a: int)",
        ],
    ),
    "from upnext import Worker": (
        {
            "app.py": """\
from upnext import Worker as W
w = W("shop")
p = w.event(name="order.placed")
@p.on(retries=2)
async def h(a: int = 1, *, b: str): ...
""",
        },
        [
            "app.py:3:5 event order.placed of shop",
            "app.py:5:11 order.placed of shop: h(a?: int, b: str)",
        ],
    ),
    "imported event": (
        {
            "shop/__init__.py": """\
""",
            "shop/events.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
""",
            "shop/mail.py": """\
from shop.events import placed
@placed.on
async def send(order_id: str): ...
""",
        },
        [
            "shop/events.py:3:10 event order.placed of shop",
            "shop/mail.py:3:11 order.placed of shop: send(order_id: str)",
        ],
    ),
    "relative, aliased import": (
        {
            "shop/__init__.py": """\
""",
            "shop/events.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
""",
            "shop/a/__init__.py": """\
""",
            "shop/a/mail.py": """\
from ..events import placed as p
@p.on
async def send(order_id: str): ...
""",
        },
        [
            "shop/events.py:3:10 event order.placed of shop",
            "shop/a/mail.py:3:11 order.placed of shop: send(order_id: str)",
        ],
    ),
    "attribute of module": (
        {
            "shop/events.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
""",
            "shop/mail.py": """\
from shop import events
import shop.events
import shop.events as ev
@events.placed.on
async def a(x: int): ...
@shop.events.placed.on
async def b(x: int): ...
@ev.placed.on
def c(x: int): ...
""",
        },
        [
            "shop/events.py:3:10 event order.placed of shop",
            "shop/mail.py:5:11 order.placed of shop: a(x: int)",
            "shop/mail.py:7:11 order.placed of shop: b(x: int)",
            "shop/mail.py:9:5 order.placed of shop: c(x: int)",
        ],
    ),
    "re-export chain, star and __all__": (
        {
            "shop/__init__.py": """\
from .events import *
""",
            "shop/events.py": """\
from .inner import *
__all__ = ['placed']
""",
            "shop/inner.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
__all__ = ['placed', 'worker']
""",
            "mail.py": """\
from shop import placed
@placed.on
def send(x: str): ...
""",
            "b.py": """\
import shop
@shop.placed.on
def send2(x: str): ...
""",
        },
        [
            "shop/inner.py:3:10 event order.placed of shop",
            "b.py:3:5 order.placed of shop: send2(x: str)",
            "mail.py:3:5 order.placed of shop: send(x: str)",
        ],
    ),
    "package submodule import": (
        {
            "shop/__init__.py": """\
""",
            "shop/events/__init__.py": """\
from . import orders
from .orders import *
""",
            "shop/events/orders.py": """\
from ..core import worker
__all__ = ['placed']
__all__ += ['paid']
placed = worker.event('order.placed')
paid = worker.event('order.paid')
hidden = worker.event('h.h')
""",
            "shop/core.py": """\
from upnext import Worker
worker = Worker('shop')
""",
            "app.py": """\
from shop.events import *
from shop import events
@paid.on
def a(x: int): ...
@events.orders.hidden.on
def b(x: int): ...
@hidden.on
def c(x: int): ...
""",
        },
        [
            "shop/events/orders.py:4:10 event order.placed of shop",
            "shop/events/orders.py:5:8 event order.paid of shop",
            "shop/events/orders.py:6:10 event h.h of shop",
            "app.py:4:5 order.paid of shop: a(x: int)",
            "app.py:6:5 h.h of shop: b(x: int)",
        ],
    ),
    "conditional import": (
        {
            "events.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
""",
            "app.py": """\
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from events import placed
else:
    placed = None
try:
    from fastevents import placed as p
except ImportError:
    from events import placed as p
@p.on
def a(x: int): ...
@placed.on
def b(x: int): ...
""",
        },
        [
            "events.py:3:10 event order.placed of shop",
            "app.py:11:5 order.placed of shop: a(x: int)",
            "app.py:13:5 order.placed of shop: b(x: int)",
        ],
    ),
    "import in function": (
        {
            "events.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
""",
            "app.py": """\
def f(x: int): ...
def setup():
    from events import placed
    placed.on(f)
""",
        },
        [
            "events.py:3:10 event order.placed of shop",
            "app.py:1:5 order.placed of shop: f(x: int)",
        ],
    ),
    "cycle": (
        {
            "a.py": """\
import upnext
from b import placed
worker = upnext.Worker('shop')
@placed.on
def h(x: int): ...
""",
            "b.py": """\
from a import worker
placed = worker.event('order.placed')
""",
        },
        [
            "b.py:2:10 event order.placed of shop",
            "a.py:5:5 order.placed of shop: h(x: int)",
        ],
    ),
    "alias factories across modules": (
        {
            "core.py": """\
import upnext
worker = upnext.Worker("shop")
make = worker.event
""",
            "ev.py": """\
from core import make
placed = make('order.placed')
""",
            "h.py": """\
from ev import placed
@placed.on
def a(x: int): ...
""",
        },
        [
            "ev.py:2:10 event order.placed of shop",
            "h.py:3:5 order.placed of shop: a(x: int)",
        ],
    ),
    "src layout and namespace": (
        {
            "src/acme/shop/events.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
""",
            "src/acme/mail/h.py": """\
from acme.shop.events import placed
from acme.shop.models import M
@placed.on
def a(x: M): ...
""",
            "src/acme/shop/models.py": """\
import pydantic
class M(pydantic.BaseModel): ...
""",
            "scripts/run.py": """\
import upnext
from acme.shop.events import placed
@placed.on
def s(x: int): ...
""",
        },
        [
            "src/acme/shop/events.py:3:10 event order.placed of shop",
            "scripts/run.py:4:5 order.placed of shop: s(x: int)",
            "src/acme/mail/h.py:4:5 order.placed of shop: a(x: acme.shop.models.M)",
        ],
    ),
    "several roots": (
        {
            "pyproject.toml": """\
[tool.upnext]
src = ["a/src", "b"]
""",
            "a/src/x/events.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
""",
            "b/y/h.py": """\
from x.events import placed
@placed.on
def a(q: int): ...
""",
        },
        [
            "a/src/x/events.py:3:10 event order.placed of shop",
            "b/y/h.py:3:5 order.placed of shop: a(q: int)",
        ],
    ),
    "aliases of methods": (
        {
            "decl.py": """\
import upnext
worker = upnext.Worker("shop")
make = worker.event
""",
            "shop/__init__.py": "from decl import make as make\n",
            "shop/events.py": """\
from shop import make
placed = make("order.placed")
""",
            "shop/aliases.py": """\
from .events import placed
attach = placed.on
""",
            "shop/handlers.py": """\
from .aliases import attach
@attach
def a(x: int): ...
""",
            "whole.py": """\
import decl
paid = decl.make("order.paid")
""",
            "other.py": """\
from decl import worker
make_nothing = 1
""",
        },
        [
            "shop/events.py:2:10 event order.placed of shop",
            "whole.py:2:8 event order.paid of shop",
            "shop/handlers.py:3:5 order.placed of shop: a(x: int)",
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_scan_says_exactly_this_of(name: str, tmp_path: Path) -> None:
    sources, expected = CASES[name]
    assert lines(*read(tmp_path, sources)) == expected


def test_a_file_that_comes_to_use_an_alias_is_noticed(tmp_path: Path) -> None:
    root = write(
        tmp_path, {"decl.py": CASES["aliases of methods"][0]["decl.py"], "app.py": "from decl import worker\n"}
    )
    assert scan(load_project(root))[0].declarations == ()
    (root / "app.py").write_text("from decl import make\nplaced = make('order.placed')\n")
    assert [each.event for each in scan(load_project(root))[0].declarations] == ["order.placed"]
