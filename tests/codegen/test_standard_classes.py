"""Which classes of the standard library are refused: as the runtime has it, and not where `Annotated` makes others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codegen import standard_classes
from tests.codegen.reading import read
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


def _reason(module: str, name: str) -> bool:
    return cannot_travel(module, name) == "pydantic cannot read it"
