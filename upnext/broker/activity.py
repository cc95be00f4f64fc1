"""What a worker process is doing, as its record on the server shows it: what blocks it, which jobs run and wait.

The record is the JSON in the `workers` hash. Beside what a worker writes when it joins (`worker`, `host`, `pid`, ...),
it may hold what follows, which appears and disappears as the worker renews its lease; a release that does not know
these keys leaves them alone:

    "blocked": {"what": "event loop", "since": 1790000000.1, "handler": "order.placed|charge", "job": "01..f.0",
                "frame": "shop.py:12 in charge"}
    "running": [{"job": "01..f.0", "handler": "order.placed|charge", "since": 1790000000.1, "late": 1790000300.1}, ...],
    "running_total": 31
    "waiting": [{"job": "01..f.0", "handler": "|report", "since": 1790000000.1, "waits_for": ["charge"]}, ...]
    "ended": {"order.placed|charge": [120, 3], ...}
    "unstored": {"jobs": 3, "cause": "the server's memory is full (maxmemory)"}

Times are seconds since 1970 by the server's clock. `handler` is the identity without the worker's name ("|name" for a
task), and "" where it is not known. Jobs are listed once they have run for two seconds, 20 at most: those first
that are past their timeout (since "late"), then the oldest; as waiting, once they have waited for other jobs for half
a minute. What has ended are the attempts of each handler since the process began: those that did their work, or
discarded it, and those that failed. Unstored are the ends of jobs that the server does not take.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, cast

LISTED_JOBS: Final = 20
"""How many running jobs a record lists."""

LISTED_AFTER: Final = 2.0
"""Seconds that a job has to run before a record lists it: short jobs cost nothing."""

_FOREVER = 1e11  # seconds; a later time, or one that is not a number, was written by another program


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that runs.

    Attributes:
        job: Its id.
        handler: Its handler's identity without the worker's name.
        since: When it began, in seconds since 1970 by the server's clock.
        late: When its timeout passed, which has not ended it; None while it may run.
    """

    job: str
    handler: str
    since: float
    late: float | None = None


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """A job that has been waiting for other jobs for a long time.

    Attributes:
        job: Its id.
        handler: Its handler's identity without the worker's name.
        since: When its wait began, in seconds since 1970 by the server's clock.
        waits_for: The names of the handlers that it waits for.
    """

    job: str
    handler: str
    since: float
    waits_for: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Blocked:
    """What keeps a worker process from making progress.

    Attributes:
        what: "event loop" or "interpreter" (code that keeps Python's global interpreter lock).
        since: When it began, in seconds since 1970 by the server's clock.
        handler: The handler's identity without the worker's name, "" if it is not known.
        job: The job's id, "" if it is not known.
        frame: The place in the user's code, `file:line in function`, "" if it is not known.
    """

    what: str
    since: float
    handler: str = ""
    job: str = ""
    frame: str = ""


@dataclass(frozen=True, slots=True)
class Unstored:
    """Jobs that have ended in a process that cannot report it to the server.

    Attributes:
        jobs: How many.
        cause: Why, for one of them.
    """

    jobs: int
    cause: str


@dataclass(frozen=True, slots=True)
class Activity:
    """What a worker process is doing.

    Attributes:
        blocked: What keeps it from going on, or None.
        running: The jobs that have run longest.
        total: How many jobs have run for two seconds.
        waiting: The jobs that have waited for others longest.
        ended: Attempts that ended here, done and failed, by the handler's identity without the worker's name.
        unstored: The jobs whose end cannot be stored, or None.
    """

    blocked: Blocked | None = None
    running: tuple[RunningJob, ...] = ()
    total: int = 0
    waiting: tuple[WaitingJob, ...] = ()
    ended: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    unstored: Unstored | None = None

    def to_record(self) -> dict[str, Any]:
        """Return the keys to add to the worker's record; none if there is nothing to report."""
        record: dict[str, Any] = {}
        if self.blocked is not None:
            record["blocked"] = asdict(self.blocked)
        if self.running:
            record["running"] = [
                {name: value for name, value in asdict(job).items() if value is not None} for job in self.running
            ]
            record["running_total"] = self.total
        if self.waiting:
            record["waiting"] = [asdict(job) for job in self.waiting]
        if self.ended:
            record["ended"] = {handler: [*counts] for handler, counts in self.ended.items()}
        if self.unstored is not None:
            record["unstored"] = asdict(self.unstored)
        return record

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Activity:
        """Read what `to_record` wrote; data of another program is left out."""
        jobs = tuple(job for entry in _list(record.get("running")) if (job := _running(entry)) is not None)
        total = record.get("running_total")
        waiting = tuple(wait for entry in _list(record.get("waiting")) if (wait := _waiting(entry)) is not None)
        ended = {
            handler: counts
            for handler, entry in _dict(record.get("ended")).items()
            if (counts := _counts(entry)) is not None
        }
        total = total if isinstance(total, int) else len(jobs)
        unstored = _unstored(record.get("unstored"))
        return cls(_blocked(record.get("blocked")), jobs, total, waiting, ended, unstored)


def summed(counts: Iterable[Mapping[str, tuple[int, int]]]) -> dict[str, tuple[int, int]]:
    """Return the sums of counted attempts, done and failed, by handler."""
    sums: dict[str, tuple[int, int]] = {}
    for each in counts:
        for handler, (done, failed) in each.items():
            before = sums.get(handler, (0, 0))
            sums[handler] = before[0] + done, before[1] + failed
    return sums


def _blocked(entry: object) -> Blocked | None:
    words = _dict(entry)
    since = _seconds(words.get("since"))
    if since is None:
        return None
    rest = {name: _text(words.get(name)) for name in ("handler", "job", "frame")}
    return Blocked(what=_text(words.get("what")), since=since, **rest)


def _running(entry: object) -> RunningJob | None:
    words = _dict(entry)
    since = _seconds(words.get("since"))
    if since is None:
        return None
    return RunningJob(_text(words.get("job")), _text(words.get("handler")), since, _seconds(words.get("late")))


def _waiting(entry: object) -> WaitingJob | None:
    job, names = _running(entry), _list(_dict(entry).get("waits_for"))
    return None if job is None else WaitingJob(job.job, job.handler, job.since, tuple(map(_text, names)))


def _counts(entry: object) -> tuple[int, int] | None:
    match _list(entry):
        case [int(done), int(failed)] if done >= 0 and failed >= 0:
            return done, failed
        case _:
            return None


def _unstored(entry: object) -> Unstored | None:
    words = _dict(entry)
    jobs = words.get("jobs")
    return Unstored(jobs, _text(words.get("cause"))) if isinstance(jobs, int) and jobs > 0 else None


def _list(value: object) -> list[object]:
    return cast("list[object]", value)[:LISTED_JOBS] if isinstance(value, list) else []


def _dict(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < _FOREVER:
        return None
    return float(value)
