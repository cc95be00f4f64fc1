"""Which classes of the standard library are refused: as the runtime has it, and not where `Annotated` makes others."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import types
from pathlib import Path

import pytest

from tests.codegen import standard_classes
from tests.codegen.reading import read
from tests.installed import ROOT
from upnext_codegen.handlers.canonical import cannot_travel

ACCEPTED = """\
import upnext
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, MutableMapping
from email.message import EmailMessage
from fractions import Fraction
from pathlib import PurePath
from typing import Annotated, LiteralString, TypedDict, Unpack
from zoneinfo import ZoneInfo
from pydantic import PlainSerializer, PlainValidator
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
Mail = Annotated[EmailMessage, PlainValidator(dict), PlainSerializer(str)]
class Keys(TypedDict):
    mail: Annotated[EmailMessage, PlainValidator(dict)]
@placed.on
def a(b: bytearray, s: LiteralString, d: defaultdict[str, int], c: Counter[str], z: ZoneInfo, f: Fraction, p: PurePath,
      co: Collection[int], h: Hashable, m: MutableMapping[str, int], mail: Mail, mails: list[Mail | None]): ...
@placed.on
def b(**kwargs: Unpack[Keys]): ...
@worker.task
def c(mail: Annotated[EmailMessage | None, PlainValidator(dict)]): ...
"""

REFUSED = """\
import upnext
import argparse, datetime, types
from collections.abc import ItemsView, Sized
from email.message import EmailMessage
from numbers import Number
from typing import Annotated, TypedDict, Unpack
from pydantic import AfterValidator
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
class Keys(TypedDict):
    error: Exception
@placed.on
def a(e: ValueError, m: list[EmailMessage], s: types.SimpleNamespace | None, n: argparse.Namespace,
      i: ItemsView[str, int], t: datetime.tzinfo, x: Annotated[Number, AfterValidator(int)],
      p: types.MappingProxyType[str, int], z: Sized): ...
@placed.on
def b(**kwargs: Unpack[Keys]): ...
@worker.task
def c(error: Exception): ...
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("module", standard_classes.MODULES)
def test_what_is_refused_is_refused_by_the_runtime(module: str) -> None:
    refused = [(name, cls) for name, cls in standard_classes.classes(module) if _reason(module, name)]
    assert [name for name, cls in refused if not standard_classes.is_refused(cls)] == []


def test_what_the_runtime_takes_is_not_reported(tmp_path: Path) -> None:
    assert [each.message for each in read(tmp_path, {"app.py": ACCEPTED})[1] if each.code == "UPN106"] == []


def test_what_the_runtime_refuses_is_reported(tmp_path: Path) -> None:
    found = [each.message for each in read(tmp_path, {"app.py": REFUSED})[1] if each.code == "UPN106"]
    assert [message.split('"')[1] for message in found] == [
        "builtins.ValueError",
        "email.message.EmailMessage",
        "types.SimpleNamespace",
        "argparse.Namespace",
        "collections.abc.ItemsView",
        "datetime.tzinfo",
        "numbers.Number",
        "types.MappingProxyType",
        "collections.abc.Sized",
        "builtins.Exception",
        "builtins.Exception",
    ]


@pytest.mark.parametrize("module", standard_classes.LIBRARIES)
def test_what_is_refused_of_a_library_is_refused_by_the_runtime_with_all_that_derives_from_it(module: str) -> None:
    if importlib.util.find_spec(module.partition(".")[0]) is None:
        pytest.skip(f"{module} is not installed")
    if module.startswith("django."):  # whose settings are for a whole process
        code = f"from tests.codegen.standard_classes import taken_of_library as t; print(t({module!r}))"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
    else:
        assert standard_classes.taken_of_library(module) == []


DERIVED = {
    "msgspec": "import msgspec\nclass Order(msgspec.Struct):\n    number: int\n",
    "msgspec, in two steps": "from msgspec import Struct\nclass A(Struct): ...\nclass Order(A):\n    number: int\n",
    "msgspec, with options": "import msgspec\nclass Order(msgspec.Struct, frozen=True):\n    number: int\n",
    "sqlalchemy": (
        "from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column\nclass Base(DeclarativeBase): ...\n"
        "class Order(Base):\n    __tablename__ = 'orders'\n    number: Mapped[int] = mapped_column(primary_key=True)\n"
    ),
    "a session": "from sqlalchemy.orm import Session as Order\n",
    "ctypes": "import ctypes\nclass Order(ctypes.Structure):\n    _fields_ = [('number', ctypes.c_int)]\n",
    "a protocol": "from typing import Protocol\nclass Order(Protocol):\n    number: int\n",
    "a thread": "import threading\nclass Order(threading.Thread):\n    number: int\n",
    "a queue": "import queue\nclass Order(queue.Queue[int]): ...\n",
    "a file": "import io\nclass Order(io.StringIO): ...\n",
    "an exception": "class Order(Exception):\n    number: int\n",
    "an abstract class": "import abc\nclass Order(abc.ABC):\n    number: int\n",
    "a dict": "class Order(dict[str, int]): ...\n",
    "a path below it": "import pathlib\nclass Order(pathlib.PurePosixPath): ...\n",
    "a dict of the collections": "import collections\nclass Order(collections.UserDict[str, int]): ...\n",
}
PASSING = {
    "it says how it travels": (
        "import msgspec\nfrom pydantic_core import core_schema\nclass Order(msgspec.Struct):\n    number: int\n"
        "    @classmethod\n    def __get_pydantic_core_schema__(cls, source, handler):\n"
        "        return core_schema.int_schema()\n"
    ),
    "a dataclass": "import abc, dataclasses\n@dataclasses.dataclass\nclass Order(abc.ABC):\n    number: int\n",
    "a path": "from pathlib import Path as Order\n",
}


@pytest.mark.parametrize("case", [*DERIVED, *PASSING])
def test_a_class_of_the_project_is_reported_where_the_runtime_refuses_what_it_derives_from(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = (DERIVED | PASSING)[case]
    if "msgspec" in source:
        pytest.importorskip("msgspec")
    module = types.ModuleType("app")
    monkeypatch.setitem(sys.modules, "app", module)  # where sqlalchemy looks annotations up
    exec(source, vars(module))
    assert standard_classes.is_refused(vars(module)["Order"]) is (case in DERIVED)
    handler = (
        "import upnext\nplaced = upnext.Worker('shop').event('order.placed')\n@placed.on\ndef h(order: Order): ...\n"
    )
    found = read(tmp_path, {"app.py": f"{source}{handler}"})[1]
    assert [each.code for each in found if each.code == "UPN106"] == ["UPN106"] * (case in DERIVED)


def _reason(module: str, name: str) -> bool:
    return cannot_travel(module, name) == "pydantic cannot read it"
