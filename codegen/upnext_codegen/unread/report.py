"""Events that are reached through modules which are not read: UPN005 and UPN006.

A module that the sources import may be left out, or may not be found although a file of the project ends like its name.
Whether that matters is not guessed: such modules are read as if they counted, and if anything is then declared or
attached that was not, the imports that lead there are reported.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from upnext_codegen import messages
from upnext_codegen.reading.source import SourceError, tree_of
from upnext_codegen.reading.tree import walk
from upnext_codegen.records import Place
from upnext_codegen.unread.missing import Missing, roots_for
from upnext_codegen.unread.named import modules_in_texts
from upnext_codegen.unread.used import is_used

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from upnext_codegen.files.discover import SourceFile
    from upnext_codegen.files.file_index import FileIndex
    from upnext_codegen.findings import Finding
    from upnext_codegen.names.modules import Modules
    from upnext_codegen.records import Resolved
    from upnext_codegen.unread.missing import MissingImports

    Parts: TypeAlias = Mapping[str, Resolved]
    Again: TypeAlias = Callable[[Iterable[SourceFile], Mapping[tuple[str, str], Sequence[str]]], Parts]


class Report(NamedTuple):
    """What is reported.

    Attributes:
        findings: The findings.
        lasts: Whether they stay the same as long as the files that are read do.
    """

    findings: tuple[Finding, ...]
    lasts: bool


def unread(missing: MissingImports, index: FileIndex, modules: Modules, parts: Parts, again: Again) -> Report:
    """Report the imports through which events are reached that are not seen.

    Args:
        missing: The imports that lead to files which are not read for them.
        index: The files that are read.
        modules: Their module names.
        parts: What each file declares and attaches.
        again: Works those out with more files, and with more import roots for some imports (`Modules.supposed`).
    """
    places = _places(index, missing.imports, parts)
    if not places:
        return Report((), not missing.looked_beyond)
    supposed = again(missing.files, roots_for(places))
    gains = {path: gained for path, part in supposed.items() if (gained := _gained(part, parts.get(path)))}
    reported: dict[Place, tuple[Missing, list[str]]] = {}
    for each, place in places.items():
        events = _events_through(each, missing.behind(each.target), gains, supposed)
        if events and each.file in index.files:
            # `from shop import events` imports the package as well; the longest name says most.
            reported[place] = max(
                reported.get(place, (each, events)), (each, events), key=lambda one: len(one[0].module)
            )
    roots = sorted({each.root for each, _ in reported.values() if each.root and not each.reason})
    findings = [_finding(modules, place, each, events, roots) for place, (each, events) in reported.items()]
    return Report(tuple(findings), not missing.looked_beyond)


def _gained(part: Resolved, before: Resolved | None) -> list[str]:
    """Return the events that a file declares or attaches to in one scan and not in another."""
    more = _uses(part) - (set() if before is None else _uses(before))
    return sorted({event for event, _ in more})


def _uses(part: Resolved) -> set[tuple[str, Place]]:
    return {(each.event, each.place) for each in part.declarations} | {
        (each.event, each.place) for each in part.handlers
    }


def _events_through(missed: Missing, behind: frozenset[str], gains: Mapping[str, list[str]], parts: Parts) -> list[str]:
    """Return the events that are lost because of an import.

    Args:
        missed: The import.
        behind: The files that it leads to.
        gains: For each file the events that it declares or attaches to if those are read.
        parts: All that is found then.
    """
    found: set[str] = set()
    for path, events in gains.items():
        read = parts[path].read
        reached = path == missed.file or missed.file in read
        if (missed.reason and path in behind) or (reached and not behind.isdisjoint(read)):
            found.update(events)
    return sorted(found)


def _finding(modules: Modules, place: Place, missed: Missing, events: list[str], more: list[str]) -> Finding:
    """Report an import; `more` are the import roots that all of them together ask for."""
    if missed.reason:
        return messages.left_out(place, missed.module, missed.target, missed.reason, events)
    roots = [root for root in modules.roots if root or len(modules.roots) > 1]
    return messages.not_found(place, missed.module, missed.target, [*roots, *more], events)


def _places(index: FileIndex, imports: Sequence[Missing], parts: Parts) -> dict[Missing, Place]:
    """Find the statements and calls that import modules, without what only looks like one in a text or a comment."""
    by_file: defaultdict[str, list[Missing]] = defaultdict(list)
    for each in imports:
        by_file[each.file].append(each)
    found: dict[Missing, Place] = {}
    for file, missed in by_file.items():
        try:
            _, tree = tree_of((index.root / file).read_bytes())
        except (OSError, SourceError, RecursionError):
            found.update(dict.fromkeys(missed, Place(file, 1, 1)))
            continue
        nodes = [node for node in walk(tree) if isinstance(node, ast.Import | ast.ImportFrom | ast.Call)]
        named = {name: node for name, node in modules_in_texts(tree) if name in {each.module for each in missed}}
        for each in missed:
            exports = None if each.reason else frozenset(parts[each.target].exports)
            statement = next((node for node in nodes if _leads_to(node, each, exports, tree, index)), None)
            node = named.get(each.module) if statement is None and each.reason else statement
            if node is not None:
                found[each] = Place(file, node.lineno, node.col_offset + 1)
    return found


def _leads_to(
    node: ast.Import | ast.ImportFrom | ast.Call,
    missed: Missing,
    exports: frozenset[str] | None,
    tree: ast.Module,
    index: FileIndex,
) -> bool:
    """Whether a statement or call imports a module, and what it exports is used, if that is known."""
    if not _imports(node, missed.module, exports):
        return False
    return exports is None or not isinstance(node, ast.Import) or is_used(node, missed, exports, tree, index)


def _imports(node: ast.Import | ast.ImportFrom | ast.Call, module: str, exports: frozenset[str] | None) -> bool:
    """Whether a statement or call imports a module, or one of the names that it exports, if those are known."""
    match node:
        case ast.Import(names):
            return any(module == alias.name or module.startswith(f"{alias.name}.") for alias in names)
        case ast.ImportFrom(name, names, level):
            base = "." * (level or 0) + (name or "")
            dotted = base if base.endswith(".") else f"{base}."
            taken = {alias.name for alias in names}
            if module == base and (exports is None or not taken.isdisjoint({*exports, "*"})):
                return True
            return any(module == dotted + name for name in taken)
        case ast.Call(ast.Name(called) | ast.Attribute(_, called), [ast.Constant(str() as name), *_]):
            is_import = called in {"import_module", "__import__"}
            return is_import and (module == name or module.startswith(f"{name}."))
        case _:
            return False
