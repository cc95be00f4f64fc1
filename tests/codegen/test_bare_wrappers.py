"""Decorators that return a function of their own without `functools.wraps`: the runtime takes that one for the handler.

Each decorator is run, and read: what gen says a handler takes is what the runtime makes of it, or there is a finding.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from tests.codegen.reading import HEAD, read
from upnext.errors import ConfigError
from upnext.payload.signature import Signature

_IMPORTS = """\
import functools
import inspect
from collections.abc import Callable
from datetime import datetime
from typing import ParamSpec, TypeVar

import upnext

P = ParamSpec("P")
R = TypeVar("R")


class Session: ...


"""
_WHEN = "when: datetime"


class Case(NamedTuple):
    """A decorator, the function below it, and what is to be said.

    Attributes:
        decorator: How it is defined.
        applied: What stands above the function.
        parameters: Those of the function.
        code: The finding that is expected, "" for none.
    """

    decorator: str
    applied: str = "@deco"
    parameters: str = _WHEN
    code: str = "UPN110"


def _inner(parameters: str, passed: str = "**kw", *, head: str = "def", below: str = "") -> str:
    return (
        f"def deco(f):\n    {head} inner({parameters}):\n        return f({passed})\n"
        f"{''.join(f'    {line}{chr(10)}' for line in below.splitlines())}    return inner\n"
    )


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


_KW = _inner("**kw")
_LAMBDA = "def deco(f):\n    return lambda **kw: f(**kw)\n"
_CLASS = "class Deco:\n    def __init__(self, *given): ...\n" + _indented(_KW.replace("deco(f)", "__call__(self, f)"))
_FACTORY = "def deco(times=1):\n" + _indented(_KW.replace("deco", "made")) + "    return made\n"
_EITHER = (
    "def deco(f=None, *, times=1):\n"
    + _indented(_KW.replace("deco", "made"))
    + "    return made if f is None else made(f)\n"
)
_ARMS = _EITHER.replace("return made if f is None else", "if f is None:\n        return made\n    return")
_SEEN = """\
def seen(f):
    @functools.wraps(f)
    def inner(*args, **kw): return f(*args, **kw)
    return inner
"""

CASES = {
    "further keywords alone": Case(_KW),
    "annotated ones": Case(_inner("**kw: object")),
    "in a coroutine": Case(_inner("**kw", head="async def")),
    "that passes some of its own": Case(_inner("**kw", "1, **kw"), parameters="number: int, when: datetime"),
    "that passes all": Case(_inner("**kw", "Session()"), parameters="session: Session", code=""),
    "that passes one by keyword": Case(_inner("**kw", "number=1, **kw"), parameters=f"number: int, {_WHEN}"),
    "positional ones alone": Case(_inner("*args", "*args")),
    "one and further positional ones": Case(_inner("first, *args", "first, *args")),
    "one that is positional-only": Case(_inner("first, /, **kw", "first, **kw")),
    "one by another name": Case(_inner("first, **kw", "first, **kw")),
    "one without an annotation": Case(_inner("when, **kw", "when, **kw")),
    "one that it reads itself": Case(
        _inner("when: str, **kw", "when, **kw").replace("return f", "when = datetime.fromisoformat(when); return f"),
        code="",
    ),
    "one without an annotation alone": Case(_inner("when", "when")),
    "a keyword by another name": Case(_inner("*, key, **kw")),
    "a keyword that has it": Case(_inner("*, when: datetime, **kw", "when, **kw"), code=""),
    "one that has it": Case(_inner("when: datetime", "when"), code=""),
    "one with a default": Case(_inner("when: datetime | None = None", "when"), code=""),
    "one of another type": Case(_inner("when: str", "datetime.fromisoformat(when)"), code=""),
    "one by a name of its own": Case(_inner("moment: datetime", "moment"), code=""),
    "none": Case(_inner("", "datetime.now()"), code=""),
    "it passes the first": Case(
        _inner("when: datetime", "Session(), when"), parameters=f"session: Session, {_WHEN}", code=""
    ),
    "the context is lost": Case(_inner("**kw"), parameters="ctx: upnext.Context"),
    "the context is taken": Case(
        _inner("ctx: upnext.Context, **kw", "ctx, **kw"), parameters="ctx: upnext.Context, **kw", code=""
    ),
    "nothing is lost": Case(_KW, parameters="**kw", code=""),
    "typed ones are lost": Case(_KW, parameters="**kw: int"),
    "nothing is there to be lost": Case(_KW, parameters="", code=""),
    "without an annotation there is none to be lost": Case(_KW, parameters="when"),
    "under its name": Case(_inner("**kw", below="inner.__name__ = f.__name__\ninner.__doc__ = f.__doc__")),
    "with an attribute of its own": Case(_inner("**kw", below="inner.original = f")),
    "its signature is set": Case(_inner("**kw", below="inner.__signature__ = inspect.signature(f)"), code="UPN002"),
    "what it wraps is set": Case(_inner("**kw", below="inner.__wrapped__ = f"), code=""),
    "it is updated": Case(_inner("**kw", below="functools.update_wrapper(inner, f)"), code=""),
    "and returned by that": Case(
        "def deco(f):\n    def inner(**kw): return f(**kw)\n    return functools.update_wrapper(inner, f)\n", code=""
    ),
    "it wraps": Case(_KW.replace("    def inner", "    @functools.wraps(f)\n    def inner"), code=""),
    "it wraps, and assigns nothing": Case(
        _KW.replace("    def inner", "    @functools.wraps(f, assigned=())\n    def inner"), code=""
    ),
    "it wraps, and assigns the name": Case(
        _KW.replace("    def inner", "    @functools.wraps(f, assigned=('__name__',))\n    def inner"), code=""
    ),
    "it wraps, and assigns something": Case(
        "NAMES = ['__name__'] * 2\n" + _KW.replace("    def inner", "    @functools.wraps(f, NAMES)\n    def inner"),
        code="UPN002",
    ),
    "a lambda": Case(_LAMBDA),
    "a lambda by name": Case("def deco(f):\n    inner = lambda **kw: f(**kw)\n    return inner\n"),
    "a decorator that is a lambda": Case("deco = lambda f: lambda **kw: f(**kw)\n"),
    "an object": Case("class Deco:\n    def __init__(self, f): ...\n    def __call__(self, **kw): ...\n", "@Deco"),
    "by an object": Case(_CLASS, "@Deco()"),
    "by an object that is kept": Case(_CLASS + "deco = Deco()\n"),
    "by an object with arguments": Case(_CLASS, "@Deco(3)"),
    "by a method": Case("class Decos:\n" + _indented(_KW.replace("(f)", "(self, f)", 1)), "@Decos().deco"),
    "by a static method": Case("class Decos:\n    @staticmethod\n" + _indented(_KW), "@Decos.deco"),
    "by a decorator with arguments": Case(_FACTORY, "@deco(3)"),
    "by one with or without": Case(_EITHER),
    "by one with or without, called": Case(_EITHER, "@deco(times=2)"),
    "by one with or without, in arms": Case(_ARMS),
    "by one with or without, in arms, called": Case(_ARMS, "@deco(times=2)"),
    "by one that calls another": Case(_KW.replace("deco", "other") + "def deco(f):\n    return other(f)\n"),
    "by one that is decorated": Case(
        _KW.replace("deco", "other") + _KW.replace("    def inner", "    @other\n    def inner")
    ),
    "by a partial": Case(_KW.replace("deco(f)", "made(times, f)") + "deco = functools.partial(made, 3)\n"),
    "a partial": Case("def deco(f):\n    return functools.partial(f)\n"),
    "below one that wraps": Case(
        _KW + _SEEN,
        "@seen\n@deco",
    ),
    "above one that wraps": Case(
        _KW + _SEEN,
        "@deco\n@seen",
    ),
    "twice": Case(_KW, "@deco\n@deco"),
    "above one that names it": Case(_KW + _inner("when: datetime", "when").replace("deco", "named"), "@deco\n@named"),
    "below one that names it": Case(
        _KW + _inner("when: datetime", "when=when").replace("deco", "named"), "@named\n@deco", code=""
    ),
    "above a cache": Case(_KW, "@deco\n@functools.cache"),
    "below a cache": Case(_KW, "@functools.cache\n@deco"),
    "cached": Case(_KW.replace("    def inner", "    @functools.cache\n    def inner")),
}


@pytest.mark.parametrize("case", CASES)
def test_the_runtime_takes_what_is_read_or_there_is_a_finding(case: str, tmp_path: Path) -> None:
    decorator, applied, parameters, code = CASES[case]
    handler = f"{applied}\ndef handle({parameters}) -> None: ...\n"
    source = f"{_IMPORTS}{HEAD}{decorator}\n\n@placed.on\n{handler}"
    scanned, findings = read(tmp_path, {"app.py": source})
    codes = {each.code for each in findings if each.code not in {"UPN003", "UPN301"}}
    assert codes - ({"UPN104"} if code else set()) == ({code} if code else set()), findings
    module: Any = ModuleType("app")
    exec(f"{_IMPORTS}{decorator}\n\n{handler}", vars(module))
    try:
        taken = Signature(module.handle, "order.placed", "handle")
    except ConfigError:
        assert code == "UPN110"
        return
    (found,) = scanned.handlers
    if not code:
        required = {name: required for name, (_, required) in taken.fields.items()}
        assert {each.name: each.required for each in found.parameters} == required
        assert (found.extras is None) == (taken.extras is None)
        assert found.name == module.handle.__name__
