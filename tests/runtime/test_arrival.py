"""What type checkers take for a field arrives equal, and what would not is refused where it is sent."""

from __future__ import annotations

import enum
import pathlib
import traceback
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Annotated, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    SecretStr,
    computed_field,
    field_validator,
)
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

import upnext
from upnext.payload import encode
from upnext.signature import Signature

DAY = date(2026, 1, 2)
TWICE = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)
ODD_OFFSET = datetime(2026, 1, 1, tzinfo=timezone(timedelta(seconds=3601)))


class Colour(enum.Enum):
    RED = "red"


class Keys(TypedDict):
    a: int


class MoreKeys(Keys):
    b: int


class Pair(NamedTuple):
    a: int
    on: date = DAY


@dataclass
class Base:
    a: int


@dataclass
class Derived(Base):
    b: int = 0


@dataclass(eq=False)
class Unequal:
    a: int


@dataclass
class Counted:
    a: int
    seen: int = field(init=False, default=0)


class Model(BaseModel):
    a: int
    on: date = DAY


class Twin(BaseModel):
    a: int
    on: date = DAY


class DerivedModel(Model):
    b: int = 0


class Secret(BaseModel):
    password: SecretStr


class Hidden(BaseModel):
    a: int = Field(default=0, exclude=True)


class Doubling(BaseModel):
    a: int

    @field_validator("a")
    @classmethod
    def double(cls, value: int) -> int:
        return 2 * value


class Computing(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def twice(self) -> int:
        return 2 * self.a


class Own:
    """A class that tells pydantic how it is written and read."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own) and other.number == self.number

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Own({self.number})"  # the test's own name: an address would be another one in each process

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        read = core_schema.no_info_after_validator_function(cls, core_schema.int_schema())
        write = core_schema.plain_serializer_function_ser_schema(lambda own: own.number)
        return core_schema.json_or_python_schema(read, core_schema.is_instance_schema(cls), serialization=write)


def taking(*hints: Any) -> list[Signature]:
    """Return the signatures of functions that take one field, each with an annotation."""

    def make() -> Callable[..., None]:
        def take(value: Any) -> None: ...

        return take

    functions = [make() for _ in hints]
    for function, hint in zip(functions, hints, strict=True):
        function.__annotations__["value"] = hint
    return [Signature(function, "event", "take") for function in functions]


def arrive(value: object, *hints: Any) -> list[Any]:
    """Send a value to handlers that annotate it; returns what each of them gets."""
    signatures = taking(*hints)
    body = encode("event", {"value": value}, signatures)
    return [signature.decode(body)["value"] for signature in signatures]


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (float, True),
        (list[float], [True, 1, 0.5]),
        (Collection[date], [DAY]),
        (Iterable[date], [DAY]),
        (Sequence[uuid.UUID], [uuid.UUID(int=1)]),
        (AbstractSet[date], {DAY}),
        (AbstractSet[int], frozenset({1})),
        (dict[str, Collection[date]], {"a": [DAY]}),
        (Mapping[str, Iterable[int]] | None, {"a": [1]}),
        (Literal[Colour.RED] | None, Colour.RED),
        (Literal[0, False], False),
        (Keys, {"a": 1}),
        (Pair, Pair(1)),
        (list[Model], [Model(a=1)]),
        (Counted, Counted(1)),
        (Computing, Computing(a=1)),
        (Own, Own(3)),
        (list[Own], [Own(3)]),
        (pathlib.PurePath, pathlib.PurePath("a")),
    ],
    ids=str,
)
def test_what_type_checkers_take_arrives_equal(hint: Any, value: object) -> None:
    """Also in a container, and as what it was."""
    (arrived,) = arrive(value, hint)
    assert arrived == value


@pytest.mark.parametrize(
    ("hint", "value"),
    [(Sequence[int], (1, 2)), (Collection[int], {1}), (Iterable[int], deque([1])), (Iterable, (1,))],
    ids=str,
)
def test_what_is_only_gone_through_arrives_as_a_list(hint: Any, value: Collection[int]) -> None:
    """An abstract container says no more; a list can be read twice."""
    assert arrive(value, hint) == [list(value)]


def test_a_time_that_comes_twice_arrives_with_its_own_offset() -> None:
    """Python calls no such time equal to one with another time zone."""
    (arrived,) = arrive(TWICE, datetime)
    assert (arrived.timestamp(), arrived.utcoffset()) == (TWICE.timestamp(), TWICE.utcoffset())


def test_an_object_that_never_equals_another_arrives_by_its_fields() -> None:
    """What does not say when it is equal is not held to it."""
    (arrived,) = arrive([Unequal(3)], list[Unequal])
    assert [one.a for one in arrived] == [3]


@pytest.mark.parametrize(
    ("hint", "value", "words"),
    [
        (Iterable[int], ["x"], "field 'value.0' should be a valid integer, got str"),
        (Collection[str], "abc", "should be a valid list, got str"),
        (Collection[str], {"a": 1}, "should be a valid list, got dict"),
        (Literal[1], True, "should be 1, got bool"),
        (Literal[True], 1, "should be True, got int"),
        (Model, {"a": 1}, "should be an instance of Model, got dict"),
        (list[Model], [{"a": 1}], "should be an instance of Model, got dict"),
        (Pair, (1, DAY), "should be an instance of Pair, got tuple"),
        (Keys, {"a": 1, "s3cr3t": 2}, "field 'value' holds a key that its type does not have"),
        (Keys, {}, "field 'value' lacks a key that its type requires"),
        (Model, DerivedModel(a=1, b=2), "would arrive as Model; "),
        (Base, Derived(1, 2), "would arrive as Base; "),
        (Model | Twin, Twin(a=1), "would arrive as Model; "),
        (SecretStr, SecretStr("s3cr3t"), "would not arrive equal; "),
        (Secret, Secret(password=SecretStr("s3cr3t")), "would not arrive equal; "),
        (Hidden, Hidden(a=7), "would not arrive equal; "),
        (Doubling, Doubling(a=1), "would not arrive equal; "),
        (uuid.UUID | str, str(uuid.UUID(int=1)), "would arrive as UUID; annotate it so that JSON can tell them apart"),
        (str | datetime, datetime(2026, 1, 1, tzinfo=UTC), "would arrive as str; "),
        (list[int] | set[int], {1}, "would arrive as list; "),
        (dict, {1: 2}, "would not arrive equal; "),
        (dict[str, Any], {"a": {1: 2}}, "would not arrive equal; "),
        (dict[str, Any], {"a": DAY}, "would not arrive equal; annotate what it holds, or send what JSON can carry"),
        (dict[str, object], {"a": (1,)}, "would not arrive equal; "),
        (datetime, ODD_OFFSET, "would not arrive equal; "),
        (complex, True, "should be a valid"),
    ],
    ids=str,
)
def test_what_would_arrive_as_something_else_is_refused(hint: Any, value: object, words: str) -> None:
    """The error says as what, and never shows the value."""
    with pytest.raises(upnext.PayloadError) as caught:
        arrive(value, hint)
    assert words in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_what_a_validator_raises_is_an_error_of_the_payload_where_it_is_sent() -> None:
    """Whatever it is; its message may quote the value, and is not shown."""

    def look_up(value: str) -> str:
        raise KeyError(value)

    with pytest.raises(upnext.PayloadError, match="the code of a type in it raised, got KeyError") as caught:
        arrive("canary".upper(), Annotated[str, AfterValidator(look_up)])
    assert "CANARY" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("hints", "value", "arrived"),
    [
        ((Model, DerivedModel), DerivedModel(a=1, b=2), [Model(a=1), DerivedModel(a=1, b=2)]),
        ((Base, Derived), Derived(1, 2), [Base(1), Derived(1, 2)]),
        ((Keys, MoreKeys), {"a": 1, "b": 2}, [{"a": 1, "b": 2}, {"a": 1, "b": 2}]),
        ((Any, date), DAY, ["2026-01-02", DAY]),
        ((dict[str, Any], dict[str, date]), {"a": DAY}, [{"a": "2026-01-02"}, {"a": DAY}]),
    ],
    ids=["model", "dataclass", "TypedDict", "Any", "Any inside"],
)
def test_what_handlers_need_together_is_taken_by_each(hints: Any, value: object, arrived: list[object]) -> None:
    """The contract is the narrowest type; who asks for less gets less, as long as one gets it whole."""
    assert arrive(value, *hints) == arrived


@pytest.mark.parametrize("name", ["type", "metadata", "schema", "fields", "config", "default", "expected", "ref"])
def test_a_field_may_have_any_name(name: str) -> None:
    """Also one that means something in a schema of pydantic's."""
    scope: dict[str, Any] = {}
    exec(f"def take({name}: int, kind: float = 1): ...", scope)
    signature = Signature(scope["take"], "event", "take")
    assert signature.decode(encode("event", {name: True, "kind": True}, [signature])) == {name: True, "kind": 1.0}
    with pytest.raises(upnext.PayloadError, match=f"field '{name}' should be a valid integer, got str"):
        encode("event", {name: "1"}, [signature])
