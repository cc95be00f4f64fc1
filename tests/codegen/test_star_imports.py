"""What `from module import *` brings."""

# ruff: noqa: E501 - the columns of a source are part of what its case expects

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import upnext
from tests.codegen.reading import lines, read
from upnext_codegen.names.star_exports import STARS

CASES: dict[str, tuple[dict[str, str], list[str]]] = {
    "star imports from outside": (
        {
            "shop/__init__.py": "",
            "shop/base.py": """\
from typing import *
from decimal import *
from uuid import *
""",
            "shop/names.py": """\
from enum import *
class N(StrEnum):
    A = "a.b"
    B = auto()
""",
            "shop/app.py": """\
from shop.names import N
from shop.base import *
from upnext import *
from typing_extensions import *
from datetime import *
from collections.abc import *
from dataclasses import *
from pathlib import *
worker = Worker("shop")
placed = worker.event(N.A)
other = worker.event(N.B)
@dataclass
class D:
    x: int
class T(TypedDict):
    a: NotRequired[int]
@placed.on
def a(c: Context, a: Optional[List[int]], b: datetime, d: Decimal, e: UUID, f: D, g: Path, h: Sequence[date], i: "Literal['x'] | None", **kw: Unpack[T]): ...
@other.on
def b(a: int, b: Set[int], c: _Private, d: Guess): ...
""",
        },
        [
            "shop/app.py:10:10 event a.b of shop",
            "shop/app.py:11:9 event b of shop",
            (
                "shop/app.py:18:5 a.b of shop: a(a: list[int] | None, b: datetime.datetime, d: decimal.Decimal, "
                "e: uuid.UUID, f: shop.app.D, g: pathlib.Path, h: collections.abc.Sequence[datetime.date], "
                "i: Literal['x'] | None, a?: int)"
            ),
            "shop/app.py:20:5 b of shop: b(a: int, b: collections.abc.Set[int], c: Any, d: Any)",
            'shop/app.py:20:31 UPN105 annotation "_Private" cannot be written in the catalog: the name cannot be found',
            'shop/app.py:20:44 UPN105 annotation "Guess" cannot be written in the catalog: the name cannot be found',
        ],
    ),
    "star imports from unknown modules": (
        {
            "base.py": """\
from pydantic import *
from typing import *
""",
            "app.py": """\
import upnext
from base import *
from other.types import *
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
class M(BaseModel):
    x: int
class N(Generic[int], Plain): ...
@placed.on
def a(a: M, b: N, c: EmailStr, d: types.Money, e: "list[EmailStr]", f: Optional[int], g: int): ...
""",
        },
        [
            "app.py:5:10 event order.placed of shop",
            "app.py:10:5 order.placed of shop: a(a: app.M, b: app.N, c: Any, d: Any, e: Any, f: int | None, g: int)",
            'app.py:10:22 UPN105 annotation "EmailStr" cannot be written in the catalog: the name cannot be found',
            'app.py:10:35 UPN105 annotation "types.Money" cannot be written in the catalog: the name cannot be found',
            'app.py:10:51 UPN105 annotation "list[EmailStr]" cannot be written in the catalog: the name cannot be found',
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_scan_says_exactly_this_of(name: str, tmp_path: Path) -> None:
    sources, expected = CASES[name]
    assert lines(*read(tmp_path, sources)) == expected


def test_a_name_that_only_a_star_import_can_bring_is_said_to_be_so(tmp_path: Path) -> None:
    sources, _ = CASES["star imports from unknown modules"]
    said = {finding.help for finding in read(tmp_path, sources)[1]}
    assert said == {
        f'import "{name}" by its name: what "from other.types import *" brings cannot be known without running it'
        for name in ("EmailStr", "types")
    }


def test_the_star_import_of_upnext_brings_all_of_it() -> None:
    assert STARS["upnext"] == frozenset(upnext.__all__)


def test_what_star_imports_bring_is_in_this_python_too() -> None:
    """A list may hold names of other versions, but none of this one's may be missing."""
    for name, listed in STARS.items():
        module = importlib.import_module(name)
        assert listed >= set(getattr(module, "__all__", ())), name
