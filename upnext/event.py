"""Events, and the handlers that `@event.on` makes.

A project's generated catalog derives a class of its own from `Event`, `TypedEvent` and `Sender` for each event; at run
time there are only these.
"""

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar, overload

from upnext.connect import run_blocking
from upnext.errors import PayloadError, PayloadProblem
from upnext.handler import Handler, make_handler
from upnext.options import Options
from upnext.outbox.writing import OutboxReceipt, check_transaction, write, write_async
from upnext.sending import NOW, Delivery, When, check_key, check_when, delay_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, timedelta

    from upnext.options import ExceptionTypes
    from upnext.outbox.row import Transaction
    from upnext.receipt import Receipt

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
UpcasterT = TypeVar("UpcasterT", bound="Callable[[Any], Mapping[str, object]]")


class Sender:
    """Sends an event, perhaps with options."""

    def __init__(
        self, delivery: Delivery, when: When = NOW, key: str | None = None, transaction: Transaction | None = None
    ) -> None:
        self._delivery = delivery
        self._when = when
        self._key = key
        self._transaction = transaction

    def within(self, transaction: Transaction, /) -> Self:
        """Return the same, with sends that take effect once a transaction of your database has committed.

        `send` and `send_sync` then write a row to the outbox in that transaction, and nothing to the server; a relay
        sends it after the commit.

        Args:
            transaction: What `upnext.sqlalchemy.Outbox` or `upnext.django.outbox` makes of it.

        Raises:
            ConfigError: If it is something else.
        """
        same = copy.copy(self)
        same._transaction = check_transaction(transaction)  # noqa: SLF001
        return same

    async def send(self, /, *args: Any, **fields: Any) -> Receipt:
        """Send the event to all its handlers; each receives the fields in its own background job.

        Args:
            args: None; fields are passed by keyword.
            fields: The payload.

        Returns:
            The receipt, once the server has stored the event with every handler's job.

        Raises:
            PayloadError: If a handler would refuse the payload, or it cannot travel.
            BrokerUnavailableError: If the server stored nothing.
            BrokerRefusedError: If the server rejects this client.
            SendOutcomeUnknownError: If it may have been stored.
        """
        bound, delay = self._bind(args, fields), delay_of(self._when)
        if self._transaction is not None:
            message = self._delivery.message(bound, delay, self._key)
            published = await write_async(self._transaction, message, self._delivery.registry)
            return OutboxReceipt(published, message.settings)
        return await self._delivery.send(bound, delay=delay, key=self._key)

    def send_sync(self, /, *args: Any, **fields: Any) -> Receipt:
        """Do the same as `send`, blocking, from code outside an event loop."""
        bound, delay = self._bind(args, fields), delay_of(self._when)
        if self._transaction is not None:
            message = self._delivery.message(bound, delay, self._key)
            return OutboxReceipt(write(self._transaction, message, self._delivery.registry), message.settings)
        return run_blocking(self._delivery.send(bound, delay=delay, key=self._key))

    def _bind(self, args: tuple[object, ...], fields: dict[str, Any]) -> dict[str, Any]:
        if args:
            problem = PayloadProblem("", "takes keyword arguments only", f"{len(args)} positional")
            raise PayloadError(self._delivery.event, (problem,))
        return fields


class Event(Sender):
    """An event: a name that can be sent, and that handlers attach to.

    Attributes:
        name: The event's name.
    """

    @property
    def name(self) -> str:
        """The event's name."""
        return self._delivery.event

    def __repr__(self) -> str:
        """Show the name."""
        return f"{type(self).__name__}({self.name!r})"

    def options(
        self, /, *, delay: float | timedelta | None = None, at: datetime | None = None, key: str | None = None
    ) -> Sender:
        """Return a sender with options; options never mix with fields.

        Args:
            delay: Seconds, or a timedelta, before the jobs may run.
            at: In place of a delay, the moment before which they may not run, with a time zone; one that has passed
                is now. It is counted by the clock of the sender, when `send` is called.
            key: A second send of this event with the same key within 24 hours stores nothing and gives the first
                send's receipt.

        Raises:
            ConfigError: If one of them cannot be used.
        """
        return Sender(self._delivery, check_when(delay, at), check_key(key), self._transaction)

    @overload
    def on(self, handler: Callable[P, R], /) -> TypedEvent[..., R]: ...
    @overload
    def on(
        self,
        /,
        *,
        name: str | None = None,
        retries: int = 0,
        retry_delay: float = 1.0,
        retry_backoff: float = 2.0,
        timeout: float = 1800.0,
        retry_on: ExceptionTypes | None = None,
        give_up_on: ExceptionTypes | None = None,
        limit: int | None = None,
        rate: str | None = None,
        by: str | None = None,
        unique: bool | str | tuple[str, ...] = False,
    ) -> HandlerDecorator: ...
    def on(self, handler: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Attach a handler; each handler of an event runs as its own background job.

        Args:
            handler: The function, async or not; functions that are not async run in threads.
            options: `name` (default: the function's), `retries` (0), `retry_delay` seconds (1.0), `retry_backoff`
                (2.0), `timeout` seconds (1800.0), `retry_on` and `give_up_on` exception classes (None); over all
                processes `limit` jobs at once (None for any number) and a `rate` of starts, "100/minute" (None), or of
                each value of the field `by` (None). With `unique` (False) a send makes no job while one of an equal
                payload waits: True, or the names of the fields that have to be equal.

        Returns:
            A `TypedEvent`: calling it calls the function itself, `send` sends the event.

        Raises:
            ConfigError: If an option is unknown or out of range, if the function has parameters that no payload can
                fill, or if another handler has the same identity.
        """
        decorator = HandlerDecorator(self._delivery, Options.of(options))
        return decorator if handler is None else decorator(handler)

    def upcast(self, upcaster: UpcasterT, /) -> UpcasterT:
        """Declare, as a decorator, how an old payload of this event becomes one that its handlers take now.

        It is called for jobs that were queued, and for events that were sent, before the event got its fields of today:
        where a handler refuses a payload, or the payload holds a field that the upcaster names and the handler does
        not, and the payload fits the upcaster's TypedDict. What it gives may go to another upcaster. Fields that the
        TypedDict does not name go through as they are. It runs in the event loop; what it raises, the job has raised.

        Args:
            upcaster: A plain function of one parameter, annotated as a TypedDict: the old payload. It returns a dict of
                the new fields, annotated as another TypedDict, so that `upnext gen` can check it.

        Returns:
            The function itself.

        Raises:
            ConfigError: If it is async, or does not take one parameter.
        """
        from upnext.upcasting import register  # noqa: PLC0415 - a sender does without

        register(self._delivery.registry, self.name, upcaster)
        return upcaster


class TypedEvent(Event, Generic[P, R_co]):
    """An event, seen through one of its handlers."""

    def __init__(self, delivery: Delivery, handler: Handler) -> None:
        super().__init__(delivery)
        self._handler = handler
        # The function itself is left alone; its attributes are copied to this object.
        functools.update_wrapper(self, handler.function)
        self.__wrapped__: Callable[..., Any] = handler.function

    if TYPE_CHECKING:

        async def send(self, /, *args: P.args, **fields: P.kwargs) -> Receipt: ...  # noqa: D102  # as `Sender` says
        def send_sync(self, /, *args: P.args, **fields: P.kwargs) -> Receipt: ...  # noqa: D102

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function itself, without a job: for tests, and for other functions."""
        result: R_co = self._handler.function(*args, **kwargs)
        return result

    def _bind(self, args: tuple[object, ...], fields: dict[str, Any]) -> dict[str, Any]:
        return self._handler.signature.bind(args, fields)


class HandlerDecorator:
    """Attaches a handler with options: what `event.on(...)` returns."""

    def __init__(self, delivery: Delivery, options: Options) -> None:
        self._delivery = delivery
        self._options = options

    def __call__(self, handler: Callable[P, R], /) -> TypedEvent[..., R]:
        """Attach the handler.

        Raises:
            ConfigError: As `Event.on` says.
        """
        function = handler.__wrapped__ if isinstance(handler, TypedEvent) else handler
        registry = self._delivery.registry
        made = make_handler(function, registry.worker, self._delivery.event, self._options)
        registry.add(made)
        return TypedEvent(self._delivery, made)


if TYPE_CHECKING:

    class DynamicEvent(Event):
        """An event that no generated catalog describes: each handler's `send` is typed by that handler alone."""

        # To mypy, except in some warm runs, TypedEvent[P, R] is not a TypedEvent[..., R]; to other checkers it is.
        @overload  # type: ignore[override, unused-ignore]
        def on(self, handler: Callable[P, R], /) -> TypedEvent[P, R]: ...
        @overload
        def on(
            self,
            /,
            *,
            name: str | None = None,
            retries: int = 0,
            retry_delay: float = 1.0,
            retry_backoff: float = 2.0,
            timeout: float = 1800.0,
            retry_on: ExceptionTypes | None = None,
            give_up_on: ExceptionTypes | None = None,
            limit: int | None = None,
            rate: str | None = None,
            by: str | None = None,
            unique: bool | str | tuple[str, ...] = False,
        ) -> DynamicHandlerDecorator: ...
        def on(self, handler: Any = None, /, **options: Any) -> Any: ...  # noqa: D102  # as `Event` says

    class DynamicHandlerDecorator(HandlerDecorator):
        """The return value of `on(...)` of such an event."""

        def __call__(self, handler: Callable[P, R], /) -> TypedEvent[P, R]: ...  # type: ignore[override, unused-ignore]  # noqa: D102

else:
    DynamicEvent = Event
    DynamicHandlerDecorator = HandlerDecorator
