"""Tests handlers against their contracts: each is called with random payloads, as they arrive over the wire."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from upnext.broker.handler_id import HandlerId
from upnext.errors import ConfigError
from upnext.event import Event, TypedEvent
from upnext.handler import Handler
from upnext.registry import declarations
from upnext.task import Task
from upnext.worker import Worker
from upnext_pytest.failing_payloads import Failure, failures
from upnext_pytest.payloads import ContractPayloads, EarlierPayloads

if TYPE_CHECKING:
    from hypothesis import strategies as st

    from upnext.registry import Registry
    from upnext_codegen.contract import Contract

Target: TypeAlias = "Worker | Event | Task[..., ..., Any, Any]"
"""What is checked: all handlers and tasks of a worker, all handlers of an event, one handler, or a task."""

_LONGEST = 1000


class ContractError(AssertionError):
    """Raised when handlers fail on payloads that their contracts allow.

    Attributes:
        failures: Each handler's failures, one for each place where it fails.
    """

    def __init__(self, failures: Sequence[Failure], whose: str) -> None:
        self.failures = tuple(failures)
        count = len({failure.handler.id for failure in failures})
        head = f"{count} handler{'s fail' if count > 1 else ' fails'} on payloads of {whose}:"
        super().__init__("\n\n".join([head, *map(_described, failures)]))


@dataclass(frozen=True, slots=True)
class ContractChecks:
    """Calls handlers with random payloads; created by the fixture `upnext_contracts`.

    Args:
        folder: The test's folder, whose project has the lock of an earlier state.
    """

    folder: Path

    def check(
        self,
        *what: Target,
        since: str | None = None,
        examples: int = 100,
        fields: Mapping[str, st.SearchStrategy[Any]] | None = None,
        allow: tuple[type[Exception], ...] = (),
        inline: bool = False,
    ) -> list[str]:
        """Call handlers with random payloads that can be sent to them, each encoded by a sender and read by a worker.

        What a handler sends reaches no server. `Discard` and `RetryLater` are not failures.

        Args:
            what: Workers, events, handlers or tasks.
            since: A revision of git, or a file in the form of `upnext.lock`: payloads by the contracts of that state,
                as senders of an earlier release send them, in place of today's.
            examples: How many payloads each handler gets, unless it fails.
            fields: A strategy for the values of a field, by its name: for what its type does not say.
            allow: What handlers may raise.
            inline: Whether the handlers of what is sent meanwhile run, for handlers that wait for results.

        Returns:
            The identities of the handlers that were called.

        Raises:
            ContractError: If a handler raises on a payload, or cannot take it; it names the smallest one.
            ConfigError: If there is nothing to check, or no payload can be made for a handler.
        """
        handlers = [handler for each in what for handler in _handlers(each)]
        contract = None if since is None else self._earlier(since)
        if unknown := [name for name in fields or {} if not any(name in each.signature.fields for each in handlers)]:
            raise ConfigError(f"There is no field {unknown[0]!r} in what is checked: see fields={{...}}.")
        found: list[Failure] = []
        checked: list[str] = []
        for handler in {each.id: each for each in handlers}.values():
            payloads = _payloads(handler, fields or {}, contract)
            if payloads is not None:
                checked.append(handler.id)
                found += failures(handler, payloads, examples, allow, inline=inline)
        if not checked:
            raise ConfigError(_nothing(what, since))
        if found:
            whose = "their contracts" if since is None else f"the contracts at {since}"
            raise ContractError(found, whose) from found[0].error
        return checked

    def _earlier(self, since: str) -> Contract:
        from upnext_codegen.contract import Contract  # noqa: PLC0415
        from upnext_codegen.earlier import earlier_contract  # noqa: PLC0415  # few tests ask for it
        from upnext_codegen.errors import ConfigurationError  # noqa: PLC0415
        from upnext_codegen.project import find_project  # noqa: PLC0415

        try:
            found = earlier_contract(since, find_project(self.folder).root, f"since={since!r}")
        except ConfigurationError as error:
            raise ConfigError(str(error)) from error
        if not isinstance(found, Contract):
            raise ConfigError(f"since={since!r} holds no upnext.lock: name a revision or a file that does.")
        return found


def _payloads(
    handler: Handler, given: Mapping[str, st.SearchStrategy[Any]], contract: Contract | None
) -> ContractPayloads | EarlierPayloads | None:
    """Return the source of payloads for a handler, None if the contracts do not have its event."""
    name = HandlerId.parse(handler.id).event
    owner = next(registry for registry, known in _all_handlers() if known is handler)
    if contract is None:
        if _is_former(handler, owner):
            return None  # the same function, with the same payloads
        together = (handler,) if handler.is_task else declarations.handlers_of(name, owner)
        is_open = handler.is_task or not declarations.forbids_extras(name, owner)
        return ContractPayloads(handler.subject, together, given, is_open=is_open)
    from upnext_codegen.export.sendable import sendable_fields  # noqa: PLC0415  # few tests ask for it

    event = next((event for event in contract.events if event.name == name and event.receivers), None)
    if event is None:
        return None
    now = ContractPayloads(handler.subject, declarations.handlers_of(name, owner), given, is_open=False)
    return EarlierPayloads(sendable_fields(event, contract.classes), now)


def _handlers(what: Target) -> Iterator[Handler]:
    """Yield the handlers, also under former names of their event."""
    match what:
        case Worker():
            yield from what.registry.handlers.values()
        case TypedEvent() | Task():
            function = inspect.unwrap(cast("Callable[..., object]", what))
            yield from (each for _, each in _all_handlers() if inspect.unwrap(each.function) is function)
        case Event():
            for registry, handler in _all_handlers():
                if HandlerId.parse(handler.id).event in (what.name, *registry.formerly.get(what.name, ())):
                    yield handler
        case _:
            raise ConfigError(f"{what!r} cannot be checked: it must be a Worker, an event, a handler or a task.")


def _all_handlers() -> Iterator[tuple[Registry, Handler]]:
    for registry in declarations:
        yield from ((registry, handler) for handler in registry.handlers.values())


def _is_former(handler: Handler, owner: Registry) -> bool:
    name = HandlerId.parse(handler.id).event
    return any(name in former for event, former in owner.formerly.items() if event != name)


def _nothing(what: Sequence[Target], since: str | None) -> str:
    asked = ", ".join(map(repr, what)) or "nothing"
    if since is None:
        return f"There is no handler to check in {asked}: import the modules that attach them, and name what to check."
    return f"No event of the contracts at {since} has a handler in {asked}."


def _described(failure: Failure) -> str:
    handler = HandlerId.parse(failure.handler.id)
    subject = f"{handler.event!r}, handler {handler.name!r}" if handler.event else f"task {handler.name!r}"
    names = ", ".join(map(repr, failure.fields))
    about = f"field{'s' * (len(failure.fields) > 1)} {names}" if names else "whatever its fields are"
    payload = json.dumps(failure.payload, ensure_ascii=False)
    shown = payload if len(payload) <= _LONGEST else f"{payload[:_LONGEST]}... ({len(payload):,} characters)"
    message = f"{type(failure.error).__name__}: {failure.error}".rstrip(": ")
    lines = [
        f"{subject} of worker {handler.worker!r}, {about}:",
        f"  {message}{f' ({failure.place})' if failure.place else ''}",
        f"  smallest payload: {shown}",
    ]
    return "\n".join(lines + ["  It does not always fail on it."] * failure.is_flaky)
