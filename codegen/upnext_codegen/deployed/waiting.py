"""Waiting jobs that the new handlers cannot take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from upnext_codegen.deployed.orders import TWO_RELEASES
from upnext_codegen.deployed.snapshot import DEAD, STATES, Identity, WaitingJobs
from upnext_codegen.findings import Finding
from upnext_codegen.records import Place

_MOST_REASONS = 5


def refused_jobs(
    jobs: Iterable[WaitingJobs], places: Mapping[Identity, Place], served: set[Identity]
) -> Iterator[Finding]:
    """Report UPN432, once for each handler.

    Args:
        jobs: The jobs that wait.
        places: The handlers of the new code, with their places.
        served: The handlers that workers run now.
    """
    for each in jobs:
        if each.refused and each.handler in places:
            yield _finding(each, places[each.handler], is_served=each.handler in served)


def _finding(jobs: WaitingJobs, place: Place, *, is_served: bool) -> Finding:
    _, event, name = jobs.handler
    states, reasons = Counter[str](), Counter[str]()
    for (state, reason), count in jobs.refused.items():
        states[state] += count
        reasons[reason] += count
    total, checked_jobs = states.total(), sum(jobs.checked.values())
    kinds = ", ".join(f"{states[state]:,} {state}" for state in STATES if states[state])
    most = sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))
    listed = "; ".join(f"{reason} ({count:,})" for reason, count in most[:_MOST_REASONS])
    more = f"; {len(most) - _MOST_REASONS} more reasons" if len(most) > _MOST_REASONS else ""
    who, jobs_of = (f'handler "{name}"', f'jobs of "{event}"') if event else (f'task "{name}"', "jobs")
    stand = "that wait or are dead letters" if DEAD in states else "that wait"
    return Finding.of(
        code="UPN432",
        severity="warning" if set(states) == {DEAD} else "error",
        message=f"{who} cannot take {total:,} of {checked_jobs:,} {jobs_of} {stand} ({kinds}): {listed}{more}",
        place=place,
        help=_way_out(states, is_served=is_served),
    )


def _way_out(states: Counter[str], *, is_served: bool) -> str:
    dead = "replay or purge the dead letters before: nothing empties them by itself"
    if set(states) == {DEAD}:
        return dead
    order = (
        "senders first, then let the workers that run now empty the queue, then deploy the workers"
        if is_served
        else f"no worker takes them now; {TWO_RELEASES}"
    )
    return f"{order}; {dead}" if DEAD in states else order
