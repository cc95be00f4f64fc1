"""Payloads of jobs that wait, held against the types in the sources as their worker would hold them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.deploying import checked, declared, deploy, told
from tests.cli.projects import Shell
from upnext.cli.deployed import judges_of
from upnext.errors import PayloadError
from upnext_codegen.deployed import payload_check
from upnext_codegen.project import find_project
from upnext_codegen.scan import scan

TYPES: dict[str, list[Any]] = {
    "str": ["a", "", 1, None, True, [], {}],
    "int": [1, -1, 1.0, 1.5, True, "1", None],
    "float": [1, 1.5, True, "1", None],
    "bool": [True, 1, "true", None],
    "None": [None, 0, ""],
    "bytes": ["a", 1],
    "datetime": ["2026-01-01T00:00:00Z", "2026-01-01", "soon", 1, 1.5, None],
    "date": ["2026-01-01", "2026-01-01T00:00:00", "soon", 1],
    "time": ["10:00", "soon", 1],
    "timedelta": ["PT1S", "P1D", "soon", 1, 1.5],
    "UUID": ["4f1c2f1e-8c1e-4a53-9f0e-0f4a6f1b7b11", "x", 1],
    "complex": ["1+2j", "x", 1, 1.5, True, None],
    "Decimal": ["1.5", 1, 1.5, "x", True, None],
    "IPv4Address": ["127.0.0.1", "x", 1],
    "Path": ["/a", 1],
    "Any": [1, None, "a", [1]],
    "Colour": ["red", "green", 1, None],
    "Number": [1, 2, 3, "1", True, 1.0],
    "Literal['a', 1, True]": ["a", 1, True, "b", 2, False, 1.0],
    "Literal[Colour.RED]": ["red", "blue"],
    "str | None": ["a", None, 1],
    "int | str": [1, "a", None, 1.5],
    "list[int]": [[], [1], ["a"], "a", {}, None, [1.5]],
    "set[int]": [[1, 1], [1, "a"]],
    "tuple[int, str]": [[1, "a"], [1], [1, "a", 2], ["a", 1]],
    "tuple[int, ...]": [[], [1, 2], ["a"]],
    "dict[str, int]": [{}, {"a": 1}, {"a": "b"}, [], None],
    "dict[int, int]": [{"1": 1}, {"a": 1}],
    "Sequence[str]": [["a"], [1], "a"],
    "Mapping[str, str]": [{"a": "b"}, {"a": 1}],
    "Item": [
        {"name": "a"},
        {"name": "a", "amount": 2},
        {"amount": 2},
        {"name": 1},
        {"name": "a", "amount": True},
        {"name": "a", "x": 1},
        [],
        "a",
    ],
    "Strict": [{"name": "a"}, {"name": "a", "x": 1}, {}],
    "Aliased": [{"name": "a"}, {"title": "a"}, {"Name": "a"}, {}],
    "Tree": [
        {"name": "a"},
        {"name": "a", "below": [{"name": "b", "below": []}]},
        {"name": "a", "below": [{"below": []}]},
    ],
    "Address": [{"street": "a"}, {}, {"street": 1}, {"street": "a", "x": 1}],
    "Named": [{"street": "a"}, {"street": "a", "code": 1}, {}, {"street": "a", "x": 1}],
    "Point": [[1, 2], [1], {"x": 1, "y": 2}, {"x": 1}, {"x": 1, "y": 2, "z": 3}, ["a", 1], [1, 2, 3]],
    "Ids": [[1], ["a"]],
    "OrderId": ["a", 1],
    "Page[int]": [{"items": [1]}, {"items": ["a"]}, {}],
    "Coded": [{"code": 1}, {"code": "1"}],
    "Limits": [
        {"positive": 1},
        {"positive": 0},
        {"positive": "1"},
        {"positive": True},
        {"fives": 5},
        {"fives": 6},
        {"short": "ab"},
        {"short": "abc"},
        {"short": "b"},
        {"some": [1]},
        {"some": []},
        {"ratio": 0.5},
        {"ratio": 1.5},
    ],
    "Item | Address": [{"name": "a"}, {"street": "a"}, {"x": 1}],
}
MODELS = """
    from __future__ import annotations
    from collections.abc import Mapping, Sequence
    from dataclasses import dataclass
    from datetime import date, datetime, time, timedelta
    from decimal import Decimal
    from enum import Enum, IntEnum
    from ipaddress import IPv4Address
    from pathlib import Path
    from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, TypeVar
    from uuid import UUID

    import upnext
    from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel
    from typing_extensions import TypedDict

    T = TypeVar("T")
    OrderId = NewType("OrderId", str)
    class Colour(Enum):
        RED = "red"
        BLUE = "blue"
    class Number(IntEnum):
        ONE = 1
        TWO = 2
    class Item(BaseModel):
        name: str
        amount: int = 1
    class Strict(BaseModel):
        model_config = ConfigDict(extra="forbid")
        name: str
    class Aliased(BaseModel):
        name: str = Field(alias="title")
    class Tree(BaseModel):
        name: str
        below: list[Tree] = []
    @dataclass
    class Address:
        street: str
    class Named(TypedDict):
        street: str
        code: NotRequired[int]
    class Point(NamedTuple):
        x: int
        y: int
    class Limits(BaseModel):
        positive: Annotated[int, Field(gt=0)] = 1
        fives: int = Field(5, multiple_of=5)
        short: Annotated[str, Field(max_length=2, pattern="^a")] = "a"
        some: Annotated[list[int], Field(min_length=1)] = [1]
        ratio: float = Field(0.5, ge=0, le=1)
    class Coded(BaseModel):
        code: Annotated[int, BeforeValidator(int)]
    class Ids(RootModel[list[int]]): ...
    class Page(BaseModel, Generic[T]):
        items: list[T]

    worker = upnext.Worker("shop")
"""


def test_a_payload_that_the_worker_would_take_is_never_reported(empty: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """And of those that it would not, most are: the rest depends on what texts mean, and on code of the user."""
    lines = [
        f"    @worker.event('e{number}').on\n    async def h(value: {text}) -> None: ...\n"
        for number, text in enumerate(TYPES)
    ]
    (registry,) = declared("every_type", MODELS + "".join(lines), empty, monkeypatch)
    empty.write({"every_type.py": MODELS + "".join(lines)})
    scanned, found = scan(find_project(empty.root), use_cache=False)
    assert [each.message for each in found] == []
    judges, missed, wrong = judges_of(scanned), list[str](), list[str]()
    for number, (text, values) in enumerate(TYPES.items()):
        handler = f"shop|e{number}|h"
        judge = judges(handler)
        assert judge is not None
        for value in [*({"value": each} for each in values), {}, {"value": values[0], "other": 1}]:
            written = json.dumps(value).encode()
            reason = judge(written)
            with monkeypatch.context() as patched:
                patched.setattr(payload_check, "_MOST_REFUSED", -1)
                assert judge(written) == reason
            try:
                registry.handlers[handler].signature.decode(written)
            except PayloadError:
                missed += [f"{text}: {value}"] * (not reason)
            else:
                wrong += [f"{text}: {value}: {reason}"] * bool(reason)
    assert not wrong, "\n".join(wrong)
    assert missed == [
        "datetime: {'value': '2026-01-01'}",
        "date: {'value': '2026-01-01T00:00:00'}",
        "complex: {'value': 'x'}",
        "dict[int, int]: {'value': {'a': 1}}",
    ]


def test_what_is_deployed_as_it_stands_in_the_sources_breaks_nothing_whatever_its_types(
    empty: Shell, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON Schema tells less than the sources do: what it leaves out must not look like a change."""
    lines = [
        f"    e{number} = worker.event('e{number}')\n"
        f"    @e{number}.on\n    async def h{number}(value: {text}) -> None: ...\n"
        f"    async def send{number}(value: {text}) -> None:\n        await e{number}.send(value=value)\n"
        for number, text in enumerate(TYPES)
    ]
    deploy(valkey_url, declared("every_type", MODELS + "".join(lines), empty, monkeypatch))
    empty.write({"every_type.py": MODELS + "".join(lines)})
    assert told(checked(empty, valkey_url)[1]) == []
