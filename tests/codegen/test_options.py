"""What the options of `.on` may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codegen.reading import lines, read

CASES: dict[str, tuple[dict[str, str], list[str]]] = {
    "handler name": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
import os
N = "n1"
@placed.on(name=N)
def a(x: int): ...
@placed.on(name=os.name)
def b(x: int): ...
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:7:5 order.placed of shop: n1(x: int)",
            "app.py:9:5 order.placed of shop: b(x: int)",
            "app.py:8:2 UPN002 the handler's name cannot be known without running the code",
        ],
    ),
    "options": (
        {
            "app.py": """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
import math
from typing import Final
R: Final = -1
T = 0
INF = float("inf")
@placed.on(retries=-1, retry_delay=-0.5, retry_backoff=0.5, timeout=0)
def a(x: int): ...
@placed.on(retries=R, timeout=float("nan"), retry_delay=math.inf)
def b(x: int): ...
@placed.on(timeout=INF, retrys=2)
def c(x: int): ...
@placed.on(retries=2.5, timeout=None)
def d(x: int): ...
@placed.on(retries=unknown(), timeout=2 + 1, retry_backoff=1)
def e(x: int): ...
placed.on(e, name="z", retries="3")
""",
        },
        [
            "app.py:3:10 event order.placed of shop",
            "app.py:10:5 order.placed of shop: a(x: int)",
            "app.py:12:5 order.placed of shop: b(x: int)",
            "app.py:14:5 order.placed of shop: c(x: int)",
            "app.py:16:5 order.placed of shop: d(x: int)",
            "app.py:18:5 order.placed of shop: e(x: int)",
            "app.py:18:5 order.placed of shop: z(x: int)",
            "app.py:9:20 UPN201 retries=-1 is out of range",
            "app.py:9:36 UPN201 retry_delay=-0.5 is out of range",
            "app.py:9:56 UPN201 retry_backoff=0.5 is out of range",
            "app.py:9:69 UPN201 timeout=0 is out of range",
            "app.py:11:20 UPN201 retries=-1 is out of range",
            "app.py:11:31 UPN201 timeout=nan is out of range",
            "app.py:11:57 UPN201 retry_delay=inf is out of range",
            "app.py:13:20 UPN201 timeout=inf is out of range",
            'app.py:13:32 UPN201 "retrys" is not an option of .on',
            "app.py:15:20 UPN201 retries=2.5 is out of range",
            "app.py:15:33 UPN201 timeout=None is out of range",
            'app.py:19:32 UPN201 retries="3" is out of range',
        ],
    ),
    "extra": (
        {
            "app.py": """\
import enum, upnext
worker = upnext.Worker("shop")
class E(str, enum.Enum):
    NO = "forbid"
E2 = "forbidden"
a = worker.event("a", extra="nope")
b = worker.event("b", extra=E2)
c = worker.event("c", extra=True)
d = worker.event("d", extra=None)
e = worker.event("e", extra=unknown())
f = worker.event("f", extra=E.NO)
g = worker.event("g", extra="None")
""",
        },
        [
            *[f"app.py:{line}:5 event {name} of shop" for line, name in enumerate("abcdefg", 6)],
            'app.py:6:29 UPN201 extra="nope" is out of range',
            'app.py:7:29 UPN201 extra="forbidden" is out of range',
            "app.py:8:29 UPN201 extra=True is out of range",
            'app.py:12:29 UPN201 extra="None" is out of range',
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_scan_says_exactly_this_of(name: str, tmp_path: Path) -> None:
    sources, expected = CASES[name]
    assert lines(*read(tmp_path, sources)) == expected
