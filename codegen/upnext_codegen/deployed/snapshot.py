"""A snapshot of a server: the deployed contracts, and the waiting jobs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias, cast

from upnext_codegen.deployed.fleet import PublishedContract

Identity: TypeAlias = tuple[str, str, str]
"""Worker, event ("" for a task) and name."""

DEAD = "dead"
"""The state of jobs that run again only where somebody replays them."""

STATES = ("waiting", "delayed", "retrying", DEAD)
"""How a job that was looked at can stand."""


class WaitingJobs(NamedTuple):
    """The jobs of one handler that wait.

    Attributes:
        handler: Whose.
        found: How many there are, by state.
        checked: How many of them were looked at, by state.
        refused: How many of those the handler cannot take, by state and reason.
    """

    handler: Identity
    found: Mapping[str, int]
    checked: Mapping[str, int]
    refused: Mapping[tuple[str, str], int]

    @property
    def waiting(self) -> int:
        """How many run by themselves, once a worker takes them or they fall due."""
        return sum(count for state, count in self.found.items() if state != DEAD)

    @property
    def dead(self) -> int:
        """How many dead letters there are."""
        return self.found.get(DEAD, 0)


class DeployedState(NamedTuple):
    """What is deployed in one place.

    Attributes:
        source: Which place, without any password.
        published: The contracts of the living workers.
        silent: How many processes say nothing of theirs, by their worker's name.
        jobs: The jobs that wait, by handler.
    """

    source: str
    published: tuple[PublishedContract, ...]
    silent: Mapping[str, int]
    jobs: tuple[WaitingJobs, ...] = ()


def is_saved(data: Mapping[str, Any]) -> bool:
    """Return whether a JSON object is what `upnext contracts list --format json` prints."""
    return "contracts" in data and "namespace" in data


def read_saved(source: str, data: Mapping[str, Any]) -> DeployedState:
    """Read what `upnext contracts list --format json` printed; it contains no jobs.

    Raises:
        ValueError: If it is something else.
    """
    try:
        silent = {str(worker): int(count) for worker, count in cast("dict[str, Any]", data["silent"]).items()}
        return DeployedState(source, tuple(_published(each) for each in data["contracts"]), silent)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no contracts: {type(error).__name__} at {error}") from error


def _published(each: Mapping[str, Any]) -> PublishedContract:
    deployed: list[Mapping[str, Any]] = each["deployed"]
    since = [datetime.fromisoformat(one["since"]).timestamp() for one in deployed]
    return PublishedContract(
        worker=str(each["worker"]),
        event=str(each["event"] or ""),
        name=str(each["handler"]),
        module=str(each["module"]),
        schema=each["schema"],
        releases=tuple(str(one["release"]) for one in deployed),
        since=min(since, default=0.0),
        upcasts=tuple(each.get("upcasts", ())),
    )
