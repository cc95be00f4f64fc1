"""Classes whose schema is changed, read without the validator that pydantic built with the class, in every version."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, TypeAdapter
from pydantic.dataclasses import dataclass
from pydantic_core import SchemaValidator, to_json
from typing_extensions import TypedDict

from upnext.payload.schemas import SchemaRewriter
from upnext.payload.stand_ins import with_stand_ins

T = TypeVar("T")


class Line(BaseModel):
    """It is written under keys that it does not read by itself."""

    model_config = ConfigDict(extra="forbid")
    order_id: int = Field(serialization_alias="orderId")


class Checked(Line):
    model_config = ConfigDict(revalidate_instances="subclass-instances")


class Tree(Line):
    branches: list[Tree] = []


class Page(BaseModel, Generic[T]):
    next_page: int = Field(serialization_alias="nextPage")
    items: list[T]


class Lines(RootModel[list[Line]]):
    pass


class Counted(Line):
    def model_post_init(self, context: Any) -> None:
        self._length = len(str(self.order_id))

    _length: int = 0


class Made(Line):
    made: ClassVar[list[type]] = []

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        cls.made.append(cls)
        return super().__new__(cls)


class Holder(BaseModel):
    """Has an `__init__` of its own, by which pydantic makes it."""

    line: Line

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)


@dataclass(frozen=True, slots=True)
class Slotted:
    line: Line


@dataclass
class Posted:
    line: Annotated[Line, "note"]
    seen: bool = False

    def __post_init__(self) -> None:
        self.seen = True


LINE = Line(order_id=1)


def reader(annotation: Any) -> SchemaValidator:
    """Return what reads payloads where pydantic cannot be told to read the schemas of classes."""
    make: Any = TypedDict
    schema = TypeAdapter(make("payload", {"value": annotation})).core_schema
    return SchemaValidator(with_stand_ins(SchemaRewriter("allow").rewrite(schema, None)))


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Line, LINE),
        (Checked, Checked(order_id=1)),
        (dict[str, Line | int], {"a": LINE}),
        (Tree, Tree(order_id=1, branches=[Tree(order_id=2)])),
        (Page[Line], Page[Line](next_page=2, items=[LINE])),
        (Lines, Lines([LINE])),
        (Counted, Counted(order_id=12)),
        (Made, Made(order_id=1)),
        (Slotted, Slotted(LINE)),
        (Posted, Posted(LINE)),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_what_a_class_writes_is_read_as_the_class(annotation: Any, value: object) -> None:
    """It has the class itself, and an instance is taken as it is."""
    validator = reader(annotation)
    arrived = validator.validate_json(to_json({"value": value}, by_alias=True), strict=True)["value"]
    assert arrived == value
    assert type(arrived) is type(value)
    taken = validator.validate_python({"value": value}, strict=True)["value"]
    assert taken == value
    assert taken is value or isinstance(value, dict)


def test_a_class_that_makes_itself_does_so() -> None:
    """Its own `__init__` reads what it is given, by the class's own validator."""
    arrived = reader(Holder).validate_json(b'{"value": {"line": {"order_id": 1}}}', strict=True)["value"]
    assert type(arrived) is Holder
    assert arrived.line == LINE


def test_hooks_of_a_class_run_once() -> None:
    """Those of pydantic's, and `__new__`."""
    body = b'{"value": {"orderId": 12}}'
    assert reader(Counted).validate_json(body)["value"]._length == 2
    Made.made.clear()
    reader(Made).validate_json(body)
    assert Made.made == [Made]


def test_a_value_of_another_class_is_no_instance() -> None:
    """A class derived from it is."""
    validator = reader(Line)
    validator.validate_python({"value": Checked(order_id=1)}, strict=True)
    with pytest.raises(ValueError, match="instance of Line"):
        validator.validate_python({"value": Holder(line=LINE)}, strict=True)
