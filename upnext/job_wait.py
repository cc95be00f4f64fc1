"""Waits for jobs to end: polls their outcomes, and lends the slot of a waiting job to others."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from enum import Enum
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from upnext.broker.failures import backoff, classify
from upnext.broker.job_ids import may_be_in_outbox, sent_at
from upnext.broker.publishing import refusal
from upnext.broker.redis_types import RedisError
from upnext.connect import run_blocking
from upnext.context import CurrentJob, LentSlot, LongWait, current_job
from upnext.errors import (
    BrokerError,
    BrokerRefusedError,
    ConfigError,
    JobLostError,
    ResultExpiredError,
    ResultTimeoutError,
)
from upnext.log import log
from upnext.names import brief
from upnext.transport import current

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence

    from upnext.broker.results import JobOutcome
    from upnext.settings import Settings

T = TypeVar("T")

_POLL_FIRST = 0.005
_POLL_CAP = 0.25
_LAST_LOOK = 1.0  # seconds that the server has to answer in any case
_STARVING = 30.0  # seconds that a job waits for other jobs before it is logged
_ROUTED_TTL = 24 * 3600.0  # seconds, for which the server knows the handlers of an event that was sent before them


class Default(Enum):
    """Stands for an omitted option."""

    DEFAULT = "the setting's"


DEFAULT: Final = Default.DEFAULT

Timeout: TypeAlias = "float | Default | None"
"""Seconds to wait; None to wait for ever; by default those of the setting `result_timeout`."""

Look: TypeAlias = "Callable[[], Awaitable[tuple[bool, dict[str, JobOutcome]]]]"
"""Asks the server: whether the event still waits for its first handler, and the outcomes of its jobs by their ids."""


async def wait_for_end(
    settings: Settings, event_id: str, names: Callable[[], Sequence[str]], look: Look, timeout: Timeout
) -> dict[str, JobOutcome]:
    """Poll until no job of an event is open any more.

    Args:
        settings: Of the worker that the event was sent through.
        event_id: The event.
        names: Returns the handlers that are waited for, for messages.
        look: Asks the server.
        timeout: How long to wait; less than 0 seconds are none, as what is left until a deadline may be.

    Raises:
        BrokerRefusedError: If the server rejects this client.
        BrokerUnavailableError: If the server cannot do what it is asked.
        ResultTimeoutError: If not all jobs have ended in time.
        ResultExpiredError: If they ended so long ago that nothing is known of one of them.
        JobLostError: If the server knows nothing of one of them.
    """
    check_timeout(timeout)
    given = settings.result_timeout if isinstance(timeout, Default) else timeout
    seconds = math.inf if given is None else max(given, 0.0)
    deadline = monotonic() + seconds
    wait = _Wait(event_id, names, settings.result_ttl)
    async with _slot_lent(names):
        pause, trouble = _POLL_FIRST, 0
        while True:
            try:
                # A server that does not answer must not prolong the wait.
                async with asyncio.timeout(None if deadline == math.inf else max(deadline - monotonic(), _LAST_LOOK)):
                    unrouted, outcomes = await look()
                trouble = 0
            except (RedisError, OSError) as error:
                trouble += 1
                if not classify(error).passes:
                    raise _refusal(error) from error
            else:
                if wait.is_over(outcomes, unrouted=unrouted):
                    return outcomes
            current().check_progress(event_id)
            pause = backoff(trouble) if trouble else min(pause * 1.5, _POLL_CAP)
            if monotonic() + pause > deadline:
                raise ResultTimeoutError(f"Event {event_id}: {wait.why_late(f'within {seconds:g} s')}")
            await asyncio.sleep(pause)


def wait_blocking(wait: Coroutine[Any, Any, T], way_out: str) -> T:
    """Wait in synchronous code, possibly blocking an event loop; if that made the wait futile, say so.

    Args:
        wait: The wait.
        way_out: What an async function calls in its place.
    """
    is_blocked = asyncio._get_running_loop() is not None  # noqa: SLF001  # does not raise where there is none
    try:
        return run_blocking(wait)
    except ResultTimeoutError as error:
        if not is_blocked:
            raise
        raise ResultTimeoutError(
            f"{error} This wait has blocked the event loop that it was called in: if their worker is in that, it could "
            f"run nothing meanwhile. An async function calls `{way_out}`."
        ) from error


class _Wait:
    """What was seen of an event's jobs since the wait began.

    Args:
        event_id: The event.
        names: Returns the handlers that are waited for, for messages.
        result_ttl: Seconds for which results are kept.
    """

    def __init__(self, event_id: str, names: Callable[[], Sequence[str]], result_ttl: float) -> None:
        self._event_id = event_id
        self._names = names
        self._result_ttl = result_ttl
        self._began = monotonic()
        self._seen_open = False
        self._is_unsent = False
        self._is_unrouted = False
        self._is_logged = False

    def is_over(self, outcomes: Mapping[str, JobOutcome], *, unrouted: bool) -> bool:
        """Return whether all jobs have ended.

        Raises:
            ResultExpiredError: If they ended so long ago that nothing is known of one of them.
            JobLostError: If the server knows nothing of one of them.
        """
        if unrouted or any(outcome.state == "open" for outcome in outcomes.values()):
            self._seen_open, self._is_unsent, self._is_unrouted = True, False, unrouted
            return False
        lost = [job for job, outcome in outcomes.items() if outcome.state == "lost"]
        if outcomes and not lost:
            return True
        kept = self._result_ttl if outcomes else max(self._result_ttl, _ROUTED_TTL)
        is_old = not self._seen_open and time() - (sent_at(self._event_id) or 0.0) > kept
        # Once any part of it was on the server, its relay has sent it.
        if may_be_in_outbox(self._event_id) and len(lost) == len(outcomes) and not self._seen_open and not is_old:
            self._is_unsent = True
            self._tell()
            return False
        if is_old:
            raise ResultExpiredError(
                f"Event {self._event_id} is older than results are kept ({kept:g} s); nothing is known of its jobs any "
                "more."
            )
        names = self._names()
        shown = ", ".join(repr(name) for job, name in zip(outcomes, names, strict=False) if name and job in lost)
        raise JobLostError(self._event_id, tuple(lost), shown, seen_open=self._seen_open)

    def why_late(self, when: str) -> str:
        """Return why not all jobs have ended yet."""
        if self._is_unsent:
            return (
                f"the server did not know it {when}. It was sent within a transaction: either that was not committed, "
                "or no relay has sent it yet (`upnext outbox status FILE`), or its key was used before, or the server "
                "has lost it since."
            )
        if self._is_unrouted:
            return (
                f"no handler of it has connected {when}. It waits for the first one: start a worker that has one; if "
                "one runs, look at its namespace and its server (`upnext doctor`)."
            )
        return (
            f"not every job has ended {when}. They are kept and go on; `upnext status` shows whether a worker "
            "runs them."
        )

    def _tell(self) -> None:
        if not self._is_logged and monotonic() - self._began > _STARVING:
            self._is_logged = True
            log.warning("Event %s is still waited for: %s", self._event_id, self.why_late(f"for {_STARVING:g} s"))


async def outcomes_of(
    settings: Settings, event_id: str, jobs: Sequence[str]
) -> tuple[tuple[str, ...] | None, dict[str, JobOutcome]]:
    """Read the states of jobs once, like `ResultReader.outcomes`; some may replace jobs under other events."""
    take = current().outcomes
    events = {job.rpartition(".")[0] for job in jobs}
    if events <= {event_id}:
        late, outcomes = await take(settings, event_id, jobs)
        return late, dict(zip(jobs, outcomes, strict=True))
    found: dict[str, JobOutcome] = {}
    for event in events:
        own = [job for job in jobs if job.rpartition(".")[0] == event]
        found |= zip(own, (await take(settings, event, own))[1], strict=True)
    return None, {job: found[job] for job in jobs}


async def handlers_of(settings: Settings, outcomes: Mapping[str, JobOutcome]) -> list[str]:
    """Return the identities of the handlers of ended jobs, of any events; "" where unknown."""
    found: dict[str, str] = {}
    for event in {job.rpartition(".")[0] for job in outcomes}:
        own = {job: outcome for job, outcome in outcomes.items() if job.rpartition(".")[0] == event}
        found |= await current().handlers(settings, event, own)
    return [found[job] for job in outcomes]


def check_id(kind: str, identity: object) -> str:
    """Return an id if upnext has created it.

    Raises:
        ConfigError: If it cannot be one.
    """
    if not isinstance(identity, str) or sent_at(identity) is None or not identity.isascii():
        raise no_id(kind, identity)
    return identity


def no_id(kind: str, identity: object) -> ConfigError:
    """Return what is wrong with an id."""
    return ConfigError(f"{brief(identity)} is not the id of {kind}; use the one that a send returned.")


def _refusal(error: Exception) -> BrokerError:
    reason = refusal(error, classify(error))
    return reason if isinstance(reason, BrokerRefusedError) else type(reason)(f"Cannot read the results: {error}")


def check_timeout(timeout: object) -> None:
    """Refuse an invalid time limit of a wait.

    Raises:
        ConfigError: If it is neither seconds, nor None, nor left out.
    """
    seconds = isinstance(timeout, (int, float)) and not isinstance(timeout, bool) and not math.isnan(timeout)
    if not (seconds or timeout is None or timeout is DEFAULT):
        raise ConfigError(
            f"Option timeout={brief(timeout)} cannot be used: it must be seconds, or None to wait for ever."
        )


@asynccontextmanager
async def _slot_lent(names: Callable[[], Sequence[str]]) -> AsyncGenerator[None]:
    """Lend the slot of the job that waits here, if there is one: the jobs that it waits for may need it."""
    job = current_job.get()
    slot = None if job is None else job.slot
    if job is None or slot is None:
        yield
        return
    lent = await slot.lend()
    long_waits: list[LongWait] = []
    starving = asyncio.get_running_loop().call_later(_STARVING, _report_wait, names, job, slot, long_waits, lent)
    try:
        yield
    except asyncio.CancelledError:
        if lent:
            slot.take_back_later()
        raise
    except BaseException:
        if lent:
            await slot.take_back()
        raise
    else:
        if lent:
            await slot.take_back()
    finally:
        starving.cancel()
        for wait in long_waits:
            slot.long_waits.remove(wait)


def _report_wait(  # a callback
    names: Callable[[], Sequence[str]], job: CurrentJob, slot: LentSlot, long_waits: list[LongWait], lent: bool
) -> None:
    """Report, in the log and in the worker's record, that a job has been waiting for a long time."""
    try:
        context, waited_for = job.context(), tuple(names())
        wait = LongWait(context.job_id, waited_for, monotonic() - _STARVING)
        slot.long_waits.append(wait)
        long_waits.append(wait)
        log.warning(
            "Handler %r has waited %g s for %s%s: is there a worker that runs it, and has it free slots? [job %s]",
            context.handler,
            _STARVING,
            ", ".join(map(repr, waited_for)) or "an event without handlers",
            "" if lent else "; it keeps its slot meanwhile, as too many jobs wait or the event loop was blocked",
            context.job_id,
        )
    except Exception as error:  # noqa: BLE001  # only a line of the log
        log.warning("A job has waited %g s for other jobs (%s)", _STARVING, type(error).__name__)
