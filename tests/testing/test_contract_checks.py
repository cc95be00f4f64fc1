"""Handlers called with random payloads: planted faults are found, and what is right passes."""

from __future__ import annotations

import decimal
import enum
import inspect
import logging
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Field
from typing_extensions import TypedDict

import upnext
from upnext.errors import ConfigError
from upnext_codegen.catalog import lock
from upnext_codegen.merging.contracts import contracts
from upnext_codegen.project import find_project
from upnext_codegen.scan import scan
from upnext_pytest.contracts import ContractChecks, ContractError

ROOT = Path(__file__).parents[2]


def pytest_of(folder: Path) -> tuple[int, str]:
    """Run pytest in a folder."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:valkey", "-p", "no:faker", "-p", "no:cacheprovider"],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith(("UPNEXT_", "PYTEST_"))},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


class Colour(enum.StrEnum):
    RED = "red"
    GREEN = "green"
    BLUE = "blue"


class Item(BaseModel):
    sku: str
    tags: list[str] = []
    note: str | None = None
    price: decimal.Decimal = decimal.Decimal(1)


class Point(NamedTuple):
    x: int
    y: int


class Size(TypedDict, total=False):
    width: int


def _even(number: int) -> int:
    if number % 2:
        raise ValueError("odd")
    return number


@pytest.fixture(scope="module", autouse=True)
def _repeatable() -> Generator[None]:
    settings.register_profile("repeatable", derandomize=True)
    settings.load_profile("repeatable")
    yield
    settings.load_profile("default")


def attached(function: Callable[..., object], event: str = "order.placed") -> upnext.Worker:
    worker = upnext.Worker("shop")
    worker.event(event).on(function)
    return worker


def failure_of(worker: upnext.Worker, folder: Path = Path(), **options: object) -> ContractError:
    with pytest.raises(ContractError) as raised:
        ContractChecks(folder).check(worker, **options)
    return raised.value


def divides(count: int, name: str) -> float:
    return len(name) / count


def divides_a_float(share: float) -> float:
    return 1 / share


def takes_the_first(items: list[str], name: str) -> str:
    return items[0]


def subtracts_aware_times(when: datetime, name: str) -> None:
    assert datetime.now(UTC) - when


def compares_naive_times(when: datetime) -> None:
    assert when != datetime(2000, 1, 1) or when < datetime(2001, 1, 1)  # noqa: DTZ001
    assert when.tzinfo is None or when.utcoffset() is None


def knows_two_members(colour: Colour) -> int:
    return {Colour.RED: 1, Colour.GREEN: 2}[colour]


def knows_one_literal(kind: Literal["big", "small"]) -> int:
    return {"big": 1}[kind]


def calls_a_method_of_none(name: str, coupon: str | None = None) -> str:
    return coupon.upper()  # type: ignore[union-attr]


def calls_a_method_of_none_in_a_model(item: Item) -> str:
    return item.note.strip()  # type: ignore[union-attr]


def writes_ascii(name: str) -> None:
    name.encode("ascii")


def writes_eight_bytes(number: int) -> None:
    number.to_bytes(8, "big", signed=True)


def raises_to_a_power(number: float) -> None:
    math.exp(number)


def logs_all_further_fields(name: str, **further: object) -> None:
    logging.getLogger("shop").warning("placed", extra=further)


def takes_the_first_letter(name: str) -> str:
    return name[0]


def takes_the_root(number: int) -> float:
    return math.sqrt(number)


def expects_no_number_twice(numbers: list[int]) -> None:
    assert len(set(numbers)) == len(numbers)


def expects_a_key(totals: dict[str, int]) -> int:
    return totals["EUR"]


def expects_an_at(email: str) -> str:
    return email.split("@")[1]


def expects_a_time_ahead(wait: timedelta) -> None:
    assert wait >= timedelta()


def rounds_to_cents(price: decimal.Decimal) -> None:
    price.quantize(decimal.Decimal("0.01"))


def calls_a_method_of_one_kind(value: int | str) -> None:
    value.upper()  # type: ignore[union-attr]


def returns_something_else(number: int) -> int:
    return str(number)  # type: ignore[return-value]


def takes_the_first_tag_of_each(items: list[Item]) -> list[str]:
    return [item.tags[0] for item in items]


def divides_by_a_part(point: Point) -> float:
    return point.x / point.y


def expects_an_optional_key(size: Size) -> int:
    return size["width"]


def ends_the_process(number: int) -> None:
    if number < 0:
        sys.exit("negative")


def expects_a_field_that_may_be_absent(name: str, **further: object) -> object:
    return further["coupon"]


PLANTED: list[tuple[Callable[..., object], str, type[BaseException]]] = [
    (divides, "count", ZeroDivisionError),
    (divides_a_float, "share", ZeroDivisionError),
    (takes_the_first, "items", IndexError),
    (subtracts_aware_times, "when", TypeError),
    (compares_naive_times, "when", AssertionError),
    (knows_two_members, "colour", KeyError),
    (knows_one_literal, "kind", KeyError),
    (calls_a_method_of_none, "coupon", AttributeError),
    (calls_a_method_of_none_in_a_model, "item", AttributeError),
    (writes_ascii, "name", UnicodeEncodeError),
    (writes_eight_bytes, "number", OverflowError),
    (raises_to_a_power, "number", OverflowError),
    (logs_all_further_fields, "message", KeyError),
    (takes_the_first_letter, "name", IndexError),
    (takes_the_root, "number", ValueError),
    (expects_no_number_twice, "numbers", AssertionError),
    (expects_a_key, "", KeyError),
    (expects_an_at, "email", IndexError),
    (expects_a_time_ahead, "wait", AssertionError),
    (rounds_to_cents, "price", decimal.InvalidOperation),
    (calls_a_method_of_one_kind, "value", AttributeError),
    (returns_something_else, "", upnext.ResultTypeError),
    (takes_the_first_tag_of_each, "items", IndexError),
    (divides_by_a_part, "point", ZeroDivisionError),
    (expects_an_optional_key, "size", KeyError),
    (ends_the_process, "number", SystemExit),
    (expects_a_field_that_may_be_absent, "", KeyError),
]


@pytest.mark.parametrize(("handler", "field", "kind"), PLANTED, ids=lambda each: getattr(each, "__name__", None))
def test_each_planted_fault_is_found_with_its_handler_and_field(
    handler: Callable[..., object], field: str, kind: type[BaseException]
) -> None:
    error = failure_of(attached(handler), examples=60)
    assert kind in {type(failure.error) for failure in error.failures}
    (failure,) = [failure for failure in error.failures if type(failure.error) is kind]
    assert failure.fields == ((field,) if field else ())
    assert f"'order.placed', handler {handler.__name__!r} of worker 'shop'" in str(error)


async def takes_all_of_it(  # noqa: PLR0917
    order_id: UUID,
    items: list[Item],
    colour: Colour,
    when: datetime,
    point: Point,
    size: Size,
    number: Annotated[int, Field(ge=10, le=20, multiple_of=5)],
    even: Annotated[int, AfterValidator(_even)],
    code: Annotated[str, Field(pattern="^[a-z]{3}$")],
    context: upnext.Context,
    share: decimal.Decimal | None = None,
    numbers: Annotated[frozenset[int], Field(min_length=1)] = frozenset({1}),
    **further: object,
) -> int:
    assert context.event == "order.placed"
    assert 10 <= number <= 20
    assert number % 5 == even % 2 == 0
    assert len(code) == 3 or code.endswith("\n")
    assert numbers
    return len(further)


def test_what_takes_all_of_its_contract_passes() -> None:
    worker = attached(takes_all_of_it)
    worker.event("order.placed").on(name="further")(lambda_like)
    assert ContractChecks(Path()).check(worker, examples=30) == [
        "shop|order.placed|takes_all_of_it",
        "shop|order.placed|further",
    ]


def lambda_like(number: float, **further: object) -> None:
    """Its numbers are what the other one takes: they are sent to both."""
    assert 10 <= number <= 20
    assert {"order_id", "items"} <= further.keys()


def test_tasks_are_called_and_what_handlers_send_goes_nowhere_but_is_checked() -> None:
    worker = upnext.Worker("shop", redis_url="redis://127.0.0.1:1")
    shipped = worker.event("order.shipped")

    @shipped.on
    def pack(count: Annotated[int, Field(le=100)]) -> None: ...

    @worker.event("order.placed").on
    async def place(count: int) -> None:
        await shipped.send(count=count)

    @worker.task
    async def double(number: int) -> int:
        return 2 * number

    assert ContractChecks(Path()).check(double, pack) == ["shop||double", "shop|order.shipped|pack"]
    (failure,) = failure_of(worker).failures
    assert (failure.handler.name, failure.fields, failure.payload) == ("place", ("count",), {"count": 101})


def test_results_of_what_a_handler_sends_are_there_if_it_runs_inline() -> None:
    worker = upnext.Worker("shop", redis_url="redis://127.0.0.1:1")

    @worker.task
    async def double(number: int) -> int:
        return 2 * number

    @worker.event("order.placed").on
    async def place(count: int) -> int:
        return await double.wait(number=count)

    assert ContractChecks(Path()).check(place, inline=True, examples=10) == ["shop|order.placed|place"]


def test_handlers_may_say_how_a_job_goes_on_and_raise_what_is_allowed() -> None:
    def refuse(count: int) -> None:
        if count < 0:
            raise upnext.Discard("negative")
        if count == 0:
            raise upnext.RetryLater(5)
        raise LookupError(count)

    assert ContractChecks(Path()).check(attached(refuse), allow=(LookupError,), examples=30)
    (failure,) = failure_of(attached(refuse), examples=30).failures
    assert (failure.payload, failure.fields) == ({"count": 1}, ("count",))


def test_fields_are_what_a_test_says_and_no_payload_at_all_is_an_error() -> None:
    def take(iban: Annotated[str, AfterValidator(lambda text: _even(int(text, 36)))]) -> None: ...

    worker = attached(take)
    with pytest.raises(ConfigError, match=r"No payload could be made for handler 'take'.*fields="):
        ContractChecks(Path()).check(worker, fields={"iban": st.just("1")})
    with pytest.raises(ConfigError, match="no field 'ibn'"):
        ContractChecks(Path()).check(worker, fields={"ibn": st.just("1")})
    with pytest.raises(ConfigError, match="There is no handler to check in Worker"):
        ContractChecks(Path()).check(upnext.Worker("empty"))


def test_a_fault_that_comes_and_goes_is_told_as_one() -> None:
    calls = iter(range(10_000))

    def fails_now_and_then(count: int) -> None:
        if next(calls) == 7:
            raise RuntimeError

    assert "It does not always fail on it." in str(failure_of(attached(fails_now_and_then)))


def test_the_message_names_the_place_and_the_smallest_payload() -> None:
    line = inspect.getsourcelines(divides)[1] + 1
    assert str(failure_of(attached(divides))) == (
        "1 handler fails on payloads of their contracts:\n\n"
        "'order.placed', handler 'divides' of worker 'shop', field 'count':\n"
        f"  ZeroDivisionError: division by zero (tests/testing/test_contract_checks.py:{line})\n"
        '  smallest payload: {"count": 0, "name": ""}'
    )


EARLIER = """
import enum
from typing import Annotated, NotRequired, TypedDict
from pydantic import BaseModel, Field
import upnext

class Colour(enum.StrEnum):
    RED = "red"
    GREY = "grey"

class Item(BaseModel):
    sku: str
    note: str = ""

class Size(BaseModel):
    width: int = Field(le=99)

worker = upnext.Worker("shop")

@worker.event("order.placed").on
def take({fields}, **further: object) -> None: ...
"""


def locked(folder: Path, fields: str) -> Path:
    """Write the lock of an earlier state, as `upnext gen` does."""
    source = folder / "earlier"
    source.mkdir()
    (source / "pyproject.toml").touch()
    (source / "shop.py").write_text(EARLIER.format(fields=fields))
    project = find_project(source)
    contract, _ = contracts(scan(project)[0], extra=project.settings.extra)
    (folder / "upnext.lock").write_text(lock.render(contract))
    return folder / "upnext.lock"


class SmallSize(BaseModel):
    width: int = Field(le=9)


class NewItem(BaseModel):
    sku: str
    note: str


def requires_it(coupon: str, **further: object) -> None: ...
def takes_texts(coupon: str | None) -> None: ...
def takes_no_none(coupon: str) -> None: ...
def takes_known_colours(colour: Colour) -> None: ...
def takes_short_names(name: Annotated[str, Field(max_length=3)]) -> None: ...
def takes_small_sizes(sizes: list[SmallSize]) -> None: ...
def takes_new_items(items: list[NewItem]) -> None: ...
def names_it_otherwise(order: str) -> None: ...
def reads_it(coupon: str, **further: object) -> None:
    assert "é" not in coupon


OLD_SENDERS: list[tuple[str, Callable[..., object], tuple[str, ...]]] = [
    ("coupon: str = ''", requires_it, ("coupon",)),
    ("number: int", requires_it, ("coupon",)),
    ("coupon: str | None", takes_texts, ()),
    ("coupon: str | None", takes_no_none, ("coupon",)),
    ("colour: Colour", takes_known_colours, ("colour",)),
    ("name: Annotated[str, Field(max_length=3)]", takes_short_names, ()),
    ("sizes: list[Size]", takes_small_sizes, ("sizes",)),
    ("items: list[Item]", takes_new_items, ("items",)),
    ("order_id: str", names_it_otherwise, ("order_id", "order")),
    ("coupon: str", reads_it, ("coupon",)),
]


@pytest.mark.parametrize(("earlier", "handler", "fields"), OLD_SENDERS)
def test_handlers_are_called_with_what_senders_of_an_earlier_state_send(
    tmp_path: Path, earlier: str, handler: Callable[..., object], fields: tuple[str, ...]
) -> None:
    path, worker = locked(tmp_path, earlier), attached(handler)
    if not fields:
        assert ContractChecks(tmp_path).check(worker, since=str(path), examples=30)
        return
    error = failure_of(worker, tmp_path, since=str(path))
    assert {each for failure in error.failures for each in failure.fields} == set(fields)
    assert f"payloads of the contracts at {path}" in str(error)


def test_an_event_is_known_at_an_earlier_state_by_its_former_name(tmp_path: Path) -> None:
    path = locked(tmp_path, "coupon: str | None")
    worker = upnext.Worker("shop")
    created = worker.event("order.created", formerly=("order.placed",))
    created.on(takes_no_none)
    for target in (worker, created):
        with pytest.raises(ContractError, match=r"'order.placed', handler 'takes_no_none'"):
            ContractChecks(tmp_path).check(target, since=str(path))
    with pytest.raises(ConfigError, match=r"No event of the contracts at .* has a handler"):
        ContractChecks(tmp_path).check(attached(takes_no_none, "user.left"), since=str(path))
    with pytest.raises(ConfigError, match="since='nowhere' is neither a file nor a revision"):
        ContractChecks(tmp_path).check(worker, since="nowhere")


def test_the_test_that_the_page_shows_runs_on_the_example(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "contract-tests.md").read_text(encoding="utf-8")
    shown = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    shop = ROOT / "examples" / "shop"
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {shop}\n")
    (tmp_path / "test_page.py").write_text(shown.replace("check(worker)", "check(worker, examples=10)"))
    code, said = pytest_of(tmp_path)
    assert (code, "1 passed" in said) == (0, True), said
