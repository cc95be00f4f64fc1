"""What a server still holds under a former name that `--finish` would remove."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from shlex import quote
from typing import TYPE_CHECKING, NamedTuple, cast

from upnext.broker.handler_id import HandlerId
from upnext.broker.job_ids import unpack
from upnext.broker.replies import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext.broker.broker import Broker
    from upnext.broker.contracts import DeployedContract
    from upnext.broker.namespace import Namespace
    from upnext.broker.waiting_jobs import JobCount, Judge, Judges
    from upnext_codegen.renames.plan import Left


_LOOK = "`upnext doctor` says why"
_SILENT = "deploy this release of upnext there, or stop them (`upnext status` names them)"
_UNROUTED = "run a worker that has a handler of it"
_EARLIER = "deploy the release that has both names there, or stop them (`upnext status` names them)"


class Former(NamedTuple):
    """A former name.

    Attributes:
        events: The names of the event that is meant.
        event: The former name of the event, "" where a field was renamed.
        field: The former name of the field, "" where the event was renamed.
    """

    events: frozenset[str]
    event: str = ""
    field: str = ""


async def left_of(namespace: Namespace, former: Former) -> tuple[list[Left], list[str]]:
    """Return what a server still has under a former name.

    Returns:
        What has to end before the name is taken out, and the commands that end what is subscribed under it after that.
    """
    from upnext.broker.contracts import ContractStore  # noqa: PLC0415 - commands import what they need
    from upnext_codegen.renames.plan import Left  # noqa: PLC0415

    fleet = await ContractStore(namespace.partition(0)).read()
    status = await namespace.status_reader.read()
    found = [Left(f"partition {each.partition}, which cannot be looked at", _LOOK) for each in status.unseen]
    found += [
        Left(f"{count} process(es) of worker {worker!r} that do not say what they take", _SILENT)
        for worker, count in sorted(fleet.silent.items())
    ]
    if former.event:
        unrouted = [each for each in status.unrouted if each.event == former.event]
        found += [Left(f"{each.events:,} events {each.event!r}", _UNROUTED) for each in unrouted]
        workers = _workers_of_the_event(fleet.contracts, former)
    else:
        workers = _workers_of_the_field(fleet.contracts, former)
    found += [Left(each, _EARLIER) for each in workers]
    waiting, running = await _jobs(namespace, former)
    found += [
        Left(f"{count:,} running jobs of {handler}", _end_of("running", handler, former))
        for handler, count in sorted(running.items())
    ]
    for handler, count in sorted(waiting.items()):
        by_state = sorted((state, number) for (state, _), number in count.refused.items())
        found += [
            Left(f"{number:,} {state} jobs of {handler}", _end_of(state, handler, former)) for state, number in by_state
        ]
    subscribed = [HandlerId.parse(queue.handler) for queue in status.queues if queue.subscribed]
    return found, _unsubscribe([handler for handler in subscribed if handler.event == former.event])


def _end_of(state: str, handler: str, former: Former) -> str:
    """Return how jobs of a handler in a given state can be brought to an end."""
    identity = HandlerId.parse(handler)
    selected = f"--event {quote(identity.event)} --handler {quote(identity.name)}"
    if state == "running":
        return f"wait until they have ended (`upnext jobs list --state running {selected}`)"
    if state != "dead":
        return (
            f"let a worker that has both names run them (`upnext jobs list {selected}` shows them), or `upnext jobs "
            "cancel ID`, which makes dead letters of them"
        )
    if former.event:
        return f"`upnext dead replay {selected}`, or `upnext dead purge {selected} --yes`"
    # Older workers of the handler do not know the field by that name.
    return f"`upnext dead list {selected}`, then `upnext dead replay ID`, or `upnext dead purge ID --yes`"


def _unsubscribe(handlers: list[HandlerId]) -> list[str]:
    names = Counter(handler.name for handler in handlers)
    return [
        f"upnext unsubscribe --event {quote(handler.event)} {quote(handler.name)}"
        if names[handler.name] == 1
        else f"upnext unsubscribe {quote(str(handler))}"
        for handler in sorted(handlers)
    ]


def _workers_of_the_event(contracts: tuple[DeployedContract, ...], former: Former) -> Iterator[str]:
    """Workers that have a handler only under the former name: they belong to an earlier release."""
    processes: dict[HandlerId, int] = {}
    for each in contracts:
        handler = HandlerId.parse(each.contract.handler)
        processes[handler] = processes.get(handler, 0) + sum(one.processes for one in each.deployments)
    for handler, count in sorted(processes.items()):
        if handler.event == former.event:
            now = [processes.get(handler._replace(event=event), 0) for event in former.events - {former.event}]
            if count > max(now, default=0):
                yield f"{count - max(now, default=0)} worker(s) that know {handler} by no other name"


def _workers_of_the_field(contracts: tuple[DeployedContract, ...], former: Former) -> Iterator[str]:
    for each in contracts:
        handler = HandlerId.parse(each.contract.handler)
        fields: object = (each.contract.schema or {}).get("properties")
        if handler.event in former.events and _holds(fields, former.field):
            yield f"{sum(one.processes for one in each.deployments)} worker(s) whose {handler} takes {former.field!r}"


async def _jobs(namespace: Namespace, former: Former) -> tuple[dict[str, JobCount], Counter[str]]:
    """Count the jobs under the former name: those that wait, and those that run, which may have to run again."""
    from upnext.broker.partition_count import PartitionCount  # noqa: PLC0415 - as above
    from upnext.broker.waiting_jobs import WaitingJobReader  # noqa: PLC0415

    judge = _judge(former)
    waiting: dict[str, JobCount] = {}
    running = Counter[str]()
    for number in range(await PartitionCount(namespace.partition(0)).served()):
        partition = namespace.partition(number)
        # A job that is claimed meanwhile is seen among the waiting or among the running ones.
        await WaitingJobReader(partition, judge, waiting, share=1.0).read()
        await _count_running(partition, judge, running)
    return waiting, running


async def _count_running(partition: Broker, judges: Judges, counts: Counter[str]) -> None:
    async for page in partition.jobs.running(lambda handler: judges(handler) is not None):
        for job in page:
            judge, envelope = judges(job.handler), await partition.jobs.payload(job)
            if judge is not None and judge((envelope and unpack(envelope)) or b""):
                counts[job.handler] += 1


def _judge(former: Former) -> Callable[[str], Judge | None]:
    def judge(identity: str) -> Judge | None:
        event = HandlerId.parse(identity).event
        if former.event:
            return (lambda _: "former") if event == former.event else None
        return (lambda payload: _holds(read_json(payload), former.field)) if event in former.events else None

    return judge


def _holds(payload: object, field: str) -> str:
    return "former" if isinstance(payload, dict) and field in cast("dict[str, object]", payload) else ""
