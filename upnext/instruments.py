"""The interface of metrics to the jobs of this process. By default there are none, at the cost of one comparison.

Hooks belong to the application, so they are limited in time, and may be async or block in threads. An instrument is
part of upnext, quick and synchronous, and costs a tenth as much.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeAlias

from upnext.log import log

if TYPE_CHECKING:
    from upnext.broker.claims import Claim
    from upnext.handler import Handler
    from upnext.runner.execute import AttemptOutcome

JobEnd: TypeAlias = "Callable[[AttemptOutcome | None], None]"
"""Is told how an attempt ended; None if it did not begin after all."""


class JobInstrument(Protocol):
    """Observes attempts of jobs. Its exceptions are logged and do not affect the job."""

    def begin(self, claim: Claim, handler: Handler) -> JobEnd:
        """Record the start of an attempt, in its task; the returned callback is called there at its end."""
        ...


_blocks: tuple[JobInstrument, ...] = ()
_jobs: tuple[JobInstrument, ...] = ()


@contextmanager
def watching_jobs(instrument: JobInstrument) -> Generator[None]:
    """Let an instrument observe the jobs of this process within the block; once, even in nested blocks."""
    global _jobs, _blocks  # noqa: PLW0603  # a job is watched whatever worker of the process runs it
    _blocks = (*_blocks, instrument)
    _jobs = tuple(dict.fromkeys(_blocks))
    try:
        yield
    finally:
        left = list(_blocks)
        left.remove(instrument)
        _blocks = tuple(left)
        _jobs = tuple(dict.fromkeys(_blocks))


def begin_job(claim: Claim, handler: Handler) -> JobEnd | None:
    """Report the start of an attempt to all instruments; return the callback for its end, None if there are none."""
    if not _jobs:
        return None
    ends: list[JobEnd] = []
    for instrument in _jobs:
        try:
            ends.append(instrument.begin(claim, handler))
        except Exception:  # noqa: BLE001  # watching a job must not cost it
            log.exception("An instrument could not note the beginning of job %s", claim.shown)

    def end(outcome: AttemptOutcome | None) -> None:
        for each in reversed(ends):
            try:
                each(outcome)
            except Exception:  # noqa: BLE001  # as above
                log.exception("An instrument could not note the end of job %s", claim.shown)

    return end
