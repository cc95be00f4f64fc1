"""Which types can travel as JSON."""

# ruff: noqa: E501 - the columns of a source are part of what its case expects

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codegen.reading import lines, read

CASES: dict[str, tuple[dict[str, str], list[str]]] = {
    "not json": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
import socket, threading, asyncio, typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
import somelib
class Plain: ...
@dataclass
class D: ...
class Sub(D): ...
class Str(str): ...
class P2(somelib.Base): ...
class G:
    @classmethod
    def __get_pydantic_core_schema__(cls, *a): ...
@placed.on
def a(a: Plain, b: list[Plain] | None, c: socket.socket, d: Callable[[int], str], e: Iterator[int], f: threading.Lock, g: asyncio.Task[int], h: typing.IO[str], i: Sub, j: Str, k: P2, l: G, m: D): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            (
                "app.py:18:5 order.placed of shop: a(a: app.Plain, b: list[app.Plain] | None, c: socket.socket, "
                "d: collections.abc.Callable, e: collections.abc.Iterator[int], f: threading.Lock, g: "
                "asyncio.Task[int], h: typing.IO[str], i: app.Sub, j: app.Str, k: app.P2, l: app.G, m: app.D)"
            ),
            'app.py:18:10 UPN106 type "app.Plain" cannot be sent as JSON: it is a plain class of the project',
            'app.py:18:20 UPN106 type "app.Plain" cannot be sent as JSON: it is a plain class of the project',
            'app.py:18:43 UPN106 type "socket.socket" cannot be sent as JSON: its values live in one process',
            (
                'app.py:18:61 UPN106 type "collections.abc.Callable" cannot be sent as JSON: its values live in '
                "one process"
            ),
            (
                'app.py:18:86 UPN106 type "collections.abc.Iterator" cannot be sent as JSON: its values live in '
                "one process"
            ),
            'app.py:18:104 UPN106 type "threading.Lock" cannot be sent as JSON: its values live in one process',
            'app.py:18:123 UPN106 type "asyncio.Task" cannot be sent as JSON: its values live in one process',
            'app.py:18:145 UPN106 type "typing.IO" cannot be sent as JSON: its values live in one process',
            'app.py:18:172 UPN106 type "app.Str" cannot be sent as JSON: it is a plain class of the project',
        ],
    ),
    "attrs, protocols and exceptions": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
import attrs, strawberry
from typing import NamedTuple, Protocol
@attrs.define
class A: ...
@strawberry.type
class S: ...
class P(Protocol): ...
class N(NamedTuple):
    a: int
class E(Exception): ...
@placed.on
def a(a: A, s: S, p: P, n: N, e: E): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:15:5 order.placed of shop: a(a: app.A, s: app.S, p: app.P, n: app.N, e: app.E)",
            'app.py:15:10 UPN106 type "app.A" cannot be sent as JSON: it is a plain class of the project',
            'app.py:15:22 UPN106 type "app.P" cannot be sent as JSON: it is a plain class of the project',
            'app.py:15:34 UPN106 type "app.E" cannot be sent as JSON: it is a plain class of the project',
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_scan_says_exactly_this_of(name: str, tmp_path: Path) -> None:
    sources, expected = CASES[name]
    assert lines(*read(tmp_path, sources)) == expected
