# ruff: noqa: E501 - sources stand on one line
"""What upnext.lock says of the classes that fields reach, read from the sources alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.projects import Shell

HANDLER = """
    import upnext
    from shop.models import Order

    worker = upnext.Worker("shop")


    @worker.event("order.placed").on
    async def mail(order: Order) -> None: ...
"""
PYDANTIC = "from pydantic import BaseModel, ConfigDict, Field, RootModel\n"


def payloads(shell: Shell, models: str, **more: str) -> dict[str, Any]:
    """Generate the catalog of a project, and return what its lock says of classes, by their names."""
    files = {f"shop/{name}.py": text for name, text in more.items()}
    shell.write({"shop/__init__.py": "", "shop/handlers.py": HANDLER, "shop/models.py": models, **files})
    done = shell.run("gen")
    assert (done.code, done.err) == (0, "")
    classes = json.loads(shell.text("upnext.lock"))["classes"]
    return {name.removeprefix("shop."): facts.get("payload") for name, facts in classes.items()}


def fields(shell: Shell, models: str) -> dict[str, str]:
    """Return the fields of `Order`: type, and a question mark for those that need not be given."""
    found = payloads(shell, models)["models.Order"]["fields"]
    return {name: f"{each['type']}{'' if each['required'] else '?'}" for name, each in found.items()}


def test_fields_are_read_with_types_defaults_and_limits(empty: Shell) -> None:
    text = PYDANTIC + (
        "from typing import Annotated, ClassVar, Optional\n"
        "from annotated_types import Gt\n"
        "LIMIT = 20\n"
        "Name = Annotated[str, Field(max_length=LIMIT)]\n"
        "class Base(BaseModel):\n    id: int\n    note: 'str | None' = None\n"
        "class Order(Base):\n    kind: ClassVar[str] = 'x'\n    _hidden: int = 0\n"
        "    amount: Annotated[int, Gt(0)] = Field(lt=100)\n    names: list[Name] = Field(default_factory=list)\n"
        "    other: Optional[int] = Field(None, ge=1)\n    needed: int = Field(...)\n"
    )
    assert fields(empty, text) == {
        "id": "int",
        "note": "str | None?",
        "amount": 'typing.Annotated[int, Literal["gt=0", "lt=100"]]',
        "names": 'list[typing.Annotated[str, Literal["max_length=20"]]]?',
        "other": 'typing.Annotated[int, Literal["ge=1"]] | None?',
        "needed": "int",
    }


def test_keys_are_those_that_aliases_give(empty: Shell) -> None:
    text = PYDANTIC + (
        "from pydantic.alias_generators import to_camel\n"
        "class Order(BaseModel):\n    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)\n"
        "    order_id: int\n    plain: int\n    other: int = Field(alias='o', serialization_alias='out')\n"
    )
    found = payloads(empty, text)["models.Order"]["fields"]
    assert {name: (each.get("written"), each.get("read")) for name, each in found.items()} == {
        "order_id": (["orderId"], ["orderId", "order_id"]),
        "plain": (None, None),
        "other": (["out"], ["o", "other", "out"]),
    }


def test_typed_dicts_named_tuples_and_enums_are_read(empty: Shell) -> None:
    text = (
        "from enum import Enum, IntEnum, StrEnum, auto\nfrom typing import NamedTuple\n"
        "from typing_extensions import NotRequired, Required, TypedDict\n"
        "class Colour(StrEnum):\n    RED = auto()\n    BLUE = 'b'\n"
        "class Size(IntEnum):\n    S = 1\n    M = auto()\n"
        "class Odd(Enum):\n    PAIR = (1, 2)\n    ONE = 'x'\n"
        "class Line(TypedDict, total=False):\n    a: int\n    b: Required[int]\n"
        "class Point(NamedTuple):\n    y: int\n    x: int = 0\n"
        "class Order(TypedDict):\n    colour: Colour\n    size: Size\n    odd: Odd\n    line: NotRequired[Line]\n    point: Point\n"
    )
    found = payloads(empty, text)
    assert found["models.Colour"]["members"] == {"BLUE": 'Literal["b"]', "RED": 'Literal["red"]'}
    assert found["models.Size"]["members"] == {"M": "Literal[2]", "S": "Literal[1]"}
    assert found["models.Odd"]["members"] == {"ONE": 'Literal["x"]', "PAIR": "Any"}
    assert {name: each["required"] for name, each in found["models.Line"]["fields"].items()} == {"a": False, "b": True}
    assert {name: each["position"] for name, each in found["models.Point"]["fields"].items()} == {"x": 1, "y": 0}
    assert found["models.Order"]["fields"]["line"] == {"required": False, "type": "shop.models.Line"}


def test_a_typed_dict_that_a_call_makes_is_read_as_well(empty: Shell) -> None:
    text = (
        "from typing_extensions import NotRequired, TypedDict\n"
        "Order = TypedDict('Order', {'a': int, 'class': NotRequired[list[str]]})\n"
    )
    assert fields(empty, text) == {"a": "int", "class": "list[str]?"}


def test_generic_and_recursive_models_in_other_files_are_followed(empty: Shell) -> None:
    pages = PYDANTIC + (
        "from typing import Generic, TypeVar\nT = TypeVar('T')\n"
        "class Page(BaseModel, Generic[T]):\n    items: list[T]\n    next: 'Page[T] | None' = None\n"
    )
    text = PYDANTIC + "from shop.pages import Page\nclass Order(BaseModel):\n    lines: Page[int]\n"
    found = payloads(empty, text, pages=pages)
    assert found["models.Order"]["fields"]["lines"]["type"] == "shop.pages.Page[int]"
    assert found["pages.Page"]["fields"]["items"]["type"] == "list[T]"
    assert found["pages.Page"]["fields"]["next"]["type"] == "shop.pages.Page[T] | None"


@pytest.mark.parametrize(
    "body",
    [
        "class Order(Foreign):\n    a: int\n",
        "class Order(BaseModel):\n    a: int = made()\n",
        "class Order(BaseModel):\n    model_config = options()\n    a: int\n",
        "class Order(BaseModel):\n    model_config = ConfigDict(alias_generator=str.upper)\n    a: int\n",
        "class Order(BaseModel):\n    a: int = Field(**options())\n",
        "@changed\nclass Order(BaseModel):\n    a: int\n",
        "class Order(BaseModel):\n    a: int\n    @model_validator(mode='before')\n    @classmethod\n    def read(cls, v: object) -> object: return v\n",
        "class Order(BaseModel):\n    a: int\n    @model_serializer\n    def write(self) -> dict[str, int]: return {}\n",
        "class Order(BaseModel):\n    if options():\n        a: int\n    else:\n        a: str\n",
        "class Order(BaseModel):\n    a: InitVar[int]\n",
        "class Base(BaseModel):\n    a: int\nclass Order(Base):\n    a = 3\n",
    ],
)
def test_of_a_class_that_is_not_certain_nothing_is_said(empty: Shell, body: str) -> None:
    head = PYDANTIC + (
        "from dataclasses import InitVar\nfrom pydantic import model_serializer, model_validator\n"
        "from elsewhere import Foreign, changed, made, options\n"
    )
    assert payloads(empty, head + body)["models.Order"] is None


@pytest.mark.parametrize(
    "text",
    ["a: 'Nowhere'", "a: Annotated[int, BeforeValidator(int)]", "a: Annotated[int, Odd()]", "a: make(int)"],
)
def test_of_a_field_that_is_not_certain_the_type_is_any(empty: Shell, text: str) -> None:
    head = PYDANTIC + "from typing import Annotated\nfrom pydantic import BeforeValidator\nfrom odd import Odd, make\n"
    assert fields(empty, f"{head}class Order(BaseModel):\n    {text}\n    b: int\n") == {"a": "Any", "b": "int"}


def test_a_limit_that_makes_no_sense_is_not_known(empty: Shell) -> None:
    text = "a: int = Field(multiple_of=0); b: str = Field(max_length=1.5); c: float = Field(le=1e999); d: int = Field(gt=True)"
    body = "".join(f"    {line}\n" for line in text.split("; "))
    limit = 'Literal["unknown"]'
    assert fields(empty, f"{PYDANTIC}class Order(BaseModel):\n{body}") == {
        "a": f"typing.Annotated[int, {limit}]",
        "b": f"typing.Annotated[str, {limit}]",
        "c": f"typing.Annotated[float, {limit}]",
        "d": f"typing.Annotated[int, {limit}]",
    }


def test_a_change_inside_of_a_class_that_no_handler_names_makes_the_lock_stale(empty: Shell) -> None:
    text = PYDANTIC + "from shop.lines import Line\nclass Order(BaseModel):\n    lines: list[Line]\n"
    lines = PYDANTIC + "class Line(BaseModel):\n    amount: int\n"
    payloads(empty, text, lines=lines)
    assert empty.run("gen", "--check").code == 0
    stub = empty.text("upnext_catalog.pyi")
    empty.write({"shop/lines.py": lines.replace("amount: int", "amount: int = 0")})
    assert empty.run("gen", "--check").code == 1
    assert empty.run("gen").out.endswith("wrote upnext.lock\n1 event, 1 handler in 4 files: nothing to report\n")
    assert empty.text("upnext_catalog.pyi") == stub
    assert empty.run("gen", "--check", "--no-cache").code == 0
    empty.write({"shop/lines.py": "\n\n" + lines.replace("amount: int", "amount: int = 0")})
    assert empty.run("gen", "--check").code == 0


def test_what_was_reached_once_is_forgotten(empty: Shell) -> None:
    text = PYDANTIC + (
        "class Line(BaseModel):\n    amount: int\nclass Other(BaseModel):\n    a: int\n"
        "class Order(BaseModel):\n    line: Line\n    other: Other\n"
    )
    assert "models.Other" in payloads(empty, text)
    assert "models.Other" not in payloads(empty, text.replace("    other: Other\n", ""))
    assert "models.Other" in payloads(empty, text)


def test_a_comment_in_the_file_of_a_model_silences_what_is_found_there(empty: Shell) -> None:
    text = PYDANTIC + "from shop.lines import Line\nclass Order(BaseModel):\n    lines: list[Line]\n"
    lines = PYDANTIC + "class Line(BaseModel):\n    amount: int\n"
    payloads(empty, text, lines=lines)
    (empty.root / "upnext.lock").rename(empty.root / "before.lock")
    empty.write({"shop/lines.py": lines.replace("int", "str")})
    done = empty.run("gen", "--against", "before.lock")
    assert (done.code, "shop/lines.py:3:5: error[UPN425]" in done.out) == (1, True)
    empty.write({"shop/lines.py": lines.replace("int", "str  # upnext: ignore[UPN425]")})
    assert empty.run("gen", "--against", "before.lock").code == 0


def test_of_an_earlier_lock_without_models_nothing_is_compared_inside_of_classes(empty: Shell) -> None:
    text = PYDANTIC + "class Order(BaseModel):\n    a: int\n"
    payloads(empty, text)
    before = json.loads(empty.text("upnext.lock"))
    for facts in before["classes"].values():
        del facts["payload"]
    (empty.root / "before.lock").write_text(json.dumps({**before, "format": 1}), encoding="utf-8")
    empty.write({"shop/models.py": text.replace("int", "str")})
    assert empty.run("gen", "--against", "before.lock").code == 0
