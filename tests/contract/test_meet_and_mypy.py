from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.writing import MODELS, written
from upnext_codegen.merging.meet import meet
from upnext_codegen.types.format import short_name, spell

_HEAD = """\
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence, Set
from enum import StrEnum
from typing import Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

class A: ...
class B: ...
class Both(A, B): ...
class Money: ...
class Price(Money): ...
UserId = NewType("UserId", str)
AdminId = NewType("AdminId", UserId)
class Color(StrEnum):
    RED = "red"
class Ids(list[int]): ...
class Box(list[T]): ...
class Source(Generic[T_co]): ...
class Point(NamedTuple):
    x: int
    y: int
class Line(TypedDict):
    item: str
class LongLine(Line):
    amount: int
"""
_PLAIN = [
    *["bool", "int", "float", "str", "bytes", "None", "Any", "Ids", "Point", "Line", "LongLine", "Color"],
    *["A", "B", "Both", "Money", "Price", "UserId", "AdminId"],
    *['Literal["a"]', 'Literal["a", "b"]', "Literal[1]", "Literal[Color.RED]"],
]
_ONE = ["list", "set", "frozenset", "Sequence", "Collection", "Iterable", "Set", "Box", "Source", "Counter"]
_TWO = ["dict", "Mapping", "MutableMapping", "OrderedDict", "defaultdict"]
_PAIRS = 400


def some_type(choose: random.Random, depth: int = 2) -> str:
    kind = choose.randrange(8) if depth else 0
    if kind <= 3:
        return choose.choice(_PLAIN)
    if kind == 4:
        return f"{choose.choice(_ONE)}[{some_type(choose, depth - 1)}]"
    if kind == 5:
        return f"{choose.choice(_TWO)}[{some_type(choose, 0)}, {some_type(choose, depth - 1)}]"
    if kind == 6:
        return f"tuple[{some_type(choose, depth - 1)}, {choose.choice(['...', some_type(choose, depth - 1)])}]"
    return f"{some_type(choose, depth - 1)} | {some_type(choose, depth - 1)}"


@pytest.mark.long
def test_whatever_types_merge_to_is_accepted_by_mypy_for_every_handler(tmp_path: Path) -> None:
    choose = random.Random(20_260_101)
    lines = [_HEAD]
    count = 0
    while count < _PAIRS:
        sides = [some_type(choose) for _ in range(choose.choice([2, 2, 3]))]
        found = meet([written(side) for side in sides], MODELS)
        if found is None:
            continue
        takers = [f"def take{count}_{number}(x: {side}) -> None: ..." for number, side in enumerate(sides)]
        calls = "; ".join(f"take{count}_{number}(x)" for number in range(len(sides)))
        lines += [*takers, f"def send{count}(x: {spell(found, short_name)}) -> None: {calls}"]
        count += 1
    source = tmp_path / "merged.py"
    source.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--cache-dir", str(tmp_path / "cache"), str(source)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert run.stdout + run.stderr == ""
