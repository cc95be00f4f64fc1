"""All files' parts of a scan: those that still hold are taken from the cache, the others worked out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from upnext_codegen.files import encoding
from upnext_codegen.files.known import Known
from upnext_codegen.files.store import Note
from upnext_codegen.names.modules import is_still
from upnext_codegen.names.suspicion import FIRST
from upnext_codegen.records import Resolved

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from upnext_codegen.files.store import Store


@dataclass(slots=True)
class Resolution:
    """Works out the parts of all files that can matter.

    Attributes:
        store: The files.
    """

    store: Store
    _parts: dict[str, Resolved] = field(default_factory=dict[str, Resolved])
    _texts: dict[str, str] = field(default_factory=dict[str, str])
    _suspects: frozenset[str] = FIRST
    _modules: str = ""
    _relevant: Sequence[str] = ()

    def parts(self) -> list[Resolved]:
        """Work them out, in the order of their files."""
        store, known = self.store, self.store.known
        self._modules = _digest((store.modules.roots, store.modules.catalog, sorted(store.modules.files.items())))
        self._suspects = FIRST.union(known.suspects)
        self._relevant = known.relevant
        self._recall()
        if store.looked or known.modules != self._modules or len(self._parts) < len(known.resolved):
            self._complete()
        return [self._parts[path] for path in sorted(self._parts)]

    def known(self) -> Known:
        """What the next scan can make use of; not before `parts`."""
        texts = {path: self._texts[path] for path in sorted(self._parts)}
        return Known(self.store.entries, texts, sorted(self._given() | FIRST), self._modules, self._relevant)

    def _recall(self) -> None:
        """Take from the cache what is as it was: the file, those that it leads to, and what its imports mean."""
        known, modules = self.store.known, self.store.modules
        changed = self.store.changed() if self.store.looked else set[str]()
        for path, text in known.resolved.items():
            part = _decoded(text)
            if part is None or path in changed or not changed.isdisjoint(part.read):
                continue
            if known.modules == self._modules or all(is_still(modules, *each) for each in json.loads(part.asked)):
                self._parts[path], self._texts[path] = part, text

    def _complete(self) -> None:
        """Work out what is missing, until no file gives names away that others have not been looked at for."""
        store = self.store
        if store.reshaped or store.known.modules != self._modules:
            self._relevant = store.relevant()
        wanted = list(self._relevant)
        # Most names are given where upnext is imported, and what is known of them early need not be done twice.
        self._work_out(self.store.mentioning())
        while True:
            self._work_out(wanted)
            self._parts = {path: self._parts[path] for path in wanted}
            aliases = {path: part.aliases for path, part in self._parts.items() if part.aliases}
            more = set(self.store.users_of(aliases)) - set(wanted) if aliases else set[str]()
            if not more:
                return
            wanted = sorted({*wanted, *more})

    def _work_out(self, paths: list[str]) -> None:
        while True:
            missing = [path for path in paths if path not in self._parts]
            for path, part, text in self._worked_out(missing):
                self._parts[path], self._texts[path] = part, text
            fresh = self._given() - self._suspects
            if not fresh:
                return
            self._suspects |= fresh
            self._drop(fresh)

    def _worked_out(self, paths: list[str]) -> Iterable[tuple[str, Resolved, str]]:
        if not paths:
            return
        from upnext_codegen.files.pool import is_large, spread  # noqa: PLC0415 - a run that reads nothing does without
        from upnext_codegen.resolve import resolve  # noqa: PLC0415

        store, suspects = self.store, self._suspects
        size = store.size(paths)

        def job(path: str) -> tuple[str, dict[str, tuple[Any, ...]]]:
            text = encoding.dumps(resolve(store, suspects, path))
            if is_large(size):
                store.forget(path)
            notes, store.notes = store.notes, {}
            # Plain tuples take a tenth of the time on their way from one process to the other.
            return text, {each: tuple(note) for each, note in notes.items()}

        for path, (text, notes) in spread(job, paths, size):
            for each, note in notes.items():
                store.take(each, Note._make(note))
            store.notes = {}
            part = _decoded(text)
            assert part is not None, path
            yield path, part, text

    def _given(self) -> frozenset[str]:
        return frozenset(name for part in self._parts.values() for name in part.given)

    def _drop(self, names: frozenset[str]) -> None:
        """Forget the parts that may look different with these names suspected."""
        read = {path for part in self._parts.values() for path in part.read}
        holding = set(self.store.containing(names, sorted(read)))
        self._parts = {path: part for path, part in self._parts.items() if holding.isdisjoint(part.read)}


@lru_cache(maxsize=20_000)  # for `--watch`, which scans again and again in one process
def _decoded(text: str) -> Resolved | None:
    try:
        part = encoding.loads(text)
    except ValueError:
        return None
    return part if isinstance(part, Resolved) else None


def _digest(value: object) -> str:
    return hashlib.blake2b(repr(value).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
