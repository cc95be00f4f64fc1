"""Names in other files that a file assigns something of upnext to: those files have to be analyzed again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class _Filled(NamedTuple):
    """The names filled in one file, and the files that fill them."""

    names: frozenset[str]
    fillers: frozenset[str]


_NOTHING = _Filled(frozenset(), frozenset())


@dataclass(slots=True)
class Fills:
    """Keeps, for each file, which names of other files it fills."""

    _by_filler: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict[str, "tuple[tuple[str, str], ...]"])
    _by_file: Mapping[str, _Filled] | None = None

    def note(self, filler: str, fills: Iterable[tuple[str, str]]) -> None:
        """Record what a file fills now: pairs of another file and a name in it."""
        found = tuple(fills)
        if found != self._by_filler.get(filler, ()):
            self._by_filler[filler] = found
            self._by_file = None

    def of(self, file: str) -> frozenset[str]:
        """Return the names of a file that are filled."""
        return self._all().get(file, _NOTHING).names

    def by(self, file: str) -> frozenset[str]:
        """Return the files that fill names of a file."""
        return self._all().get(file, _NOTHING).fillers

    def has_lost(self, filler: str, before: Fills) -> bool:
        """Whether a file no longer fills something that it filled before."""
        return not {*before._by_filler.get(filler, ())} <= {*self._by_filler.get(filler, ())}

    def files(self) -> set[str]:
        """Return the files that have filled names."""
        return {*self._all()}

    def changed(self, before: Fills) -> set[str]:
        """Return the files whose filled names have changed."""
        return {file for file in self.files() | before.files() if self.of(file) != before.of(file)}

    def _all(self) -> Mapping[str, _Filled]:
        if self._by_file is None:
            names: defaultdict[str, set[str]] = defaultdict(set)
            fillers: defaultdict[str, set[str]] = defaultdict(set)
            for filler, fills in self._by_filler.items():
                for file, name in fills:
                    names[file].add(name)
                    fillers[file].add(filler)
            self._by_file = {file: _Filled(frozenset(names[file]), frozenset(fillers[file])) for file in names}
        return self._by_file
