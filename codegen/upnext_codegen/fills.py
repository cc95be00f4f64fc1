"""What files put something of upnext into: names of other files, which those have to be asked about again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Fills:
    """Keeps, for each file that fills names of others, which."""

    _by_filler: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict[str, "tuple[tuple[str, str], ...]"])
    _by_file: dict[str, frozenset[str]] | None = None

    def note(self, filler: str, fills: Iterable[tuple[str, str]]) -> None:
        """Note what a file fills now."""
        found = tuple(fills)
        if found != self._by_filler.get(filler, ()):
            self._by_filler[filler] = found
            self._by_file = None

    def of(self, file: str) -> frozenset[str]:
        """What is filled of a file."""
        return self._all().get(file, frozenset())

    def by(self, file: str) -> set[str]:
        """The files that fill something of a file."""
        return {filler for filler, fills in self._by_filler.items() if any(each == file for each, _ in fills)}

    def has_lost(self, filler: str, before: Fills) -> bool:
        """Whether a file does not fill any more something that it filled before."""
        return not {*before._by_filler.get(filler, ())} <= {*self._by_filler.get(filler, ())}

    def files(self) -> set[str]:
        """The files that something is filled of."""
        return {*self._all()}

    def changed(self, before: Fills) -> set[str]:
        """The files of which something else was filled before."""
        now, then = self._all(), before._all()
        return {file for file in now.keys() | then.keys() if now.get(file) != then.get(file)}

    def _all(self) -> dict[str, frozenset[str]]:
        if self._by_file is None:
            found: defaultdict[str, set[str]] = defaultdict(set)
            for fills in self._by_filler.values():
                for file, name in fills:
                    found[file].add(name)
            self._by_file = {file: frozenset(names) for file, names in found.items()}
        return self._by_file
