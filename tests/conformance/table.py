"""The tables of `docs/conformance.md`; the one of sends has a row a feature, a column a type checker."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from tests.installed import ROOT

PAGE = ROOT / "docs" / "conformance.md"

_FEATURE = "# feature: "
_START = "<!-- {} -->\n"


@dataclass
class Feature:
    """The sends of one feature.

    Attributes:
        lines: All lines of code about it, as "file:line".
        bad: Those of them that are marked as wrong.
    """

    lines: set[str] = field(default_factory=set[str])
    bad: set[str] = field(default_factory=set[str])


def features(project: Path) -> dict[str, Feature]:
    """Return the features of a project by name; a comment names the one that the lines below it are about.

    Files without such a comment are what the others import; a checker that reports anything there breaks the row of
    the declarations.
    """
    found: defaultdict[str, Feature] = defaultdict(Feature)
    for path in sorted(project.rglob("*.py")):
        name = "declarations of events, handlers, workers and models"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line.startswith(_FEATURE):
                name = line.removeprefix(_FEATURE)
            place = f"{path.relative_to(project).as_posix()}:{number}"
            found[name].lines.add(place)
            if line.endswith("# E"):
                found[name].bad.add(place)
    return found


def cell(feature: Feature, errors: frozenset[str]) -> str:
    """Say how one checker did on one feature."""
    missed, false = len(feature.bad - errors), len(feature.lines & errors - feature.bad)
    if not missed and not false:
        return "✔"
    return ", ".join(
        [*([f"{missed} of {len(feature.bad)} missed"] if missed else []), *([f"{false} false"] if false else [])]
    )


def column(checker: str, known: Mapping[str, Feature], errors: frozenset[str]) -> dict[str, str]:
    """Return what stands below the name of a checker, by row."""
    rows = {name: cell(feature, errors) for name, feature in known.items()}
    strangers = errors - {line for feature in known.values() for line in feature.lines}
    return {"version": version(checker), **rows, "the generated catalog itself": f"{len(strangers)} errors"}


def table(columns: Mapping[str, Mapping[str, str]], known: Mapping[str, Feature]) -> list[tuple[str, ...]]:
    """Return the lines of the table, its head first."""
    rows = list(dict.fromkeys(row for each in columns.values() for row in each))
    counts = {name: f"{len(feature.bad)}" for name, feature in known.items()}
    lines = [("feature", "wrong sends", *columns), ("---", "---:", *("---" for _ in columns))]
    return lines + [(row, counts.get(row, ""), *(each.get(row, "") for each in columns.values())) for row in rows]


def written(page: str, name: str) -> dict[str, dict[str, str]]:
    """Read the columns of one of its tables back from the page."""
    head, _, *rows = [_cells(line) for line in _between(page, name).splitlines()]
    return {column: {row[0]: row[place] for row in rows} for place, column in enumerate(head)}


def replaced(page: str, name: str, lines: Iterable[tuple[str, ...]]) -> str:
    """Return the page with one of its tables replaced, in Markdown."""
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return page.replace(_START.format(name) + _between(page, name), _START.format(name) + text)


def _between(page: str, name: str) -> str:
    return page.partition(_START.format(name))[2].partition(f"<!-- end of {name} -->")[0]


def _cells(line: str) -> list[str]:
    return [each.strip() for each in re.split(r"(?<!\\)\|", line)[1:-1]]
