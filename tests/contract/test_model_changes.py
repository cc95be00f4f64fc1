"""Which changes of models break: `upnext gen --against` says so exactly where the runtime cannot read a payload.

The changes are those of docs/model_changes.toml, each as it is and inside another type that is drawn; and those of
the file beside this one, as they are.
"""

from __future__ import annotations

import importlib.util
import json
import random
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pydantic
import pytest

from upnext.errors import PayloadError
from upnext.payload.codec import Codec
from upnext.payload.encoding import encode

FOR_READERS, FURTHER = (
    tomllib.loads((folder / "model_changes.toml").read_text(encoding="utf-8"))["change"]
    for folder in (Path(__file__).parents[2] / "docs", Path(__file__).parent)
)
CHANGES = [*FOR_READERS, *FURTHER]
HEAD = """\
import time
from collections.abc import Sized
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum, auto
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypeAlias, TypeVar, Union
from uuid import UUID

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import AliasChoices, AliasGenerator, BaseModel, ConfigDict, Discriminator, Field, NonNegativeInt
from pydantic import PositiveInt, RootModel, StringConstraints, conint, constr, field_validator, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticUndefined
from typing_extensions import NotRequired, ReadOnly, TypedDict, deprecated

T = TypeVar("T")


"""
PYDANTIC = tuple(map(int, pydantic.VERSION.split(".")[:2]))
AROUND = {
    "{}": "{}",
    "list[{}]": "[{}]",
    "dict[str, {}]": '{{"key": {}}}',
    "{} | None": "{}",
    "tuple[int, {}]": "(1, {})",
    "list[dict[str, {}]]": '[{{"key": {}}}, {{}}]',
}
"""Types around a model, and values around its values."""


class Change(NamedTuple):
    """A change, its number, the type that is around the model, and the first release of pydantic that takes it."""

    number: int
    what: str
    before: str
    after: str
    sends: list[str]
    code: str
    around: str
    pydantic: Sequence[int] = ()

    @property
    def event(self) -> str:
        return f"change{self.number}.{len(self.around)}"


def changes() -> list[Change]:
    drawn = random.Random(14)
    return [
        Change(number=number, around=around, **each)
        for number, each in enumerate(CHANGES)
        for around in ("{}", *([drawn.choice([*AROUND][1:])] if number < len(FOR_READERS) else []))
    ]


def payload_name(source: str) -> str:
    """Return the class that is the payload: the model, or else the last class."""
    names = re.findall(r"^class (\w+)", source, re.MULTILINE)
    return "Outer" if "Outer" in names else "Model" if "Model" in names else names[-1]


def source_of(change: str) -> str:
    return re.sub(r"(?<=: )(list\[)?Model(?=\]| \| None)", r'\1"Model"', HEAD + change).replace(
        '"Model" | None', 'Optional["Model"]'
    )


def gen(root: Path, *options: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "upnext", "gen", "--format", "json", *options]
    done = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)
    assert done.stderr == ""
    found: list[dict[str, Any]] = json.loads(done.stdout)["diagnostics"]
    return found


def write_project(root: Path, when: str) -> None:
    lines = [
        "import upnext",
        *(f"import shop.m{number}" for number in range(len(CHANGES))),
        'shop = upnext.Worker("shop")',
    ]
    for each in changes():
        model = f"shop.m{each.number}.{payload_name(getattr(each, when))}"
        taken = each.around.format(model)
        lines.append(f'@shop_worker.event("{each.event}").on(name="h")')
        lines.append(f"async def h{each.number}_{len(each.around)}(payload: {taken}) -> None: ...")
    text = "\n".join(lines).replace("shop = upnext", "shop_worker = upnext")
    models = {f"m{number}.py": source_of(each[when]) for number, each in enumerate(CHANGES)}
    (root / "pyproject.toml").touch()
    (root / "shop").mkdir(exist_ok=True)
    for name, source in {"__init__.py": "", "handlers.py": text, **models}.items():
        (root / "shop" / name).write_text(source, encoding="utf-8")


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What `--against` says, by event: codes."""
    root = tmp_path_factory.mktemp("changes")
    write_project(root, "before")
    assert [each["message"] for each in gen(root)] == []
    (root / "upnext.lock").rename(root / "before.lock")
    write_project(root, "after")
    diagnostics = gen(root, "--against", "before.lock")
    return {
        change.event: {each["code"] for each in diagnostics if f'"{change.event}"' in each["message"]}
        for change in changes()
    }


def load(path: Path, name: str, source: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    file = path / f"{name}.py"
    file.write_text(source_of(source), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def codec(module: ModuleType, change: Change, when: str) -> Codec:
    annotation: Any = eval(change.around.format(payload_name(getattr(change, when))), vars(module))
    return Codec({"payload": (annotation, True)}, None, change.event, "h")


def is_read(change: Change, path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether every payload of the class before is read by the class after, by the runtime's own code."""
    before = load(path, f"before{change.number}", change.before, monkeypatch)
    after = load(path, f"after{change.number}", change.after, monkeypatch)
    sender, receiver = codec(before, change, "before"), codec(after, change, "after")
    for text in change.sends:
        value = eval(AROUND[change.around].format(text), vars(before))
        body = encode(change.event, {"payload": value}, [sender])
        sender.decode(body)
        try:
            receiver.decode(body)
        except PayloadError:
            return False
    return True


@pytest.mark.xdist_group("model changes")  # in one process, the project is scanned once
@pytest.mark.parametrize("change", changes(), ids=lambda change: f"{change.what} in {change.around}")
def test_a_change_is_reported_exactly_where_the_runtime_cannot_read_what_was_sent(
    change: Change, reported: dict[str, set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (*change.pydantic,) <= PYDANTIC:
        assert is_read(change, tmp_path, monkeypatch) == (not change.code)
    codes = reported[change.event]
    assert bool(codes) == bool(change.code)
    if change.around == "{}":
        assert codes == ({change.code} if change.code else set())


def test_there_are_at_least_fifty_of_either_kind() -> None:
    breaking = [each for each in CHANGES if each["code"]]
    assert len(breaking) >= 50
    assert len(CHANGES) - len(breaking) >= 50


UNCERTAIN = """\
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pydantic import AliasPath, BaseModel, ConfigDict, Field, model_serializer, model_validator


def keyed(name: str) -> Any: return Field(alias=name)


class Sure(BaseModel, frozen=True):
    a: int

class Before(BaseModel):
    inner: Sure
    @model_validator(mode="before")
    @classmethod
    def read(cls, data: Any) -> Any: return data

class Written(BaseModel):
    @model_serializer
    def write(self) -> dict[str, int]: return {}

class Encoded(BaseModel):
    model_config = ConfigDict(json_encoders={})

class Made(BaseModel):
    a: int = keyed("b")

class Path(BaseModel):
    a: int = Field(validation_alias=AliasPath("b", 0))

@dataclass
class Later:
    a: int = field(init=False)

class Value(Enum):
    A = 1
    B = 0.5

class Outer(BaseModel):
    held: list[Before]
    more: Written | Encoded | Made
    rest: tuple[Path, Later, Value, Sure]
"""
REASONS = {
    "Before": "its model_validator runs before pydantic's own",
    "Encoded": 'it sets "json_encoders"',
    "Later": "options of a field are not written out, or have init",
    "Made": "what keyed() returns as a default may be a field with options of its own",
    "Path": "an alias of a field is a path",
    "Sure": "the earlier lock does not say what payloads carried of it",
    "Value": 'the value of its member "B" is not read',
    "Written": "its model_serializer writes it in a way of its own",
}


def test_each_class_that_cannot_be_compared_is_named_with_the_reason(tmp_path: Path) -> None:
    handler = 'import upnext\nfrom shop.m import Outer\nshop = upnext.Worker("shop")\n@shop.event("x.y").on\n'
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "m.py").write_text(UNCERTAIN, encoding="utf-8")
    (tmp_path / "shop" / "handlers.py").write_text(f"{handler}async def h(payload: Outer) -> None: ...\n", "utf-8")
    assert gen(tmp_path) == []
    earlier = json.loads((tmp_path / "upnext.lock").read_text("utf-8"))
    earlier["classes"]["shop.m.Sure"]["payload"] = None
    (tmp_path / "before.lock").write_text(json.dumps(earlier), encoding="utf-8")
    found = gen(tmp_path, "--against", "before.lock")
    assert {each["code"] for each in found} == {"UPN429"}
    assert {each["severity"] for each in found} == {"warning"}
    assert sorted(each["message"] for each in found) == [
        f'"{name}" cannot be compared: {reason}' for name, reason in REASONS.items()
    ]
    assert {each["file"] for each in found} == {"shop/m.py"}
