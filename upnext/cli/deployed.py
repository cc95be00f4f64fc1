"""Reads a server for `upnext gen --against URL`: the contracts of its workers, and the waiting jobs."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from upnext.broker.handler_id import HandlerId
from upnext.cli.connection import ask_at, described
from upnext.cli.contracts import published
from upnext.errors import BrokerError, ConfigError
from upnext.limits import MAX_JOBS_CHECKED
from upnext_codegen.deployed.payload_check import PayloadChecks
from upnext_codegen.deployed.snapshot import DeployedState, WaitingJobs

if TYPE_CHECKING:
    from upnext.broker.contracts import Fleet
    from upnext.broker.namespace import Namespace
    from upnext.broker.waiting_jobs import JobCount, Judge, Judges
    from upnext_codegen.records import Handler, Scan, Task


class Deployed(NamedTuple):
    """What a server has.

    Attributes:
        snapshot: That.
        note: What was looked at, in a sentence.
    """

    snapshot: DeployedState
    note: str


def read_deployed(url: str, namespace: str | None, scan: Scan) -> Deployed:
    """Read what a server has, and check waiting jobs against the handlers of the sources. Writes nothing.

    Args:
        url: The server's address.
        namespace: The namespace; that of the environment by default.
        scan: What was read from the sources.

    Raises:
        ConfigError: If the address cannot be used, the server cannot be reached or rejects this client, or what it has
            cannot be read.
    """
    from upnext.settings import load, without_password  # noqa: PLC0415 - redis-py takes long to import

    settings = load(redis_url=url)
    if namespace is not None:
        settings = dataclasses.replace(settings, namespace=namespace)
    try:
        return asyncio.run(ask_at(settings, lambda found: _read(found, scan), say=False))
    except BrokerError as error:
        raise ConfigError(f"--against {without_password(url)}: {error}") from error


async def _read(namespace: Namespace, scan: Scan) -> Deployed:
    from upnext.broker.contracts import ContractStore  # noqa: PLC0415 - commands import what they need

    fleet = await ContractStore(namespace.partition(0)).read()
    counts, waiting = await _jobs(namespace, judges_of(scan))
    where = described(namespace)
    source = f"{where['server']} (namespace {where['namespace']})"
    jobs = tuple(_as_jobs(handler, count) for handler, count in sorted(counts.items()))
    snapshot = DeployedState(source, tuple(map(published, fleet.contracts)), fleet.silent, jobs)
    return Deployed(snapshot, _note(source, fleet, waiting, sum(count.checked.total() for count in counts.values())))


async def _jobs(namespace: Namespace, judges: Judges) -> tuple[dict[str, JobCount], int]:
    """Examine the waiting jobs; return the counts by handler, and their number."""
    from upnext.broker.partition_count import PartitionCount  # noqa: PLC0415 - commands import what they need
    from upnext.broker.waiting_jobs import WaitingJobReader, count_waiting  # noqa: PLC0415

    served = await PartitionCount(namespace.partition(0)).served()
    partitions = list(map(namespace.partition, range(served)))
    total = sum([await count_waiting(partition) for partition in partitions])
    share = min(1.0, MAX_JOBS_CHECKED / total) if total else 1.0
    counts: dict[str, JobCount] = {}
    for partition in partitions:
        await WaitingJobReader(partition, judges, counts, share).read()
    return counts, total


def judges_of(scan: Scan) -> Judges:
    """Return the payload checks of each handler and task in the sources."""
    handlers: defaultdict[str, list[Handler | Task]] = defaultdict(list)
    for handler in scan.received:
        handlers[str(HandlerId(handler.worker, handler.event, handler.name))].append(handler)
    for task in scan.tasks:
        handlers[str(HandlerId(task.worker, "", task.name))].append(task)
    checks, upcasts = PayloadChecks(scan.classes), scan.upcasts

    @cache
    def judge(identity: str) -> Judge | None:
        if identity not in handlers:
            return None
        return checks.of(handlers[identity], upcasts.get(HandlerId.parse(identity).event, ()))

    return judge


def _as_jobs(handler: str, count: JobCount) -> WaitingJobs:
    worker, event, name = HandlerId.parse(handler)
    return WaitingJobs((worker, event, name), dict(count.found), dict(count.checked), dict(count.refused))


def _note(source: str, fleet: Fleet, waiting: int, checked: int) -> str:
    handlers = len({each.contract.handler for each in fleet.contracts})
    processes = f"{fleet.processes:,} process{'' if fleet.processes == 1 else 'es'}"
    deployed = f"the contracts of {processes} ({handlers:,} handlers and tasks)" if handlers else "no contract"
    sample = " (a sample)" if waiting > MAX_JOBS_CHECKED else ""
    jobs = f"the payloads of {checked:,} of {waiting:,} jobs that wait{sample}" if waiting else "no jobs that wait"
    return f"compared with {deployed} and {jobs} at {source}"
