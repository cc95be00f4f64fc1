"""Names that are put together: from enums, by formatting and by joining."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codegen.reading import lines, read

CASES: dict[str, tuple[dict[str, str], list[str]]] = {
    "enums that make their values themselves": (
        {
            "app.py": """\
import enum, upnext
class Auto(enum.StrEnum):
    @staticmethod
    def _generate_next_value_(name, *rest): return f"shop.{name}"
    A = enum.auto()
class New(str, enum.Enum):
    def __new__(cls, value): return str.__new__(cls, f"shop.{value}")
    B = "b"
w = upnext.Worker("shop")
a = w.event(Auto.A)
b = w.event(New.B)
""",
        },
        [
            "app.py:10:5 UPN002 the event's name cannot be known without running the code",
            "app.py:11:5 UPN002 the event's name cannot be known without running the code",
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
