"""What type checkers take for a field arrives equal, and what would not is refused where it is sent."""

from __future__ import annotations

import enum
import pathlib
import re
import threading
import time
import traceback
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import pytest
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PrivateAttr,
    RootModel,
    SecretStr,
    TypeAdapter,
    WrapValidator,
    computed_field,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

import upnext
from tests.runtime.running import running
from upnext.payload.encoding import encode
from upnext.payload.signature import Signature


def named(value: object) -> str:
    """Return the id of a parameter: the same one in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", value if isinstance(value, str) else repr(value))


DAY = date(2026, 1, 2)
TWICE = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)
SUMMER = datetime(2026, 7, 1, tzinfo=ZoneInfo("Europe/Berlin"))
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
    body = encode("event", {"value": value}, [signature.codec for signature in signatures])
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
    ids=named,
)
def test_what_type_checkers_take_arrives_equal(hint: Any, value: object) -> None:
    """Also in a container, and as what it was."""
    (arrived,) = arrive(value, hint)
    assert arrived == value


@pytest.mark.parametrize(
    ("hint", "value"),
    [(Sequence[int], (1, 2)), (Collection[int], {1}), (Iterable[int], deque([1])), (Iterable, (1,))],
    ids=named,
)
def test_what_is_only_gone_through_arrives_as_a_list(hint: Any, value: Collection[int]) -> None:
    """An abstract container says no more; a list can be read twice."""
    assert arrive(value, hint) == [list(value)]


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-5)), ZoneInfo("UTC"), ZoneInfo("Etc/GMT+5")], ids=repr)
def test_a_time_arrives_with_its_offset(zone: tzinfo) -> None:
    """Zones whose offset is always the same lose nothing."""
    sent = datetime(2026, 10, 25, 2, 30, tzinfo=zone)
    (arrived,) = arrive(sent, datetime)
    assert (arrived, arrived.utcoffset()) == (sent, sent.utcoffset())


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
        (SecretStr, SecretStr("s3cr3t"), "is a secret, which JSON masks; "),
        (Secret, Secret(password=SecretStr("s3cr3t")), "is a secret, which JSON masks; "),
        (Hidden, Hidden(a=7), "would lose 'a' of Hidden: the field is excluded"),
        (datetime, TWICE, "holds a time zone whose offset changes"),
        (list[datetime], [TWICE], "holds a time zone whose offset changes"),
        (dict[str, set[datetime]], {"a": {SUMMER}}, "holds a time zone whose offset changes"),
        (deque[int], deque([1], maxlen=3), "deque"),  # before 2.13 pydantic refuses it itself
        (defaultdict[str, int], defaultdict(lambda: 7, a=1), "would lose the default_factory of its defaultdict"),
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
    ids=named,
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
    assert signature.decode(encode("event", {name: True, "kind": True}, [signature.codec])) == {name: True, "kind": 1.0}
    with pytest.raises(upnext.PayloadError, match=f"field '{name}' should be a valid integer, got str"):
        encode("event", {name: "1"}, [signature.codec])


class Item(BaseModel):
    sku: str
    on: date = DAY


T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    items: list[T]


class SpecialPage(Page[T], Generic[T]):
    """Another class, with what a page has."""


# Earlier pydantics make it a class derived from this one, later ones from `Page` alone.
DERIVED = "would arrive as Page[int]" if issubclass(SpecialPage[int], Page[int]) else "should be an instance of Page"


class AliasedPage(BaseModel, Generic[T]):
    items: list[T] = Field(alias="pageItems")
    next: int | None = Field(default=None, validation_alias="nextPage")
    _seen: int = PrivateAttr(default=0)


class Many(RootModel[list[T]], Generic[T]):
    pass


class Doubled(BaseModel, Generic[T]):
    item: T
    n: int

    @field_validator("n")
    @classmethod
    def double(cls, value: int) -> int:
        return 2 * value


def seen(page: AliasedPage[Any]) -> AliasedPage[Any]:
    page._seen = 1
    return page


@dataclass
class Shelf:
    page: Page[int]


class Shelves(TypedDict):
    page: Page[int]


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Page[int], Page(items=[1])),
        (Page[int] | None, Page(items=[1])),
        (list[Page[int]], [Page(items=[1]), Page[int](items=[2])]),
        (dict[str, Page[date]], {"a": Page(items=[DAY])}),
        (Page[Any], Page[int](items=[1])),
        (Page[Any], Page(items=[1])),
        (Page, Page[int](items=[1])),
        (Page[Item], Page(items=[Item(sku="x")])),
        (Page[Page[int]], Page(items=[Page(items=[1])])),
        (Shelf, Shelf(Page(items=[1]))),
        (Shelves, {"page": Page(items=[1])}),
        (SpecialPage[int], SpecialPage(items=[1])),
        (AliasedPage[int], AliasedPage(pageItems=[1], nextPage=2)),
        (list[AliasedPage[int]], [AliasedPage(pageItems=[1])]),
    ],
    ids=named,
)
def test_a_generic_model_is_taken_as_type_checkers_take_it(annotation: Any, value: object) -> None:
    """Pydantic makes a class of each parametrisation; to a type checker they are one, and their items decide."""
    (arrived,) = arrive(value, annotation)
    assert arrived == value


def test_a_generic_root_model_is_taken_as_well() -> None:
    """Pydantic calls no two of different parametrisations equal."""
    (arrived,) = arrive(Many([1]), Many[int])
    assert (type(arrived), arrived.root) == (Many[int], [1])


@pytest.mark.parametrize(
    ("annotation", "value", "words"),
    [
        (Page[int], Page(items=["s3cr3t"]), "should be a valid integer, got str"),
        (Page[int], Page[str](items=["s3cr3t"]), "should be a valid integer, got str"),
        (Page[int], SpecialPage(items=[1]), "should be an instance of Page"),
        (Page[int], SpecialPage[int](items=[1]), DERIVED),
        (Page[int], {"items": [1]}, "should be an instance of Page"),
        (Page[Any], Page[date](items=[DAY]), "would not arrive equal"),
        (Page, Page[Item](items=[Item(sku="x")]), "would arrive as Page; "),
        (AliasedPage[int], seen(AliasedPage(pageItems=[1])), "would lose the private attribute '_seen'"),
        (Doubled[int], Doubled(item=1, n=1), "is refused by a validator of its type"),
        (Many[int], Many(["s3cr3t"]), "should be a valid integer, got str"),
    ],
    ids=named,
)
def test_a_generic_model_of_other_items_or_of_a_derived_class_is_refused(
    annotation: Any, value: object, words: str
) -> None:
    """By name, as everything that would not arrive as it was sent."""
    with pytest.raises(upnext.PayloadError) as caught:
        arrive(value, annotation)
    assert words in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


class Change(BaseModel):
    name: str | None = None
    phone: str | None = None
    tags: list[str] = []
    state: Literal["open", "closed"] = "open"
    at: date = Field(default_factory=lambda: DAY)


class Card(BaseModel):
    kind: Literal["card"] = "card"
    change: Change


class Cash(BaseModel):
    kind: Literal["cash"] = "cash"


class Recorded(BaseModel):
    id: uuid.UUID = Field(default_factory=uuid.uuid4)
    change: Change


def unset(value: Any) -> Any:
    """Return what a PATCH would write."""
    return TypeAdapter(Any).dump_python(value, exclude_unset=True)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Change, Change()),
        (Change, Change(name="Ada")),
        (Change, Change(phone=None)),
        (Change, Change(state="open", tags=[])),
        (list[Change], [Change(name="Ada"), Change(phone=None)]),
        (dict[str, Change] | None, {"a": Change(name="Ada")}),
        (tuple[Change, int], (Change(name="Ada"), 1)),
        (Item, Item(sku="x")),
        (RootModel[list[Change]], RootModel[list[Change]]([Change(name="Ada")])),
    ],
    ids=["nothing", "one", "null", "defaults", "list", "dict", "tuple", "factory-free", "root"],
)
def test_what_nobody_set_in_a_model_is_unset_on_arrival(annotation: Any, value: object) -> None:
    """`exclude_unset` gives the same on both sides: what a PATCH left out is not written over."""
    (arrived,) = arrive(value, annotation)
    assert arrived == value
    assert unset(arrived) == unset(value)


def test_a_default_that_is_made_anew_arrives_as_it_was() -> None:
    """An id must be the sender's, so it is written, and counts as set; the rest of the payload keeps what is unset."""
    sent = Recorded(change=Change(name="Ada"))
    (arrived,) = arrive(sent, Recorded)
    assert arrived == sent
    assert unset(arrived.change) == {"name": "Ada"}


def test_a_tag_that_nobody_set_still_tells_the_members_of_a_union_apart() -> None:
    """It is written where it is needed to read the rest."""
    sent = Card(change=Change(name="Ada"))
    (arrived,) = arrive(sent, Annotated[Card | Cash, Field(discriminator="kind")])
    assert arrived == sent
    assert unset(arrived.change) == {"name": "Ada"}


def test_a_handler_that_takes_plain_json_gets_defaults_too() -> None:
    """It has no model to make them."""
    assert arrive(Change(name="Ada"), Change, dict[str, Any] | Any)[1] == {
        "name": "Ada", "phone": None, "tags": [], "state": "open", "at": "2026-01-02",
    }  # fmt: skip


class Cart(BaseModel):
    items: list[str]
    _coupon: str = PrivateAttr(default="")
    _seen: list[str] = PrivateAttr(default_factory=list)
    _made: float = PrivateAttr(default_factory=time.perf_counter)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)


def test_a_private_attribute_is_not_lost_without_a_word() -> None:
    """JSON has none of them: one that was changed is named, one that each object makes for itself is not a loss."""
    cart = Cart(items=["tea"])
    (arrived,) = arrive(cart, Cart)
    assert arrived.items == ["tea"]
    cart._coupon = "SPRING"
    with pytest.raises(upnext.PayloadError, match="would lose the private attribute '_coupon' of Cart") as caught:
        arrive([cart], list[Cart])
    assert "SPRING" not in str(caught.value)


class Aliased(BaseModel):
    both: int = Field(alias="b")
    read: int = Field(validation_alias="r")
    written: int = Field(serialization_alias="w")
    choice: int = Field(validation_alias=AliasChoices("c1", AliasPath("c2", 0)))
    path: int = Field(validation_alias=AliasPath("p", 0, "q"))


class ByName(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")
    order_id: int
    line: Aliased


class OnlyByName(BaseModel):
    model_config = ConfigDict(validate_by_alias=False, validate_by_name=True)
    order_id: int = Field(alias="orderId")


@dataclass
class AliasedDataclass:
    order_id: Annotated[int, Field(alias="orderId")]


class AliasedKeys(TypedDict):
    order_id: Annotated[int, Field(alias="orderId")]


ALIASED = Aliased.model_validate({"b": 1, "r": 2, "written": 3, "c1": 4, "p": [{"q": 5}]})


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Aliased, ALIASED),
        (list[Aliased] | None, [ALIASED]),
        (ByName, ByName(order_id=1, line=ALIASED)),
        (OnlyByName, OnlyByName.model_construct(order_id=1)),
        (AliasedDataclass, AliasedDataclass(1)),
        (AliasedKeys, {"order_id": 1}),
    ],
    ids=named,
)
def test_aliases_of_every_kind_arrive(annotation: Any, value: object) -> None:
    """A field is read from the key that it is written under, whatever other keys its class reads."""
    assert arrive(value, annotation) == [value]


class Reshaping(BaseModel):
    when: datetime
    who: uuid.UUID

    @model_validator(mode="before")
    @classmethod
    def look(cls, data: Any) -> Any:
        return data


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Reshaping, Reshaping(when=datetime(2026, 1, 1, tzinfo=UTC), who=uuid.UUID(int=1))),
        (Annotated[date, BeforeValidator(lambda value: value)], DAY),
        (list[Annotated[date, WrapValidator(lambda value, handler: handler(value))]], [DAY]),
    ],
    ids=named,
)
def test_a_validator_that_runs_before_the_type_is_known_sees_json(annotation: Any, value: object) -> None:
    """What it returns is read as pydantic reads it by default, as anywhere outside of upnext."""
    assert arrive(value, annotation) == [value]


def test_a_validator_on_one_field_makes_no_other_field_lenient() -> None:
    """Of a sender that knew no handler "1" is still no number."""

    def take(when: Annotated[date, BeforeValidator(lambda value: value)], count: int) -> None: ...

    signature = Signature(take, "event", "take")
    assert signature.decode(b'{"when": "2026-01-02", "count": 1}') == {"when": DAY, "count": 1}
    with pytest.raises(upnext.PayloadError, match="field 'count' should be a valid integer, got str"):
        signature.decode(b'{"when": "2026-01-02", "count": "1"}')


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (SecretStr("s3cr3t"), "is a secret, which JSON masks"),
        ([Secret(password=SecretStr("s3cr3t"))], "is a secret, which JSON masks"),
        ({"a": Hidden(a=7)}, "would lose 'a' of Hidden"),
        (TWICE, "holds a time zone whose offset changes"),
        (Page(items=[SecretStr("s3cr3t")]), "is a secret, which JSON masks"),
    ],
    ids=["secret", "inside", "excluded", "zone", "generic"],
)
def test_what_no_handler_anywhere_could_get_is_refused_where_none_is_known(value: object, words: str) -> None:
    """A sender that has none of the handlers' code would lose it as surely."""
    with pytest.raises(upnext.PayloadError) as caught:
        encode("event", {"value": value}, [])
    assert words in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [DAY, Item(sku="x"), Page(items=[Item(sku="x")]), (1, 2), {"a": {DAY}}, Colour.RED, Derived(1, 2), Own(3)],
    ids=named,
)
def test_what_a_handler_elsewhere_may_annotate_is_sent_where_none_is_known(value: object) -> None:
    """Its own type reads it, or says too little to tell."""
    assert encode("event", {"value": value}, [])


async def test_results_keep_what_is_unset_for_tasks_and_have_all_fields_as_plain_json(valkey_url: str) -> None:
    """A task's result is read by its type; the results of an event are plain JSON, for any process."""
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.task
    async def change(given: Change) -> Change:
        return given

    @worker.event("changed").on
    async def changed(given: Change) -> Change:
        return given

    async with running(worker):
        got = await change.wait(given=Change(name="Ada"))
        assert (got, unset(got)) == (Change(name="Ada"), {"name": "Ada"})
        receipt = await worker.event("changed").send(given=Change(name="Ada"))
        assert (await receipt.results(timeout=30))["changed"] == TypeAdapter(Change).dump_python(
            Change(name="Ada"), mode="json"
        )


async def test_a_refused_result_is_logged_and_raised_for_each_caller_that_waits(
    valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The job is done, so it does not run again; the error and the line name the type and not the value."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    runs: list[int] = []

    @worker.event("paid").on(retries=3, retry_delay=0.0)
    async def secret() -> SecretStr:
        runs.append(1)
        return SecretStr("s3cr3t")

    async with running(worker):
        receipt = await worker.event("paid").send()
        for _ in range(2):
            with pytest.raises(upnext.ResultTypeError, match="is a secret, which JSON masks"):
                await receipt.results(timeout=30)
    assert runs == [1]
    lines = [record.getMessage() for record in caplog.records if "Result of 'secret'" in record.getMessage()]
    assert len(lines) == 1
    assert "s3cr3t" not in lines[0]
