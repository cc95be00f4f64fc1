"""What the stub says of options is what the runtime takes, in each of its three forms."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

import pytest

import upnext
from upnext.options import Options
from upnext_codegen.catalog.render import render
from upnext_codegen.contract import Contract, EventContract, Receiver

_MANY = tuple(
    EventContract(f"event{number:03}", receivers=(Receiver("shop", "confirm", "shop.email", closed=False),))
    for number in range(301)
)
_STUBS = {
    "one class an event": render(Contract(_MANY[:2])),
    "two levels": render(Contract(_MANY)),
    "a class a worker": render(
        Contract(
            _MANY,
            workers=(
                ("a", tuple(each.name for each in _MANY[:200])),
                ("b", tuple(each.name for each in _MANY[200:])),
            ),
        )
    ),
}


def options(function: ast.FunctionDef) -> frozenset[str]:
    return frozenset(each.arg for each in function.args.kwonlyargs)


def taken(function: Callable[..., Any]) -> frozenset[str]:
    found = inspect.signature(function).parameters.values()
    return frozenset(each.name for each in found if each.kind is each.KEYWORD_ONLY)


@pytest.mark.parametrize("form", _STUBS)
def test_the_stub_offers_exactly_the_options_that_there_are(form: str) -> None:
    functions = [node for node in ast.walk(ast.parse(_STUBS[form])) if isinstance(node, ast.FunctionDef)]
    wanted = {
        "__new__": {taken(upnext.Worker)},
        "event": {taken(upnext.Worker.event)},
        "options": {taken(upnext.Event.options)},
        "on": {frozenset(), frozenset(Options.__dataclass_fields__)},
    }
    for name, choices in wanted.items():
        assert {options(each) for each in functions if each.name == name} <= choices, name
    assert "class a worker" not in form or any(each.name == "__new__" for each in functions)
