"""Analyzes one file: what it declares, attaches, sends and exports, following its names into other files.

The analysis of one file uses only the exported names of others. In an import cycle the meaning of a name can depend on
where its resolution began, and a part must depend on nothing but the files that were read for it: then it stays valid
as long as they do not change, and can be computed in any process.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen import messages
from upnext_codegen.flow.calls import Calls
from upnext_codegen.flow.standing import Standings
from upnext_codegen.handlers.annotations import Annotations
from upnext_codegen.handlers.attach import Attacher, Found
from upnext_codegen.handlers.classes import Classes
from upnext_codegen.handlers.declare import is_name
from upnext_codegen.handlers.hidden_events import hidden_events
from upnext_codegen.handlers.signatures import Signatures
from upnext_codegen.handlers.sites import sites_of
from upnext_codegen.handlers.worker_uses import hands_workers
from upnext_codegen.names.evaluator import Evaluator
from upnext_codegen.names.exports import Consulted, Exported, Exports
from upnext_codegen.names.lookup import Lookup
from upnext_codegen.names.modules import RecordedModules
from upnext_codegen.reading.source import SourceError, compiles
from upnext_codegen.records import Place, Resolved

if TYPE_CHECKING:
    from upnext_codegen.names.modules import Modules
    from upnext_codegen.names.scopes import SourceModule
    from upnext_codegen.sources import Sources


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a file's part depends on, besides the files that are read for it.

    Attributes:
        modules: The project's module names.
        exports: Returns what a file exports, as far as that is known.
        holds_exports: Whether any file in a folder may export something. The folder ends with `/`.
        filled: Returns what other files put something of upnext into, of a file, as far as that is known.
        prefilter: Whether to skip names and lines that cannot matter.
    """

    modules: Modules
    exports: Callable[[str], frozenset[str]]
    holds_exports: Callable[[str], bool]
    filled: Callable[[str], frozenset[str]]
    prefilter: bool = True


@dataclass(slots=True)
class Analysis:
    """A file's part, and the exports of other files that it was computed with."""

    part: Resolved
    consulted: Consulted = field(default_factory=dict[tuple[str, str], "bool | frozenset[str]"])


def analyze_file(sources: Sources, around: Surroundings, file: str) -> Analysis:
    """Find what a file declares, attaches, sends and exports.

    Args:
        sources: Parses files.
        around: What the result depends on besides files.
        file: The path of the file.
    """
    return _analysis(sources, around, file, _take_in)


def find_exports(sources: Sources, around: Surroundings, file: str) -> Analysis:
    """Find what a file exports and nothing else, which is faster. The arguments are those of `analyze_file`."""
    return _analysis(sources, around, file, None)


def _analysis(
    sources: Sources,
    around: Surroundings,
    file: str,
    take_in: Callable[[SourceModule, Exports, Classes, Found], None] | None,
) -> Analysis:
    read: set[str] = set()

    def load(path: str) -> SourceModule | None:
        read.add(path)
        return sources.load(path)

    modules = RecordedModules(around.modules)
    evaluator = Evaluator(Lookup(modules, load))
    exports = Exports(evaluator, around.exports, around.holds_exports, around.filled, everything=not around.prefilter)
    classes = Classes(Annotations(evaluator))
    found = Found()
    exported = Exported()
    module = load(file)
    try:
        if module is not None:
            if take_in is not None:
                take_in(module, exports, classes, found)
            exported = exports.found_in(module)
            if found.has_content:
                compiles(module.text)
    except SourceError as error:
        found = Found(findings=[messages.unreadable(Place(file, error.line, error.column), error.reason)])
    except RecursionError:  # Each lookup is bounded, but nested ones can still exceed the recursion limit.
        found = Found(findings=[messages.unreadable(Place(file, 1, 1), "its names lead further than can be followed")])
    exports.release()
    part = Resolved(
        tuple(found.declarations),
        # An event whose name is not allowed counts as absent, and its handlers with it.
        tuple(handler for handler in found.handlers if is_name(handler.event)),
        tuple(found.sends),
        tuple(found.tasks),
        frozenset(found.hidden),
        frozenset(found.refused),
        tuple(found.findings),
        tuple(sorted(found.workers)),
        classes.known,
        tuple(sorted(exported.names)),
        exported.modules,
        tuple(sorted(read)),
        json.dumps(sorted(modules.answers.items()), separators=(",", ":")),
        tuple(found.upcasters),
        tuple(sorted(found.fills)),
    )
    return Analysis(part, exports.consulted)


def _take_in(module: SourceModule, exports: Exports, classes: Classes, found: Found) -> None:
    """Find what a file declares, attaches and sends."""
    evaluator = exports.evaluator
    calls = Calls(evaluator.lookup, exports, Standings())
    attacher = Attacher(evaluator, exports, Signatures(classes.annotations, classes), calls, found)
    for site in sites_of(module, exports):
        attacher.take(site)
    found.hidden.update(hidden_events(module, exports))
    found.fills.update(attacher.filling.by_statements(module))
    if hands_workers(module):
        found.workers.add("")
