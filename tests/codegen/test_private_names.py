"""Parameters and keys that a class makes private: Python gives `__trace` in `Mailer` the name `_Mailer__trace`."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.codegen.reading import HEAD, read
from upnext.payload.signature import Signature

_IMPORTS = """\
from dataclasses import dataclass
from typing import TypedDict, Unpack


"""
_UNPACKED = "def handle(**order: Unpack[Order]): ...\n"
CASES = {
    "of a static method": (
        "class Mailer:\n    @staticmethod\n    def handle(__trace: str, *, __id: int = 0, __all__: int = 0): ...\n",
        "Mailer.handle",
    ),
    "of a class with underscores": (
        "class __Mailer:\n    @staticmethod\n    def handle(order_id: str, _one: int, __two: int): ...\n",
        "vars()['__Mailer'].handle",
    ),
    "of a class of underscores": (
        "class __:\n    @staticmethod\n    def handle(__trace: str): ...\n",
        "vars()['__'].handle",
    ),
    "of a function": ("def handle(__trace: str, *, __id: int): ...\n", "handle"),
    "of a key": ("class Order(TypedDict):\n    __trace: str\ndef handle(**order: Unpack[Order]): ...\n", "handle"),
    "of a key in a class in a class": (
        "class A:\n    class Order_(TypedDict):\n        __trace: str\ndef handle(**order: Unpack[A.Order_]): ...",
        "handle",
    ),
    "of a key that is text": (
        "Order = TypedDict('Order', {'__trace': str})\ndef handle(**order: Unpack[Order]): ...\n",
        "handle",
    ),
    "of a key in a class above": (
        f"class Above(TypedDict):\n    __trace: str\nclass Order(Above):\n    __trace: str\n{_UNPACKED}",
        "handle",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_private_name_is_that_which_python_makes_of_it(case: str, tmp_path: Path) -> None:
    source, handler = CASES[case]
    module: Any = ModuleType("app")
    exec(f"{_IMPORTS}{source}", vars(module))
    taken = Signature(eval(handler, vars(module)), "order.placed", "handle").fields
    attached = f"placed.on({handler.replace('vars()[', '').replace(']', '').replace(chr(39), '')})\n"
    scanned, findings = read(tmp_path, f"{_IMPORTS}{source}\n{HEAD}{attached}")
    assert [each for each in findings if each.severity == "error"] == []
    (found,) = scanned.handlers
    assert {each.name: each.required for each in found.parameters} == {
        name: required for name, (_, required) in taken.items()
    }
