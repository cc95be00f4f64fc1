"""What the catalog says of `receipt.results()`: plain JSON, whatever the handler returns."""

from __future__ import annotations

from pathlib import Path

from tests.codegen.reading import HEAD, read
from upnext_codegen.catalog.render import render
from upnext_codegen.merging.contracts import contracts

_RETURNS = {
    "str": "str",
    "float": "float",
    "None": "None",
    "'bool'": "bool",
    "list[int]": "list[int]",
    "list": "list[_Any]",
    "tuple[int, ...]": "list[int]",
    "tuple[int, str, int]": "list[int | str]",
    "tuple[()]": "list[_Any]",
    "dict[str, list[float]]": "dict[str, list[float]]",
    "dict[int, str]": "_Any",
    "dict": "dict[str, _Any]",
    "Optional[str]": "str | None",
    "Optional[Model]": "_Any | None",
    "str | Model": "_Any",
    "dict[str, Model]": "dict[str, _Any]",
    "Literal['a', 1]": '_Literal["a", 1]',
    "Literal[Colour.RED]": "_Any",
    "Model": "_Any",
    "datetime": "_Any",
    "bytes": "_Any",
    "Unknown": "_Any",
    "Any": "_Any",
    "object": "_Any",
    "NoReturn": "_Any",
}
_CLASSES = """\
import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NoReturn, Optional
@dataclass
class Model: ...
class Colour(enum.Enum):
    RED = "red"
"""


def stub(root: Path, source: str) -> list[str]:
    found, _ = contracts(read(root, source)[0])
    return [line.strip() for line in render(found).splitlines()]


def test_a_result_is_typed_as_the_json_of_what_its_handler_returns(tmp_path: Path) -> None:
    handlers = [f"@placed.on\nasync def h{n}() -> {each}: ..." for n, each in enumerate(_RETURNS)]
    lines = stub(tmp_path, HEAD + _CLASSES + "\n".join([*handlers, "@placed.on\ndef silent(): ..."]))
    assert {
        each: f'"h{n}": {as_json},' in lines for n, (each, as_json) in enumerate(_RETURNS.items())
    } == dict.fromkeys(_RETURNS, True)
    assert '"silent": _Any,' in lines


def test_results_have_the_keys_that_the_runtime_gives_them(tmp_path: Path) -> None:
    """Names that are not identifiers, and two workers with a handler of one name."""
    lines = stub(
        tmp_path,
        f"""{HEAD}
other = upnext.Worker("mail").event("order.placed")
@placed.on(name="notify")
def first() -> int: ...
@other.on(name="notify")
def second() -> str: ...
@placed.on(name="a/b-c")
def third() -> bool: ...
""",
    )
    assert sorted(line for line in lines if line.startswith(('"a/b-c":', '"mail.notify":', '"shop.notify":'))) == [
        '"a/b-c": bool,',
        '"mail.notify": str,',
        '"shop.notify": int,',
    ]


def test_the_arms_of_a_condition_that_return_different_types_give_a_result_of_any_type(tmp_path: Path) -> None:
    arms = "if DEBUG:\n    @placed.on\n    def f() -> int: ...\nelse:\n    @placed.on\n    def f() -> str: ...\n"
    assert '"f": _Any,' in stub(tmp_path, f"{HEAD}DEBUG = bool(input())\n{arms}")
