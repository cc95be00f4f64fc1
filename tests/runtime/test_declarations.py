"""Declarations that cannot work are refused where they are written, naming what is wrong."""

from __future__ import annotations

import enum
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from pydantic import Field

import upnext
from upnext.names import NAME_PATTERN
from upnext_codegen.handlers.declare import NAME


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"retries": -1}, "Option retries=-1 cannot be used: it must be a whole number of at least 0."),
        ({"retries": 1.5}, "Option retries=1.5 cannot be used"),
        ({"retries": True}, "Option retries=True cannot be used"),
        ({"retry_delay": -0.1}, "Option retry_delay=-0.1 cannot be used: it must be seconds, finite and at least 0."),
        ({"retry_delay": float("inf")}, "Option retry_delay=inf cannot be used"),
        ({"retry_backoff": 0.5}, "Option retry_backoff=0.5 cannot be used: it must be a finite factor of at least 1."),
        ({"retry_backoff": float("nan")}, "Option retry_backoff=nan cannot be used"),
        ({"timeout": 0}, "Option timeout=0 cannot be used: it must be seconds, finite and above 0."),
        ({"timeout": "10"}, "Option timeout='10' cannot be used"),
        ({"retry": 3}, "Option 'retry' is unknown. Did you mean 'retries'?"),
        ({"colour": 3}, "Option 'colour' is unknown. There are name, retries, retry_delay, retry_backoff, timeout, "),
        ({"name": "a b"}, "Handler name 'a b' cannot be used."),
        (
            {"retry_on": ValueError()},
            "Option retry_on=ValueError() cannot be used: it must be an exception class, or a",
        ),
        ({"retry_on": int}, "Option retry_on=<class 'int'> cannot be used"),
        ({"give_up_on": "ValueError"}, "Option give_up_on='ValueError' cannot be used"),
        ({"give_up_on": [ValueError]}, "Option give_up_on=[<class 'ValueError'>] cannot be used"),
        ({"retry_on": (ValueError, None)}, "Option retry_on=(<class 'ValueError'>, None) cannot be used"),
    ],
)
def test_bad_options_are_refused_by_handlers_and_tasks_alike(options: dict[str, Any], words: str) -> None:
    """The option and its value stand in the message."""
    worker = upnext.Worker("shop")
    for decorate in (worker.event("order.placed").on, worker.task):
        with pytest.raises(upnext.ConfigError) as caught:
            decorate(**options)
        assert str(caught.value).startswith(words)


class Names(str, enum.Enum):  # noqa: UP042 - that one formats as its value
    SHOP = "shop"
    PLACED = "order.placed"
    CHARGE = "charge"


def test_members_of_enums_of_text_are_names_by_their_values() -> None:
    """Although they are formatted as `Names.PLACED`."""
    worker = upnext.Worker(Names.SHOP)
    event = worker.event(Names.PLACED, formerly=(Names.CHARGE,))
    event.on(name=Names.CHARGE)(lambda order_id: order_id)
    worker.task(name=Names.CHARGE)(lambda order_id: order_id)
    assert sorted(worker.registry.handlers) == ["shop|charge|charge", "shop|order.placed|charge", "shop||charge"]
    assert (repr(worker), repr(event)) == ("Worker('shop')", "Event('order.placed')")


def positional_only(order_id: str, /) -> None: ...


def star(*args: str) -> None: ...


def generator(order_id: str) -> Iterator[str]:
    yield order_id


def described(amount: int = 1) -> None: ...


described.__defaults__ = (Field(gt=0),)
described.__annotations__ = {"amount": int}  # as where annotations are not texts


class Desk:
    def file(self, order_id: str) -> None: ...

    @classmethod
    def open(cls, order_id: str) -> None: ...

    @staticmethod
    def close(order_id: str) -> None: ...


def misdescribed(order_id: str) -> None: ...


misdescribed.__signature__ = "none"  # type: ignore[attr-defined]


async def async_generator(order_id: str) -> AsyncIterator[str]:
    yield order_id


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (positional_only, "Parameter order_id of 'positional_only' cannot be filled"),
        (star, "Parameter *args of 'star' cannot be filled"),
        (misdescribed, "'misdescribed' cannot be a handler: "),
        (functools.partial(positional_only, "x"), "An object of type 'partial' cannot be a handler"),
        (dict, "'dict' cannot be a handler: decorate a function"),
        (described, "The default of parameter 'amount' of 'described' is a FieldInfo and no value"),
        (generator, "generator functions are not supported. Return a value."),
        (async_generator, "generator functions are not supported."),
        (classmethod(positional_only), "is not a callable object. Decorate a function (def or async def)."),
        (getattr, "Decorate a function (def or async def)."),
        (Desk.file, "Method 'Desk.file' cannot be a handler: no payload fills its parameter 'self'."),
        (Desk.open.__func__, "Method 'Desk.open' cannot be a handler: no payload fills its parameter 'cls'."),
    ],
)
def test_functions_that_no_payload_can_fill_are_refused(function: Any, words: str) -> None:
    """At decoration, not in a worker."""
    with pytest.raises(upnext.ConfigError) as caught:
        upnext.Worker("shop").event("order.placed").on(function)
    assert words in str(caught.value)


def test_refusals_name_what_users_wrote() -> None:
    """Not a class of our own, and no more of a value than tells which it is."""
    worker: Any = upnext.Worker  # told nothing of types
    with pytest.raises(TypeError, match=r"^Worker\.__init__\(\) missing 1 required positional argument: 'name'"):
        worker()
    event, long = worker("shop").event("order.placed"), "x" * 100_000
    declared: list[Callable[[], object]] = [
        lambda: event.options(key=long),
        lambda: event.options(delay=long),
        lambda: event.on(timeout=long),
        lambda: upnext.Job.of(long),
        lambda: upnext.Receipt.of(long),
        lambda: worker(long),
        lambda: worker("shop").event(long),
        lambda: worker("shop", concurrency=long),
        lambda: worker("shop", lease=long),
    ]
    for declare in declared:
        with pytest.raises(upnext.ConfigError) as caught:
            declare()
        assert f"'{'x' * 40}" in str(caught.value)
        assert len(str(caught.value)) < 400


def test_what_takes_no_object_of_its_class_is_a_handler() -> None:
    """Static methods, methods of an object, and functions within functions that call a field so."""

    def nested(self: str) -> None: ...

    event = upnext.Worker("shop").event("order.placed")
    for function in (Desk.close, Desk().file, Desk.open, nested):
        event.on(function)


def test_two_handlers_of_one_identity_are_refused() -> None:
    """Event, worker and handler name make the identity; `name=` tells them apart."""
    event = upnext.Worker("shop").event("order.placed")

    @event.on
    def handle(order_id: str) -> None: ...

    def other(order_id: str) -> None: ...

    with pytest.raises(upnext.ConfigError, match=r"share the name 'handle': .*test_declarations.py:\d+ and "):
        event.on(name="handle")(other)
    event.on(other)


def test_one_function_is_no_two_handlers_of_an_event() -> None:
    """It would be attached once only, with the options that came last; a second event is another identity."""
    worker = upnext.Worker("shop")

    def handle(order_id: str) -> None: ...

    handler = worker.event("order.placed").on(retries=3)(handle)
    with pytest.raises(
        upnext.ConfigError, match=r"share the name 'handle': [^ ]*test_declarations.py:\d+ is attached twice\. Give one"
    ):
        worker.event("order.placed").on(handler)
    worker.event("order.paid").on(handler)
    worker.task(handle)
    with pytest.raises(upnext.ConfigError, match="Tasks of worker 'shop' share the name 'handle'"):
        worker.task(handle)


@pytest.mark.parametrize("text", ["Missing", "1 +", "sys.nothing", "1 / 0", "list[int"])
def test_an_annotation_that_cannot_be_read_is_an_error_of_configuration(text: str) -> None:
    """Whatever reading it raises."""
    event = upnext.Worker("shop", redis_url="redis://127.0.0.1:1").event("order.placed")

    @event.on
    def handle(order_id: str) -> None: ...

    handle.__wrapped__.__annotations__["order_id"] = text
    with pytest.raises(upnext.ConfigError, match="An annotation of 'handle' cannot be resolved"):
        event.send_sync(order_id="1")


@pytest.mark.parametrize("name", ["", "1st", "order placed", "é", "a" * 201, "x\n", 3, None])
def test_bad_event_and_worker_names_are_refused(name: Any) -> None:
    """One allow-list, the same that the scanner holds."""
    with pytest.raises(upnext.ConfigError, match=r"Event name .* cannot be used"):
        upnext.Worker("shop").event(name)
    with pytest.raises(upnext.ConfigError, match=r"Worker name .* cannot be used"):
        upnext.Worker(name)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"concurrency": 0}, "Option concurrency=0 cannot be used"),
        ({"lease": 0.1}, "Setting lease=0.1 cannot be used: it must be a number from 0.5 to 86,400."),
        ({"lease": 1e12}, "Setting lease=1000000000000.0 cannot be used"),
        ({"grace": -1}, "Setting grace=-1 cannot be used: it must be a number from 0 to 604,800."),
        ({"grace": 604_801}, "Setting grace=604801 cannot be used"),
        ({"redis_url": ""}, "Redis URL '' cannot be used. Write it like redis://host:6379/0"),
        ({"redis_url": "http://x"}, "Redis URL 'http://x' cannot be used"),
        ({"redis_url": "redis://:hunter2@h:0/1"}, "Redis URL 'redis://h:0/1' cannot be used"),
        ({"redis_url": "redis+sentinel://h,i:0/name"}, "Redis URL 'redis+sentinel://h,i:0/name' cannot be used"),
        ({"redis_url": "redis://:hunter2@"}, "Redis URL 'redis://' cannot be used"),
        ({"redis_url": "redis://:hunter2@h/x"}, "Redis URL 'redis://h/x' cannot be used: the database is a num"),
        ({"redis_url": "redis://h/0/1"}, "Redis URL 'redis://h/0/1' cannot be used: the database is a num"),
        ({"redis_url": "redis+sentinel://h/name/x"}, "Redis URL 'redis+sentinel://h/name/x' cannot be used: the data"),
        (
            {"redis_url": "unix:///path?db=-1"},
            "Redis URL 'unix:///path?db=-1' cannot be used: the database is a number",
        ),
        ({"redis_url": "redis://h\n"}, r"Redis URL 'redis://h\n' cannot be used: a control character in it, here '\n'"),
        ({"redis_url": "redis://:hun\tter2@h/0"}, "Redis URL 'redis://h/0' cannot be used: a control character"),
        ({"redis_url": "\x00redis://h"}, r"Redis URL '\x00redis://h' cannot be used: a control character"),
        ({"redis_url": 6379}, "Option redis_url of type int cannot be used: it must be text."),
        ({"redis_url": b"redis://:hunter2@h"}, "Option redis_url of type bytes cannot be used: it must be text."),
    ],
)
def test_bad_settings_are_refused_without_showing_a_password(settings: dict[str, Any], words: str) -> None:
    """One line that names the setting."""
    with pytest.raises(upnext.ConfigError) as caught:
        upnext.Worker("shop", **settings)
    assert str(caught.value).startswith(words)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("thing", [5, None, "service.py", upnext.Worker, [upnext.Worker("shop")]], ids=repr)
def test_what_is_neither_a_worker_nor_an_api_is_not_run(thing: Any) -> None:
    """Said before anything is begun."""
    with pytest.raises(upnext.ConfigError, match=r"cannot be run: give an upnext\.Worker, an upnext\.Api or a relay"):
        upnext.run(thing)
    with pytest.raises(upnext.ConfigError, match="probe=8080 cannot be used: it must be PORT or HOST:PORT"):
        upnext.run(upnext.Worker("shop"), probe=8080)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"name": ""}, {"name": None}, {"host": 5}, {"host": ""}, {"port": -1}])
def test_an_api_refuses_what_it_cannot_use(options: dict[str, Any]) -> None:
    """The option and its value stand in the message."""
    ((option, value),) = options.items()
    with pytest.raises(upnext.ConfigError) as caught:
        upnext.Api(**{"name": "shop", **options})
    assert str(caught.value).startswith(f"Option {option}={value!r} cannot be used")


def test_the_decorated_function_is_left_as_it_was() -> None:
    """What is known of the function is known of the handler as well."""
    event = upnext.Worker("shop").event("order.placed")

    def confirm(order_id: str) -> int:
        """Confirm it."""
        return len(order_id)

    handler = event.on(confirm)
    assert handler("abc") == confirm("abc") == 3
    assert (handler.__name__, handler.__doc__, handler.__wrapped__) == ("confirm", "Confirm it.", confirm)
    assert vars(confirm) == {}


def test_the_scanner_and_the_runtime_allow_the_same_names() -> None:
    """A name that one of them refuses would be a finding, or a fault, of its own."""
    assert NAME.pattern == NAME_PATTERN
