"""The stub in five type checkers: the same sends are wrong in all of them, and nothing is wrong in the stub itself."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.checkers import USUALLY
from tests.installed import Installed
from upnext_codegen.catalog.render import render
from upnext_codegen.contract import Asker, Contract, EventContract, Field, Receiver
from upnext_codegen.types import ANY, NONE, ClassType, EnumMember, LiteralType, TupleType, Type, UnionType

BIN = Path(sys.executable).parent
STR, INT = ClassType("builtins", "str"), ClassType("builtins", "int")
OBJECT = ClassType("builtins", "object")

MODELS = """\
import enum
from dataclasses import dataclass
from typing import Generic, NewType, TypedDict, TypeVar

T = TypeVar("T")
UserId = NewType("UserId", str)

class Color(enum.Enum):
    RED = 1

class Outer:
    class Inner: ...

class Box(Generic[T]): ...

class Line(TypedDict):
    sku: str

@dataclass
class Item:
    sku: str
"""

USE = """\
import functools
from typing import assert_type

import upnext
from app.models import Item, UserId

worker = upnext.Worker("app")
order_placed = worker.event("order.placed")
reserved = worker.event("reserved")
dunder = worker.event("dunder")
empty = worker.event("empty")
integers = worker.event("integers")
literal = worker.event("literal")
gone = worker.event("gone")
twin = worker.event("order_placed")
models = worker.event("models")


@order_placed.on
async def confirm(order_id: str, user_id: str, **kwargs: object) -> int:
    return 1


@order_placed.on(retries=2)
def stock(ctx: upnext.Context, items: list[str] | None = None, **kwargs: object) -> str:
    return ""


@gone.on
def on_gone(a: int) -> int:
    return 1


async def good(user: UserId) -> None:
    await order_placed.send(order_id="1", user_id="2")
    await order_placed.send(order_id="1", user_id="2", items=None, foo=4)
    await order_placed.options(delay=3).send(order_id="1", user_id="2")
    await confirm.send(order_id="1", user_id="2")
    await reserved.send(self=1, _self=2, extra="", name="", delay="")
    await dunder.send(__x=1, __y__=2, _z=1)
    await empty.send()
    await integers.send(a=1)
    await literal.send(a="a\\n\\"'\\\\")
    await literal.send(a=True)
    await gone.send(anything=1)
    await on_gone.send(a=1)
    await twin.send(a=Item("a"))
    await models.send(user=user, items=[Item("a")], lines={"a": {"sku": "b"}})
    _ = functools.partial(order_placed.send, order_id="1")
    assert_type(await confirm("1", "2"), int)
    assert_type(stock(upnext.get_current_context()), str)
    event: upnext.Event = confirm
    typed: upnext.TypedEvent[..., str] = stock
    print(event, typed)
    _ = worker.event("free" + str(1)).send_sync(x=1)


async def bad(worker: upnext.Worker) -> None:
    await order_placed.send(order_id="1")  # wrong
    await order_placed.send(order_id=1, user_id="2")  # wrong
    await order_placed.send("1", "2")  # wrong
    await order_placed.send(order_id="1", user_id="2", items=[1])  # wrong
    await order_placed.options(dely=3).send(order_id="1", user_id="2")  # wrong
    await confirm.options(key="x").send(order_id="1")  # wrong
    await reserved.send(self=1, _self=2, extra="", name="")  # wrong
    await dunder.send(__x="", _z=1)  # wrong
    await dunder.send(_z=1)  # wrong
    await empty.send(a=1)  # wrong
    await integers.send(a="")  # wrong
    await literal.send(a="a")  # wrong
    await twin.send(a=1)  # wrong
    await models.send(user="u", items=[], lines={})  # wrong
    send = order_placed.send
    await send(order_id="1")  # wrong
    stock.send_sync(items=[])  # wrong
    await on_gone.send(a="")  # wrong
    await worker.event("order.placed").send()  # wrong
    await confirm(order_id=1, user_id="")  # wrong
    worker.event("order.placed", extra="x")  # wrong
"""


def _model(name: str, *arguments: Type) -> ClassType:
    return ClassType("app.models", name, arguments)


def _event(name: str, /, *, extras: Type | None = None, **fields: Type) -> EventContract:
    """Make an event; a field whose name ends with `__optional` is one."""
    made = [
        Field(field.removesuffix("__optional"), written, not field.endswith("__optional"), (Asker("app h", True),))
        for field, written in fields.items()
    ]
    return EventContract(name, tuple(made), extras, (Receiver("app", "h", "app.use", closed=extras is None),))


EVENTS = (
    _event(
        "order.placed",
        order_id=STR,
        user_id=STR,
        items__optional=UnionType((ClassType("builtins", "list", (STR,)), NONE)),
        extras=OBJECT,
    ),
    _event("reserved", self__optional=INT, _self=INT, extra=STR, name=STR, delay=STR, extras=OBJECT),
    _event("dunder", __x=INT, __y____optional=INT, _z=INT),
    _event("empty"),
    _event("integers", extras=INT),
    _event("literal", a=LiteralType(("a\n\"'\\", b"\xff", 1, True, None, EnumMember("app.models", "Color", "RED")))),
    _event("order_placed", a=_model("Item")),
    _event(
        "models",
        user=_model("UserId"),
        items=ClassType("collections.abc", "Sequence", (_model("Item"),)),
        lines=ClassType("builtins", "dict", (STR, _model("Line"))),
        inner__optional=_model("Outer.Inner"),
        box__optional=_model("Box", INT),
    ),
    _event("anything", a=ANY, b=ClassType("builtins", "dict", (STR, ANY)), extras=ANY),
    _event("tuples", a=TupleType((INT,), variadic=True), b=TupleType(()), c=TupleType((INT, STR)), d=NONE),
    _event("shadows", list=INT, int=STR, str=ClassType("builtins", "list", (INT,)), _Any=OBJECT),
    _event("a.send", a=ClassType("datetime", "datetime")),
    _event("catalog", a=ClassType("upnext.receipt", "Receipt")),
    _event("Event", a=_model("Item")),
    EventContract("gone"),
)


def _some_type(choose: random.Random, depth: int = 2) -> Type:
    plain: list[Type] = [ANY, NONE, OBJECT, STR, INT, ClassType("uuid", "UUID"), ClassType("decimal", "Decimal")]
    plain += [_model(name) for name in ("UserId", "Color", "Outer.Inner", "Line", "Item")]
    plain += [LiteralType(("a", 1)), LiteralType((EnumMember("app.models", "Color", "RED"),)), TupleType(())]
    if not depth or choose.random() < 0.4:
        return choose.choice(plain)
    inner = [_some_type(choose, depth - 1) for _ in range(choose.randint(1, 3))]
    kind = choose.randrange(5)
    if kind == 0:
        return UnionType(tuple(dict.fromkeys([*inner, NONE, STR])))
    if kind == 1:
        return TupleType(tuple(inner[:1]), variadic=True) if choose.random() < 0.5 else TupleType(tuple(inner))
    if kind == 2:
        return ClassType("builtins", "dict", (STR, inner[0]))
    head = choose.choice([("builtins", "list"), ("collections.abc", "Sequence"), ("collections.abc", "Iterable")])
    return ClassType(*head, (inner[0],))


def _some_events(count: int) -> tuple[EventContract, ...]:
    choose = random.Random(20_260_202)
    names = [
        "self",
        "cls",
        "_self",
        "extra",
        "name",
        "match",
        "type",
        "case",
        "str",
        "int",
        "list",
        "dict",
        "None_",
        "__a",
        "__b__",
        "_",
        "_P",
        "_R",
        "_Any",
        "é",
        "order_id",
    ]
    return tuple(
        _event(
            f"random.{number}",
            extras=choose.choice([None, None, OBJECT, STR, _some_type(choose)]),
            **{
                name + choose.choice(["", "__optional"]): _some_type(choose)
                for name in choose.sample(names, choose.randint(0, 6))
            },
        )
        for number in range(count)
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    (root / "app").mkdir()
    (root / "app" / "__init__.py").touch()
    (root / "app" / "models.py").write_text(MODELS)
    (root / "app" / "use.py").write_text(USE)
    (root / "pyproject.toml").write_text("[tool.pyrefly]\n")
    (root / "upnext_catalog.pyi").write_text(render(Contract((*EVENTS, *_some_events(120)))))
    return root


WRONG = {number for number, line in enumerate(USE.splitlines(), 1) if line.endswith("# wrong")}
PYTHON = "{python}"
CHECKERS = {
    "mypy": ["mypy", "--strict", "--python-executable", PYTHON, "."],
    "pyright": ["pyright", "--pythonpath", PYTHON, "."],
    "basedpyright": ["basedpyright", "--pythonpath", PYTHON, "."],
    "ty": ["ty", "check", "--error", "all", "--python", PYTHON, "--output-format", "concise", "."],
    "pyrefly": ["pyrefly", "check", "--output-format", "min-text", "--python-interpreter-path", PYTHON],
}


def run(command: list[str], root: Path, installed: Installed) -> str:
    program, *arguments = (str(installed.python) if word == PYTHON else word for word in command)
    if program == "mypy":
        shutil.copytree(installed.mypy_cache("--strict"), root / ".mypy_cache")
    done = subprocess.run([BIN / program, *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def errors(output: str) -> set[tuple[str, int]]:
    """Return file and line of each error, in whatever form the checker prints it."""
    found = re.finditer(r"^(?:ERROR )?\s*(?P<file>[^\s:]+\.pyi?):(?P<line>\d+)\b(?P<rest>.*)$", output, re.MULTILINE)
    return {
        (Path(each["file"]).name, int(each["line"]))
        for each in found
        if "error" in each["rest"] or each[0].startswith("ERROR")
    }


@pytest.mark.parametrize("checker", USUALLY)
def test_in_every_checkers_strictest_settings_the_stub_is_clean_and_the_wrong_sends_are_reported(
    checker: str, project: Path, tmp_path: Path, installed: Installed
) -> None:
    """With their own settings tests/conformance has them read more forms of sends."""
    root = tmp_path / "strict"
    shutil.copytree(project, root, ignore=shutil.ignore_patterns(".*_cache"))
    mode = "all" if checker == "basedpyright" else "strict"
    settings = {"typeCheckingMode": mode, "reportMissingModuleSource": "error", "reportImplicitOverride": "error"}
    (root / "pyrightconfig.json").write_text(json.dumps(settings))
    with (root / "pyproject.toml").open("a") as file:
        file.write('preset = "all"\n\n[tool.mypy]\nenable_error_code = ["explicit-override"]\n')
        file.write('\n[[tool.mypy.overrides]]\nmodule = "upnext_catalog"\n')
        file.writelines(f"disallow_any_{what} = true\n" for what in ("explicit", "unimported", "decorated"))
    output = run(CHECKERS[checker], root, installed)
    assert not re.search(r"upnext_catalog\.pyi:\d+", output), textwrap.shorten(output, 4000)
    found, wrong = errors(output), {("use.py", line) for line in WRONG}
    # All rules of basedpyright find more in how it is written.
    assert wrong <= found if checker == "basedpyright" else wrong == found, output
