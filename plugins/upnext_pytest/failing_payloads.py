"""Finds the smallest payloads on which a handler fails, and the fields responsible."""

from __future__ import annotations

import inspect
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from hypothesis import HealthCheck, Phase, Verbosity, given, reject, settings
from hypothesis.errors import Flaky, Unsatisfiable

from upnext.broker.job_ids import new_event_id
from upnext.connect import run_blocking
from upnext.errors import ConfigError, PayloadError
from upnext.job_control import Discard, RetryLater
from upnext.payload.problems import REFUSED_BY_CODE, top_level_field
from upnext.payload.results import encode_result
from upnext.transport import use_transport
from upnext_pytest.calling import call
from upnext_pytest.sends import Sends

if TYPE_CHECKING:
    from upnext.handler import Handler
    from upnext_pytest.payloads import ContractPayloads, EarlierPayloads, Payload

_ABSENT: Final = object()

_Origin: TypeAlias = tuple[type[BaseException], str]
"""What tells two faults of a handler apart: what is raised, and where."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One way in which a handler fails.

    Attributes:
        handler: The handler.
        payload: The smallest payload that was found, as JSON has it.
        fields: The fields that it depends on whether the handler fails; none if it fails on every payload.
        error: What it raised; a `PayloadError` if it does not take the payload.
        place: Where in its code, as file and line; "" if it was not called.
        is_flaky: Whether it does not fail each time it gets the payload.
    """

    handler: Handler
    payload: Payload
    fields: tuple[str, ...]
    error: BaseException
    place: str
    is_flaky: bool = False


def failures(
    handler: Handler,
    payloads: ContractPayloads | EarlierPayloads,
    examples: int,
    allow: tuple[type[Exception], ...],
    *,
    inline: bool,
) -> list[Failure]:
    """Call a handler with random payloads.

    Args:
        handler: The handler.
        payloads: What makes them.
        examples: How many it gets.
        allow: What it may raise.
        inline: Whether what it sends runs.

    Returns:
        One failure for each place where it fails, each with the smallest payload.

    Raises:
        ConfigError: If no payload can be made.
    """
    trial = _Trial(handler, payloads, allow, inline=inline)
    options = _options(examples)
    is_flaky = False
    strategy = payloads.strategy()
    try:
        options(given(strategy)(trial.run))()
    except Unsatisfiable as error:
        raise ConfigError(
            f"No payload could be made for handler {handler.name!r} of {handler.subject!r}: its types refuse what was "
            "tried. Say by fields={...} what its fields may be."
        ) from error
    except BaseException as raised:
        is_flaky = isinstance(raised, Flaky)
        if isinstance(raised, KeyboardInterrupt) or not trial.failed:
            raise  # not the handler's
        # So far every payload may have failed: more of them show whether all do.
        options(given(strategy)(trial.look_for_one_that_passes))()
    return [
        Failure(handler, payload, trial.blamed(origin, payload, error), error, origin[1], is_flaky)
        for origin, (payload, error) in trial.failed.items()
    ]


def _options(examples: int) -> settings:
    return settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        # Handlers may be slow, and types may refuse many of the generated values.
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        verbosity=Verbosity.quiet,
        report_multiple_bugs=True,
    )


class _Trial:
    """Calls of one handler, and their results.

    Attributes:
        failed: For each way to fail the payload that was tried last, which in the end is the smallest, and the error.
    """

    def __init__(
        self,
        handler: Handler,
        payloads: ContractPayloads | EarlierPayloads,
        allow: tuple[type[Exception], ...],
        *,
        inline: bool,
    ) -> None:
        self.failed: dict[_Origin, tuple[Payload, BaseException]] = {}
        self._handler = handler
        self._payloads = payloads
        self._allowed = (Discard, RetryLater, *allow)
        self._inline = inline
        self._passed: Payload | None = None

    def run(self, payload: Payload) -> None:
        """Call the handler with a payload; exceptions propagate."""
        try:
            error = self._error(payload)
        except PayloadError:
            reject()
        if error is None:
            self._passed = payload
            return
        self.failed[self._origin(error)] = payload, error
        # An exception that ends a task or a process would end the search for a smaller payload as well.
        raise error if isinstance(error, Exception) else RuntimeError(type(error).__name__) from error

    def look_for_one_that_passes(self, payload: Payload) -> None:
        """Call the handler with a payload, unless it has already accepted one."""
        if self._passed is None:
            with suppress(PayloadError):
                self._passed = payload if self._error(payload) is None else None

    def blamed(self, origin: _Origin, payload: Payload, error: BaseException) -> tuple[str, ...]:
        """Return the fields responsible: with any of them from another payload, it does not fail."""
        if isinstance(error, PayloadError) and not origin[1]:
            return tuple(dict.fromkeys(field for field in map(top_level_field, error.problems) if field))
        if self._passed is None:
            return ()
        passed, tried = self._passed, payload
        names = tuple(dict.fromkeys((*payload, *passed)))
        for name in names:
            other = {key: value for key, value in tried.items() if key != name}
            if name in passed:
                other[name] = passed[name]
            if self._fails(other, origin):
                tried = other
        return tuple(name for name in names if tried.get(name, _ABSENT) != passed.get(name, _ABSENT))

    def _fails(self, payload: Payload, origin: _Origin) -> bool:
        try:
            error = self._error(payload)
        except PayloadError:
            return False
        return error is not None and self._origin(error) == origin

    def _error(self, payload: Payload) -> BaseException | None:
        """Return the handler's exception, None if there is none.

        Raises:
            PayloadError: If the payload cannot be sent.
        """
        body = self._payloads.body(payload)
        try:
            self._handler.signature.decode(body)
        except PayloadError as refusal:
            if any(problem.expected == REFUSED_BY_CODE for problem in refusal.problems):
                raise  # contracts do not record what the user's own validators accept
            return refusal
        with use_transport(Sends(inline=self._inline)):
            error = run_blocking(_attempt(self._handler, body))
        return None if isinstance(error, self._allowed) else error

    def _origin(self, error: BaseException) -> _Origin:
        """Identify a fault by its place, in the handler's own file if possible."""
        frames = traceback.extract_tb(error.__traceback__)
        code = inspect.unwrap(self._handler.function).__code__
        within = [frame for frame in frames if frame.filename == code.co_filename]
        called = any(frame.name == code.co_name for frame in within)
        return type(error), f"{_shown(within[-1].filename)}:{within[-1].lineno}" if called else ""


async def _attempt(handler: Handler, body: bytes) -> BaseException | None:
    """Run one job, and return its exception; exceptions that would end a process end the loop as well."""
    try:
        value = await call(f"{new_event_id()}.0", handler, body)
        encode_result(handler.signature.result, handler.name, value, keep_unset=handler.is_task)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return error
    return None


def _shown(path: str) -> str:
    """Return a path, relative to the current folder if it is inside."""
    with suppress(ValueError):
        return Path(path).relative_to(Path.cwd()).as_posix()
    return path
