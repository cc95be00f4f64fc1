"""Syntax newer than the running Python, and files that no Python can read."""

# ruff: noqa: E501 - the columns of a source are part of what its case expects

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codegen.reading import lines, read

CASES: dict[str, tuple[dict[str, str], list[str]]] = {
    "PEP 695": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
type Ids[T] = list[T]
type Rec = dict[str, Rec] | int
@placed.on
def a[T: int](x: T, y: Ids[str], z: Rec): ...
class Box[T]:
    @placed.on
    @staticmethod
    def b(x: T, y: f"{"a"}" = f"{"x"}"): ...
def g():
    try: pass
    except A, B: pass
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:7:5 order.placed of shop: a(x: int, y: list[str], z: dict[str, app.Rec] | int)",
            "app.py:11:9 order.placed of shop: b(x: Any, y?: Any)",
            'app.py:11:20 UPN105 annotation "..." cannot be written in the catalog: it is not a type',
        ],
    ),
    "newer f-strings and t-strings": (
        {
            "app.py": """\
import upnext
P = {"a": "order"}
w = upnext.Worker("shop")
q = w.event(f"{"order"}.paid")
r = w.event(f"{P["a"]}.sent")
s = w.event(t"{P}.x")
lazy import json
x = [*y for y in z]
@q.on
def a[
    T: int,
    S = str,
](x: T, y: S): ...
""",
        },
        [
            "app.py:4:5 event order.paid of shop",
            "app.py:5:5 event order.sent of shop",
            "app.py:10:5 order.paid of shop: a(x: int, y: Any)",
            "app.py:6:5 UPN002 the event's name cannot be known without running the code",
        ],
    ),
    "newer except": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
try:
    pass
except ValueError, TypeError:
    pass
try:
    pass
except* ValueError, TypeError:
    pass
async def f[**P, *Ts](): ...
@placed.on
async def a(x: int): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:14:11 order.placed of shop: a(x: int)",
        ],
    ),
    "syntax error": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
""",
            "bad.py": """\
import upnext
def f(:
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "bad.py:2:7 UPN001 cannot read this file: invalid syntax",
        ],
    ),
    "crlf and form feed and BOM": (
        {
            "app.py": '\ufeffimport upnext\r\nworker = upnext.Worker("shop")\r\nplaced = worker.event("order.placed")\r\n\x0c\r\n@placed.on\r\ndef é(a: int, b): ...\r\n',
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:6:5 order.placed of shop: é(a: int, b)",
            'app.py:6:15 UPN104 field "b" of handler "é" has no annotation, so sends are not checked against it',
        ],
    ),
    "unicode columns": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
x = "ü"; y = worker.event("bad name")
@placed.on
def h(ä: int, b): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:6:5 order.placed of shop: h(ä: int, b)",
            'app.py:4:27 UPN004 event name "bad name" is not allowed',
            'app.py:6:15 UPN104 field "b" of handler "h" has no annotation, so sends are not checked against it',
        ],
    ),
    "ignores": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
@placed.on
def h(a): ...  # upnext: ignore[UPN104, UPN108]
x = "# upnext: ignore"
y = 1  # upnext: ignore
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:5:5 order.placed of shop: h(a)",
            'app.py:5:7 UPN104 field "a" of handler "h" has no annotation, so sends are not checked against it',
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_scan_says_exactly_this_of(name: str, tmp_path: Path) -> None:
    sources, expected = CASES[name]
    assert lines(*read(tmp_path, sources)) == expected
