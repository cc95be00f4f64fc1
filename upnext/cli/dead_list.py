"""`upnext dead list`: which jobs died, when and why, and how often each error occurs."""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upnext.broker.protocols import REASONS, DeadLetterFilter, DeadLetterPage, DeadLetterPlace
from upnext.cli import exits
from upnext.cli.connection import ask, described
from upnext.cli.moments import moment, since, since_ms
from upnext.cli.numbers import dead_letters, positive
from upnext.cli.selection import say_if_unknown
from upnext.cli.table import table
from upnext.cli.terminal import coloured, terminal_width, visible

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from datetime import datetime

    from upnext.broker.claims import DeadLetter
    from upnext.broker.namespace import Namespace
    from upnext.broker.partial_results import PartialResultError

NAMES = ("job_id", "event_id", "event", "handler", "attempts", "reason")
_COLUMNS = ("died", "job", "event", "handler", "attempts", "reason", "error")
_ELASTIC = ("error", "event", "handler")
_MOST_ERRORS = 1000
"""Different errors that are counted; further ones count as `other`."""

_SHOWN = 100
"""Dead letters that a table shows unless told otherwise, as many as `upnext jobs list` shows jobs."""

_PAGE = 500
_MOST_PAGES = 10  # of dead letters that are searched for the wanted ones
_SHOWN_ERRORS = 10
_LONGEST = 200
"""Characters of an error that a list shows."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `upnext dead list`."""
    add_filters(parser)
    parser.add_argument(
        "--limit", type=positive, metavar="N", help=f"only the N that died last (default: {_SHOWN}, all as JSON)"
    )
    parser.set_defaults(command=list_all)


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Add the options that select dead letters."""
    parser.add_argument("--event", metavar="NAME", help="only those of this event")
    parser.add_argument("--handler", metavar="NAME", help="only those of this handler (or worker|event|handler)")
    parser.add_argument(
        "--reason", choices=REASONS, metavar="REASON", help=f"only those that died of this: {', '.join(REASONS)}"
    )
    parser.add_argument(
        "--since", type=since, metavar="WHEN", help="only those that died since: 30m, 2h, 7d, or a time"
    )


@dataclass(frozen=True, slots=True)
class Selection:
    """A selection of dead letters.

    Attributes:
        event: Only those of this event.
        handler: Only those of this handler: its name, or its identity `worker|event|name`.
        reason: Only those that died of this.
        since: Only those that died since: seconds before now, or a moment.
    """

    event: str | None = None
    handler: str | None = None
    reason: str | None = None
    since: float | datetime | None = None

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Selection:
        """Read it from the command line."""
        return cls(arguments.event, arguments.handler, arguments.reason, arguments.since)

    def __bool__(self) -> bool:
        """Whether any filter is given."""
        return self != Selection()


async def selected(
    namespace: Namespace, selection: Selection, *, died_before: float = math.inf
) -> AsyncIterator[list[tuple[DeadLetter, float]]]:
    """Read the selected dead letters, with the server's time of each death in ms, in bounded pages."""
    letters = namespace.dead_letters
    died_since = since_ms(selection.since, 0 if selection.since is None else await letters.now())
    wanted = DeadLetterFilter(selection.event, selection.handler, died_since, died_before)
    async for page in letters.dated_pages(wanted):
        yield [entry for entry in page if selection.reason in {None, entry[0].reason}]


async def newest(
    namespace: Namespace, selection: Selection, after: DeadLetterPlace | None, count: int
) -> DeadLetterPage:
    """Read a page of the selection, the most recent first, examining a bounded number of dead letters.

    Args:
        namespace: The namespace.
        selection: Which of them.
        after: Where an earlier page ended; None for the first.
        count: How many are wanted; a page may hold fewer, or none, and have an end from which to go on.
    """
    now = 0.0 if selection.since is None else await namespace.dead_letters.now()
    wanted = DeadLetterFilter(selection.event, selection.handler, since_ms(selection.since, now))
    letters: list[tuple[DeadLetter, float]] = []
    for most in (count, *(_PAGE,) * _MOST_PAGES):
        page = await namespace.dead_letters.newest(wanted, after, most)
        found = [entry for entry in page.letters if selection.reason in {None, entry[0].reason}]
        room, after = count - len(letters), page.end
        letters += found[:room]
        if len(found) > room or (after is not None and len(letters) == count):
            last, died = letters[-1]
            return DeadLetterPage(letters, DeadLetterPlace(died, last.job_id), page.unseen)
        if after is None or page.unseen:
            return DeadLetterPage(letters, after, page.unseen)
    return DeadLetterPage(letters, after)


def list_all(arguments: argparse.Namespace) -> int:
    """Run the command: page by page, so that a million dead letters need next to no memory."""
    report: _Text | _Json = _Json() if arguments.format == "json" else _Text()
    ask(arguments, lambda namespace: _list(namespace, arguments, report))
    return exits.CLEAN


async def _list(namespace: Namespace, arguments: argparse.Namespace, report: _Text | _Json) -> None:
    from upnext.broker.partial_results import PartialResultError  # noqa: PLC0415 - commands import what they need

    report.begin(described(namespace))
    errors, unreachable = Errors(), None
    limit: int | None = arguments.limit or (None if arguments.format == "json" else _SHOWN)
    latest: deque[tuple[DeadLetter, float]] = deque()
    try:
        async for page in selected(namespace, Selection.of(arguments)):
            errors.count(letter for letter, _ in page)
            if limit is None:
                report.add(page)
            else:
                # Partition by partition, so that the last of one may be older than the first of the next.
                found = sorted([*latest, *page], key=lambda entry: entry[1])
                latest = deque(found, maxlen=limit)
    except PartialResultError as error:
        unreachable = error
    if latest:
        report.add(list(latest))
    report.end(errors, unreachable)
    if not errors.most_common() and unreachable is None:
        await say_if_unknown(namespace, arguments.handler, arguments.event)
    if unreachable is not None:
        raise unreachable


class Errors:
    """Counts the causes of death, by type of error and handler."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def count(self, letters: Iterable[DeadLetter]) -> None:
        """Count the errors of these dead letters."""
        for letter in letters:
            key = (error_type(letter), letter.handler)
            self._counts[key if key in self._counts or len(self._counts) < _MOST_ERRORS else ("other", "")] += 1

    def most_common(self) -> list[tuple[str, str, int]]:
        """Return error, handler and count, the most frequent first."""
        return [(error, handler, count) for (error, handler), count in self._counts.most_common()]


def error_type(letter: DeadLetter) -> str:
    """Return the type of an error, from the beginning of its text; the reason if nothing was raised."""
    head, colon, _ = first_line(letter.error).partition(":")
    return head[:_LONGEST] if (colon or head) and " " not in head else letter.reason


def first_line(error: str) -> str:
    """Return as much of an error as fits into a list."""
    return (error.splitlines() or [""])[0][:_LONGEST]


class _Json:
    """Writes the list as one JSON object, incrementally; nothing before the first dead letter was read."""

    def begin(self, where: dict[str, str]) -> None:
        self._before, self._between = f'{json.dumps(where)[:-1]}, "dead_letters": [', ""

    def add(self, page: list[tuple[DeadLetter, float]]) -> None:
        for letter, died in page:
            row: dict[str, Any] = {name: getattr(letter, name) for name in NAMES}
            row |= {"died_at": moment(died), "error": letter.error, "where": letter.where}
            print(f"{self._before}{self._between}\n  {json.dumps(row)}", end="")
            self._before, self._between = "", ","

    def end(self, errors: Errors, unreachable: PartialResultError | None) -> None:
        rest: dict[str, Any] = {
            "errors": [{"error": error, "handler": name, "count": n} for error, name, n in errors.most_common()]
        }
        if unreachable is not None:
            rest["unreachable"] = [{"partition": one.partition, "reason": one.reason} for one in unreachable.unseen]
        print(f"{self._before}{self._between and chr(10)}], {json.dumps(rest)[1:]}")


class _Text:
    """Writes the list as a table, followed by the errors by frequency."""

    def begin(self, _: dict[str, str]) -> None:
        self._width, self._written = terminal_width(), 0

    def add(self, page: list[tuple[DeadLetter, float]]) -> None:
        rows = [
            (
                moment(died)[:19],
                letter.job_id,
                letter.event,
                letter.handler,
                letter.attempts,
                letter.reason,
                first_line(letter.error),
            )
            for letter, died in page
        ]
        lines = list(table(_COLUMNS, rows, self._width, _ELASTIC)) if rows else []
        for line in lines[1 if self._written else 0 :]:
            print(line)
        self._written += len(rows)

    def end(self, errors: Errors, unreachable: PartialResultError | None) -> None:
        if not self._written:
            if unreachable is None:
                print("No dead letters.")
            return
        counted = errors.most_common()
        total = sum(count for *_, count in counted)
        if self._written < total:
            print(f"These {self._written:,} died last; see --limit, --since, --event, --handler and --reason.")
        print()
        print(coloured("bold", f"Errors of {dead_letters(total)}"))
        rows = [(count, error, handler) for error, handler, count in counted[:_SHOWN_ERRORS]]
        for line in table(("count", "error", "handler"), rows, self._width, ("error", "handler")):
            print(line)
        if len(counted) > _SHOWN_ERRORS:
            print(f"and {len(counted) - _SHOWN_ERRORS:,} more; --format json shows all")


def unknown(job_id: str) -> str:
    """Report that there is no such dead letter."""
    return f"No dead letter with id {visible(job_id)}; run `upnext dead list`."


async def refusals(namespace: Namespace, job_ids: Sequence[str]) -> list[str]:
    """Report for each of these ids that there is no such dead letter, and which job replaces it, if any."""
    stand_ins = [await namespace.results_of(job_id).stand_in(job_id) for job_id in job_ids]
    return [
        unknown(job_id)
        if other is None
        else f"No dead letter with id {visible(job_id)}: it runs as {visible(other)} now, or ended as that."
        for job_id, other in zip(job_ids, stand_ins, strict=True)
    ]
