"""Decorators below `@event.on`: what they leave of a function's parameters, for the scanner and at run time."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import upnext
from tests.codegen.reading import HEAD, read
from upnext.errors import ConfigError
from upnext.payload.signature import Signature

_IMPORTS = """\
import functools
from collections.abc import Callable
from typing import Annotated, Concatenate, ParamSpec, TypeAlias, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Session: ...


"""
_BODY = """\
    @functools.wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    return inner
"""
_WITH_SESSION = f"def deco(function: Callable[Concatenate[Session, P], R]) -> Callable[P, R]:\n{_BODY}"
_TWO = "session: Session, order_id: str"
_MADE = f"""\
def deco(times: int) -> Callable[[Callable[Concatenate[Session, P], R]], Callable[P, R]]:
    def decorate(function):
{_BODY.replace("    ", "        ", 1).replace(chr(10) + "    ", chr(10) + "        ")}
    return decorate
"""
SAME = {
    "the first parameter is passed": (_WITH_SESSION, "@deco", _TWO, ["order_id"]),
    "two are": (
        _WITH_SESSION.replace("Concatenate[Session,", "Concatenate[Session, int,"),
        "@deco",
        "session: Session, number: int, order_id: str = ''",
        ["order_id"],
    ),
    "by two decorators": (_WITH_SESSION, "@deco\n@deco", "a: Session, b: Session, order_id: str", ["order_id"]),
    "none is": (_WITH_SESSION.replace("Concatenate[Session, P]", "P"), "@deco", "order_id: str", ["order_id"]),
    "it says nothing": (f"def deco(function):\n{_BODY}", "@deco", "number: int, order_id: str", ["number", "order_id"]),
    "as text": (
        _WITH_SESSION.replace("Callable[Concatenate[Session, P], R]", '"Callable[Concatenate[Session, P], R]"'),
        "@deco",
        _TWO,
        ["order_id"],
    ),
    "through an alias": (
        "Taking: TypeAlias = Callable[Concatenate[Session, P], R]\n"
        + _WITH_SESSION.replace("Callable[Concatenate[Session, P], R]", "Taking"),
        "@deco",
        _TWO,
        ["order_id"],
    ),
    "by a decorator with arguments": (_MADE, "@deco(3)", _TWO, ["order_id"]),
    "keywords stay": (_WITH_SESSION, "@deco", "session: Session, *, order_id: str", ["order_id"]),
    "one that is positional-only": (_WITH_SESSION, "@deco", "session: Session, /, order_id: str", ["order_id"]),
    "one is asked for, another decorator passes it": (
        _WITH_SESSION
        + _WITH_SESSION.replace("deco", "asks").replace("Callable[P, R]", "Callable[Concatenate[int, P], R]"),
        "@deco\n@asks",
        _TWO,
        ["order_id"],
    ),
    "it returns the function": ("def deco(function):\n    return function\n", "@deco", "order_id: str", ["order_id"]),
    "a cache": ("deco = functools.cache\n", "@deco", "order_id: str", ["order_id"]),
    "it hides them": (_WITH_SESSION.replace("@functools.wraps(function)", ""), "@deco", _TWO, None),
    "it hides them, and says nothing": (
        f"def deco(function):\n{_BODY}".replace("@functools.wraps(function)", ""),
        "@deco",
        "order_id: str",
        None,
    ),
    "with arguments, it hides them": (_MADE.replace("@functools.wraps(function)", ""), "@deco(3)", _TWO, None),
    "it asks for one": (
        _WITH_SESSION.replace("Callable[P, R]", "Callable[Concatenate[int, P], R]"),
        "@deco",
        _TWO,
        None,
    ),
    "its signature is set": (
        f"import inspect\ndef deco(function):\n{_BODY}".replace(
            "    return inner", "    inner.__wrapped__ = function\n    return inner"
        ).replace("@functools.wraps(function)", ""),
        "@deco",
        "order_id: str",
        ["order_id"],
    ),
}


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
@pytest.mark.parametrize("case", SAME)
def test_a_function_takes_what_its_decorators_leave(case: str, future: str, tmp_path: Path) -> None:
    decorators, applied, parameters, fields = SAME[case]
    app = f"{future}{_IMPORTS}{decorators}\n\n"
    handler = f"{applied}\ndef handle({parameters}) -> None: ...\n"
    module: Any = ModuleType("app")
    exec(f"{app}{handler}", vars(module))
    scanned, findings = read(tmp_path, {"app.py": f"{app}{HEAD}\n\n@placed.on\n{handler}"})
    (found,) = scanned.handlers
    if fields is None:
        with pytest.raises(ConfigError, match="cannot be filled: payloads are passed by keyword"):
            Signature(module.handle, "order.placed", "handle")
        assert [each.code for each in findings if each.code == "UPN110"] == ["UPN110"]
    else:
        assert [*Signature(module.handle, "order.placed", "handle").fields] == fields
        assert [each.name for each in found.parameters] == fields
        assert [each.code for each in findings] == []


RESTATED = {
    "the signature is set": "    inner.__signature__ = inspect.Signature()\n",
    "what it wraps is taken away": "    del inner.__wrapped__\n",
}


@pytest.mark.parametrize("way", RESTATED)
def test_a_decorator_that_says_itself_what_a_function_takes_is_reported(way: str, tmp_path: Path) -> None:
    """The scanner reads the `def`, the runtime what the decorator has made of it."""
    decorator = (
        f"import inspect\ndef deco(function):\n{_BODY.replace('    return inner', RESTATED[way] + '    return inner')}"
    )
    source = f"{_IMPORTS}{decorator}{HEAD}\n@placed.on\n@deco\ndef handle(order_id: str): ...\n"
    _, findings = read(tmp_path, source)
    assert [(each.code, each.place.line) for each in findings] == [("UPN002", len(source.splitlines()))]


def test_a_decorator_that_makes_an_object_is_refused(tmp_path: Path) -> None:
    decorator = "class Deco:\n    def __init__(self, function): ...\n    def __call__(self, **fields): ...\n"
    _, findings = read(tmp_path, f"{HEAD}{decorator}@placed.on\n@Deco\ndef handle(order_id: str): ...\n")
    assert [each.code for each in findings] == ["UPN110"]
    worker = upnext.Worker("shop", redis_url="redis://127.0.0.1:1")
    module: Any = ModuleType("app")
    exec(decorator, vars(module))
    with pytest.raises(ConfigError, match="cannot be a handler: decorate a function"):
        worker.event("order.placed").on(module.Deco(print))


def test_what_exists_for_type_checkers_alone_does_not_keep_the_runtime_from_reading_a_decorator() -> None:
    imports = _IMPORTS.replace("from collections.abc import Callable\n", "").replace("class Session: ...\n", "")
    module: Any = ModuleType("app")
    source = (
        f"from __future__ import annotations\n{imports}{_WITH_SESSION}\n@deco\ndef handle(session, order_id: str): ..."
    )
    exec(source, vars(module))
    assert [*Signature(module.handle, "order.placed", "handle").fields] == ["order_id"]


CLASSES = {
    "it gives the class back": ("def deco(cls):\n    return cls\n", "@deco", True),
    "it registers it": ("KNOWN = {}\ndef deco(cls):\n    KNOWN[cls.__name__] = cls\n    return cls\n", "@deco", True),
    "it lists it": ("KNOWN = []\ndef deco(cls):\n    KNOWN.append(cls)\n    return cls\n", "@deco", True),
    "with arguments": (
        "def deco(name):\n    def inner(cls):\n        cls.label = name\n        return cls\n    return inner\n",
        "@deco('a')",
        True,
    ),
    "it makes a dataclass of it": (
        "from dataclasses import dataclass\ndef deco(cls):\n    return dataclass(cls)\n",
        "@deco",
        False,
    ),
    "it changes it": (
        "from dataclasses import dataclass\ndef deco(cls):\n    dataclass(cls)\n    return cls\n",
        "@deco",
        False,
    ),
    "it says how it travels": (
        "def deco(cls):\n    cls.__get_pydantic_core_schema__ = classmethod(schema)\n    return cls\n",
        "@deco",
        False,
    ),
    "it may give something else": (
        "def deco(cls):\n    if cls.a:\n        return type('M', (), {})\n    return cls\n",
        "@deco",
        False,
    ),
}


@pytest.mark.parametrize("case", CLASSES)
def test_a_plain_class_stays_one_below_a_decorator_that_gives_it_back(case: str, tmp_path: Path) -> None:
    decorator, applied, is_plain = CLASSES[case]
    source = f"{HEAD}{decorator}\n{applied}\nclass Order: ...\n@placed.on\ndef handle(order: Order): ...\n"
    _, findings = read(tmp_path, {"app.py": source})
    assert [each.code for each in findings] == (["UPN106"] if is_plain else [])
