"""What payloads carry of the classes that fields reach: worked out per defining file, and cached.

A class can contain others that no handler's file leads to, so this runs after the handlers: from the classes of their
fields to those inside, until no new ones are found. A project whose fields contain no classes pays nothing for it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from upnext_codegen.files import record_json
from upnext_codegen.names.modules import ModuleRef, still_answers
from upnext_codegen.records import FileModels
from upnext_codegen.types import ClassFacts
from upnext_codegen.types.traversal import classes_in

if TYPE_CHECKING:
    from upnext_codegen.files.cache_format import Snapshot
    from upnext_codegen.files.file_index import FileIndex
    from upnext_codegen.names.modules import Modules
    from upnext_codegen.records import Resolved


@dataclass(frozen=True, slots=True)
class ReachedModels:
    """The classes that the fields of a project reach.

    Attributes:
        classes: Their facts, by "module:qualname".
        read: The files that were read for them.
        texts: For each of those that define some, what is kept for the next scan.
    """

    classes: dict[str, ClassFacts] = field(default_factory=dict[str, ClassFacts])
    read: frozenset[str] = frozenset()
    texts: Mapping[str, str] = field(default_factory=dict[str, str])


def reached_models(index: FileIndex, modules: Modules, parts: Iterable[Resolved], known: Snapshot) -> ReachedModels:
    """Work out what payloads carry of the classes that the fields of all handlers reach.

    Args:
        index: The files.
        modules: Their module names.
        parts: What was found in them.
        known: What earlier scans found out.
    """
    waiting = {name for part in parts for name in part.classes}
    if not waiting:
        return ReachedModels()
    work = _Work(index, modules)
    work.recall(known)
    while waiting:
        waiting = work.take(waiting)
    work.forget_others()
    held = {path: work.held[path] for path in sorted(work.asked)}
    return ReachedModels(
        dict(sorted(work.found.items())),
        frozenset(path for kept in held.values() for path in kept.read),
        {path: work.texts[path] for path in held},
    )


@dataclass(slots=True)
class _Work:
    """The search for reached classes.

    Attributes:
        index: The files.
        modules: Their module names.
        held: What each file's classes are, as far as that is known.
        texts: The same as it is kept.
        asked: For each file the classes in it that were asked for.
        found: What was found of the classes that were asked for.
    """

    index: FileIndex
    modules: Modules
    held: dict[str, FileModels] = field(default_factory=dict[str, FileModels])
    texts: dict[str, str] = field(default_factory=dict[str, str])
    asked: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict[str, set[str]](set))
    found: dict[str, ClassFacts] = field(default_factory=dict[str, ClassFacts])

    def recall(self, known: Snapshot) -> None:
        """Reuse unchanged results from the cache."""
        changed = self.index.changed() if self.index.has_changes else set[str]()
        for path, text in known.models.items():
            kept = _decoded(text)
            if kept is None or path in changed or not changed.isdisjoint(kept.read):
                continue
            if all(still_answers(self.modules, *each) for each in json.loads(kept.answers)):
                self.held[path], self.texts[path] = kept, text

    def take(self, names: set[str]) -> set[str]:
        """Find classes, and return those that they inherit from or contain and that are new."""
        files = {name: file for name in names if (file := _file_of(name, self.modules))}
        for name, file in files.items():
            self.asked[file].add(name)
        self._work_out([path for path in {*files.values()} if path not in self.held or self._lacks(path)])
        fresh = {name: self.held[file].classes[name] for name, file in files.items() if name in self.held[file].classes}
        self.found |= fresh
        inside = {name for facts in fresh.values() for name in _held_by(facts)}
        return {name for name in inside if (file := _file_of(name, self.modules)) and name not in self.asked[file]}

    def forget_others(self) -> None:
        """Compute again what an earlier scan had computed for more classes, so that nothing depends on that."""
        self._work_out([path for path, names in self.asked.items() if self.held[path].asked != frozenset(names)])

    def _lacks(self, path: str) -> bool:
        return not self.asked[path] <= self.held[path].asked

    def _work_out(self, paths: list[str]) -> None:
        if not paths:
            return
        from upnext_codegen.analyze_models import analyze_models  # noqa: PLC0415 - a warm run does without
        from upnext_codegen.files.file_index import ParseNote  # noqa: PLC0415
        from upnext_codegen.files.pool import PARSING, spread  # noqa: PLC0415
        from upnext_codegen.sources import Sources  # noqa: PLC0415

        index, sources = self.index, Sources(self.index)

        def job(path: str) -> tuple[str, dict[str, tuple[object, ...]]]:
            text = record_json.dumps(analyze_models(sources, self.modules, path, self.asked[path]))
            sources.trim()
            notes, index.notes = index.notes, {}
            return text, {each: tuple(note) for each, note in notes.items()}

        for path, (text, notes) in spread(job, sorted(paths), PARSING * index.size(paths)):
            for each, note in notes.items():
                index.take(each, ParseNote._make(note))
            index.notes = {}
            kept = _decoded(text)
            assert kept is not None, path
            self.held[path], self.texts[path] = kept, text
        sources.trim(0)


def _held_by(facts: ClassFacts) -> set[str]:
    """The bases of a class, and the classes in its fields."""
    inside = facts.model.fields if facts.model else ()
    return {
        f"{each.module}:{each.qualname}"
        for written in (*facts.bases, *(item.type for item in inside))
        for each in classes_in(written)
    }


def _file_of(name: str, modules: Modules) -> str:
    """The project's file that defines a class, "" for any other class."""
    found = modules.named(name.partition(":")[0])
    return found.file or "" if isinstance(found, ModuleRef) else ""


@lru_cache(maxsize=2_000)  # for `--watch`, which scans again and again in one process
def _decoded(text: str) -> FileModels | None:
    try:
        found = record_json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, FileModels) else None
