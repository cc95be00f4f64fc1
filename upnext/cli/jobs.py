"""`upnext jobs`: list waiting and running jobs, show one, cancel waiting ones."""

from __future__ import annotations

import argparse
import functools
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upnext.broker.handler_id import HandlerId
from upnext.cli import exits
from upnext.cli.connection import add_server_options, ask, described
from upnext.cli.details import letter_details, payload_value, print_details
from upnext.cli.moments import age, moment
from upnext.cli.numbers import positive
from upnext.cli.parser import examples
from upnext.cli.progress import resumable
from upnext.cli.selection import matches, say_if_unknown
from upnext.cli.table import table
from upnext.cli.terminal import terminal_width, visible
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from upnext.broker.broker import Broker
    from upnext.broker.jobs import JobView
    from upnext.broker.namespace import Namespace
    from upnext.broker.partial_results import PartialResults
    from upnext.cli.commands import Subparsers

STATES = ("running", "isolated", "retrying", "delayed", "waiting")
"""States of jobs that have not ended, in the order in which they are listed."""

ISOLATED = "its turn: it was running in processes that died, and such jobs run one at a time"
"""What an isolated job waits for."""

_LIMIT = 100
_PUT_OFF = ("retrying", "delayed")  # states of jobs in the same set, which has to be searched for one of them
_PAGES = 20  # pages of that set to search in a partition if no state is given
_TRIES = 5
_LONGEST = 200  # characters of an error
_DESCRIPTION = """\
Jobs are read page by page while workers continue. Payloads are only shown by `show --payload`. A cancelled job becomes
a dead letter (`cancelled`): a wait for its result raises JobFailedError, and it can be replayed."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "jobs",
        help="list jobs, look into them, cancel them",
        description=_DESCRIPTION,
        epilog=examples("upnext jobs list", "upnext jobs list --state retrying --handler send_confirmation"),
    )
    actions = parser.add_subparsers(metavar="ACTION", title="actions")
    listing = actions.add_parser(
        "list",
        help="list running, waiting, delayed and retrying jobs",
        epilog=examples("upnext jobs list", "upnext jobs list --state running --format json"),
    )
    listing.add_argument("--state", choices=(*STATES, "done"), help="only in this state; done: with kept results")
    listing.add_argument("--event", metavar="NAME", help="only those of this event")
    listing.add_argument("--handler", metavar="NAME", help="only those of this handler (or worker|event|handler)")
    listing.add_argument("--limit", type=positive, default=_LIMIT, metavar="N", help="at most N (default: 100)")
    add_server_options(listing, file=True)
    listing.set_defaults(command=list_all)
    one = actions.add_parser(
        "show",
        help="show one with its last error and traceback",
        epilog=examples(
            "upnext jobs show 01a224fc48989bd4e6cc0aa9260c.0",
            "upnext jobs show 01a224fc48989bd4e6cc0aa9260c.0 --payload",
        ),
    )
    one.add_argument("job_id", metavar="ID", help="the job's id")
    one.add_argument("--payload", action="store_true", help="show the payload too: it may hold secrets")
    one.set_defaults(command=show)
    ended = actions.add_parser(
        "cancel",
        help="cancel waiting, delayed or retrying jobs",
        epilog=examples("upnext jobs cancel 01a224fc48989bd4e6cc0aa9260c.0"),
    )
    ended.add_argument("job_id", nargs="+", metavar="ID", help="the job's id")
    ended.set_defaults(command=cancel, words="job_id")
    for action in (listing, one):
        action.add_argument("--format", choices=("text", "json"), default="text", help="output format (default: text)")
    for action in (one, ended):
        add_server_options(action)


@dataclass(frozen=True, slots=True)
class JobFilter:
    """A selection of jobs.

    Attributes:
        state: Only those in this state; None for all that have not ended.
        event: Only those of this event.
        handler: Only those of this handler: its name, or its identity `worker|event|name`.
    """

    state: str | None = None
    event: str | None = None
    handler: str | None = None

    @property
    def fault(self) -> str:
        """Why nothing can be selected like that, "" if it can."""
        if self.state != "done" or (self.event is None and self.handler is None):
            return ""
        return "Of jobs that are done no event and no handler is kept: list them without these filters."


@dataclass(slots=True)
class Listing:
    """Jobs as they were read.

    Attributes:
        where: The server and the namespace.
        now: The server's time in seconds.
        jobs: The jobs, as many as were asked for.
        more: Whether there are more.
        results: What could not be read.
    """

    where: dict[str, str]
    now: float
    jobs: list[JobView]
    more: bool
    results: PartialResults


def list_all(arguments: argparse.Namespace) -> int:
    """Run `upnext jobs list`."""
    filters = JobFilter(arguments.state, arguments.event, arguments.handler)
    if filters.fault:
        raise ConfigError(filters.fault)

    async def read(namespace: Namespace) -> Listing:
        listing = await read_jobs(namespace, filters, arguments.limit)
        if not listing.jobs and not listing.results.unseen:
            await say_if_unknown(namespace, arguments.handler, arguments.event)
        return listing

    listing = ask(arguments, read)
    if arguments.format == "json":
        rows = [as_json(job) for job in listing.jobs]
        unreachable = [{"partition": one.partition, "reason": one.reason} for one in listing.results.unseen]
        rest = {"unreachable": unreachable} if unreachable else {}
        print(json.dumps({**listing.where, "jobs": rows, "more": listing.more, **rest}, indent=2))
    else:
        for line in _as_text(listing, terminal_width()):
            print(line)
    listing.results.close()
    return exits.CLEAN


async def read_jobs(namespace: Namespace, filters: JobFilter, limit: int) -> Listing:
    """Read the jobs that the filters select, up to a limit."""
    from upnext.broker.partial_results import PartialResults  # noqa: PLC0415 - commands import what they need
    from upnext.broker.redis_types import RedisError  # noqa: PLC0415

    partitions, now = await namespace.partitions(), await namespace.dead_letters.now()
    results = PartialResults(len(partitions))
    jobs: list[JobView] = []
    is_cut = False
    for state in STATES if filters.state is None else (filters.state,):
        for partition in partitions:
            if any(one.partition == partition.keys.partition for one in results.unseen):
                continue
            try:
                pages = 0
                async for page in _read(partition, state, filters):
                    jobs += page
                    pages += 1
                    is_cut = is_cut or (pages > _PAGES and filters.state is None and state in _PUT_OFF)
                    if len(jobs) > limit or (is_cut and state in _PUT_OFF):
                        break
            except (RedisError, OSError) as error:
                results.miss(partition, error)
    more = len(jobs) > limit or is_cut
    return Listing(described(namespace), now / 1000, jobs[:limit], more, results)


async def _read(partition: Broker, state: str, filters: JobFilter) -> AsyncIterator[list[JobView]]:
    def wanted(handler: str) -> bool:
        return matches(handler, filters.handler, filters.event)

    if state == "done":
        async for page in partition.jobs.done():
            yield page
        return
    if state in {"running", "isolated"}:
        async for page in partition.jobs.running(wanted):
            yield [job for job in page if job.state == state]
        return
    read = partition.jobs.waiting if state == "waiting" else functools.partial(partition.jobs.scheduled, state=state)
    async for page in read(wanted):
        yield page


def as_json(job: JobView) -> dict[str, Any]:
    """Return a job in the JSON form of `list` and `show`."""
    from upnext.broker.job_ids import sent_at  # noqa: PLC0415 - commands import what they need

    handler, sent = HandlerId.parse(job.handler), sent_at(job.entry.job_id)
    failure = job.failure
    is_counted = bool(job.handler)  # attempts of ended jobs are not kept
    return {
        "job_id": job.entry.job_id,
        "event_id": job.entry.event_id,
        **_parts(handler),
        "state": job.state,
        "attempts": job.entry.attempt if is_counted else None,
        "failures": job.entry.failures if is_counted else None,
        "sent_at": None if sent is None else moment(sent * 1000),
        "started_at": None if job.since is None else moment(job.since * 1000),
        "due_at": None if job.due is None else moment(job.due * 1000),
        "process": job.process,
        "waits_for": ISOLATED if job.state == "isolated" else "",
        "error": "" if failure is None else failure.error,
        "where": "" if failure is None else failure.where,
    }


def _parts(handler: HandlerId) -> dict[str, str]:
    return {"worker": handler.worker, "event": handler.subject, "handler": handler.name}


def _as_text(listing: Listing, width: int | None) -> list[str]:
    if not listing.jobs:
        return ["No jobs."]
    head = ["job", "event", "handler", "state", "attempts", "when", "worker", "last error"]
    rows: list[list[object]] = []
    for job in listing.jobs:
        handler = HandlerId.parse(job.handler)
        error = (job.failure.error.splitlines() or [""])[0][:_LONGEST] if job.failure else ""
        attempts = job.entry.attempt if job.handler else "-"
        row = [job.entry.job_id, handler.subject or "-", handler.name or "-", job.state, attempts]
        rows.append([*row, when(job, listing.now), job.process, error])
    kept = [n for n in range(len(head)) if n < 6 or any(row[n] for row in rows)]
    cells = [[row[n] for n in kept] for row in rows]
    lines = list(table([head[n] for n in kept], cells, width, ("last error", "worker", "event", "handler")))
    return [*lines, "There are more; see --limit, --state, --event and --handler."] if listing.more else lines


def when(job: JobView, now: float) -> str:
    """Return since when a job runs, when it is due, or when it was sent."""
    from upnext.broker.job_ids import sent_at  # noqa: PLC0415 - commands import what they need

    if job.state == "isolated":
        return "waits for its turn"
    if job.state == "running":
        return "-" if job.since is None else f"for {age(now - job.since)}"
    if job.due is not None:
        return f"due in {age(job.due - now)}" if job.due > now else "due"
    sent = sent_at(job.entry.job_id)
    return "-" if sent is None else f"sent {age(now - sent)} ago"


def show(arguments: argparse.Namespace) -> int:
    """Run `upnext jobs show`; exit code 1 if there is no such job."""
    where, details = ask(
        arguments, lambda namespace: details_of(namespace, arguments.job_id, payload=arguments.payload)
    )
    if details is None:
        print(f"upnext: {unknown(arguments.job_id)}", file=sys.stderr)
        return exits.FINDINGS
    print_details(where, "job", details, arguments.format)
    return exits.CLEAN


async def details_of(
    namespace: Namespace, job_id: str, *, payload: bool
) -> tuple[dict[str, str], dict[str, Any] | None]:
    """Return the server and everything known about one job; None if there is no such job."""
    from upnext.broker.job_ids import partition_of, unpack  # noqa: PLC0415 - commands import what they need

    partition, where = namespace.partition(partition_of(job_id)), described(namespace)
    job = (await partition.jobs.find([job_id])).get(job_id)
    stands_for = ""
    if job is None and (other := await partition.results.stand_in(job_id)) is not None:
        job, job_id, stands_for = (await partition.jobs.find([other])).get(other), other, job_id
    if job is None:
        return where, None
    details = as_json(job)
    if not job.handler:
        details |= _parts(HandlerId.parse(await partition.results.handler_of(job_id)))
    if stands_for:
        details["stands_for"] = stands_for
    details["waits_for"] = await _waits_for(namespace, job)
    details["traceback"] = "" if job.failure is None else await partition.jobs.traceback(job.failure)
    if job.state == "dead" and (found := await partition.dead_letters.letter(job_id)) is not None:
        details |= letter_details(*found)
    if payload:
        envelope = await partition.jobs.payload(job)
        details["payload"] = payload_value(None if envelope is None else unpack(envelope))
    return where, details


async def _waits_for(namespace: Namespace, job: JobView) -> str:
    """Return whether a job waits for its turn, or for which limit of its handler, "" if neither."""
    if job.state != "waiting":
        return ISOLATED if job.state == "isolated" else ""
    from upnext.cli.fleet import limit_in_words  # noqa: PLC0415 - commands import what they need

    status = await namespace.status_reader.seen()
    queues = [queue for queue in status.queues if queue.handler == job.handler and queue.waits_for]
    return limit_in_words(queues[0]).removeprefix("waits for ") if queues else ""


def cancel(arguments: argparse.Namespace) -> int:
    """Run `upnext jobs cancel`; exit code 1 if one of them cannot be cancelled."""
    ids = list(dict.fromkeys(arguments.job_id))

    async def cancelled(namespace: Namespace) -> list[CancelledJob]:
        with resumable(lambda: "Some of these jobs may be cancelled" if len(ids) > 1 else ""):
            return await cancel_jobs(namespace, ids)

    ends = ask(arguments, cancelled)
    refused = False
    for end in ends:
        if end.state == "cancelled":
            print(f"{end.name} is cancelled.")
            continue
        refused = True
        print(f"upnext: {end.refusal()}", file=sys.stderr)
    return exits.FINDINGS if refused else exits.CLEAN


@dataclass(frozen=True, slots=True)
class CancelledJob:
    """The result of an attempt to cancel a job.

    Attributes:
        job_id: The id that was given.
        stand_in: The job that stands for it, as it was replayed under another id or never made; "" if none does.
        state: "cancelled", the state in which it cannot be cancelled, "moving", or "unknown".
    """

    job_id: str
    stand_in: str
    state: str

    @property
    def name(self) -> str:
        """The id, with that of the job that replaces it."""
        return f"{visible(self.job_id)} (now {visible(self.stand_in)})" if self.stand_in else visible(self.job_id)

    def refusal(self) -> str:
        """Return why it could not be cancelled."""
        words = {
            "running": f"{self.name} runs already and cannot be cancelled.",
            "done": f"{self.name} has ended.",
            "discarded": f"{self.name} has ended: its handler discarded it.",
            "dead": f"{self.name} is a dead letter already.",
            "moving": f"{self.name} was on its way from one state to the next; try again.",
        }
        return words.get(self.state) or f"No job with id {self.name} here; it may have ended. See `upnext jobs list`."


async def cancel_jobs(namespace: Namespace, job_ids: Sequence[str]) -> list[CancelledJob]:
    """Cancel what can be cancelled; a job that replaces one of these is cancelled in its place."""
    ends = await _cancel(namespace, job_ids)
    missing = [job_id for job_id, state in ends.items() if state == "unknown"]
    found = {job_id: await namespace.results_of(job_id).stand_in(job_id) for job_id in missing}
    stand_ins = {job_id: other for job_id, other in found.items() if other is not None}
    ends |= await _cancel(namespace, [other for other in dict.fromkeys(stand_ins.values()) if other not in ends])
    return [CancelledJob(job_id, stand_ins.get(job_id, ""), ends[stand_ins.get(job_id, job_id)]) for job_id in job_ids]


async def _cancel(namespace: Namespace, job_ids: Sequence[str]) -> dict[str, str]:
    """Cancel only jobs with these ids; return the state of each, as in `CancelledJob`."""
    from upnext.broker.job_ids import partition_of  # noqa: PLC0415 - commands import what they need

    ends = dict.fromkeys(job_ids, "unknown")
    for number in sorted({partition_of(job_id) for job_id in job_ids}):
        jobs = namespace.partition(number).jobs
        left = [job_id for job_id in job_ids if partition_of(job_id) == number]
        for _ in range(_TRIES):
            found = await jobs.find(left)
            for job_id, job in found.items():
                ends[job_id] = job.state
                if job.state in {"waiting", "isolated", "delayed", "retrying"}:
                    ends[job_id] = "cancelled" if await jobs.cancel(job) else "moving"
            left = [job_id for job_id in left if ends[job_id] == "moving"]
            if not left:
                break
    return ends


def unknown(job_id: str) -> str:
    """Report that there is no such job."""
    return f"No job with id {visible(job_id)} here; it may have ended. See `upnext jobs list`."
