"""Events that are reached only through modules that are not read: UPN005 and UPN006.

A module that the sources import may be left out, or may not be found although the path of some file ends like its
name. Whether that matters is not guessed: such modules are read as if they counted, and if that declares or attaches
anything new, the imports that lead there are reported.
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
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from upnext_codegen.files.discover import SourceFile
    from upnext_codegen.files.file_index import FileIndex
    from upnext_codegen.findings import Finding
    from upnext_codegen.names.modules import Modules
    from upnext_codegen.records import Resolved
    from upnext_codegen.unread.missing import MissingImports
    from upnext_codegen.unread.takers import Takers

    Parts: TypeAlias = Mapping[str, Resolved]
    Again: TypeAlias = Callable[[Iterable[SourceFile], Mapping[tuple[str, str], Sequence[str]]], Parts]
    _Statement: TypeAlias = ast.Import | ast.ImportFrom | ast.Call


class UnreadReport(NamedTuple):
    """What is reported.

    Attributes:
        findings: The findings.
        lasts: Whether they stay the same as long as the files that are read do.
    """

    findings: tuple[Finding, ...]
    lasts: bool


def unread(missing: MissingImports, index: FileIndex, modules: Modules, parts: Parts, again: Again) -> UnreadReport:
    """Report the imports through which unseen events are reached.

    Args:
        missing: The imports that lead to files which are not read for them.
        index: The files that are read.
        modules: Their module names.
        parts: What each file declares and attaches.
        again: Works those out with more files, and with more import roots for some imports (`Modules.supposed`).
    """
    places = _places(missing, index, parts)
    if not places:
        return UnreadReport((), not missing.depends_on_left_out)
    supposed = again(missing.files, roots_for(places))
    gains = {path: gained for path, part in supposed.items() if (gained := _gained(part, parts.get(path)))}
    reported: dict[Place, tuple[Missing, list[str]]] = {}
    for each, place in places.items():
        if each.file not in index.files:
            continue
        events = _events_through(each, missing.behind(each.target), gains, supposed)
        if events:
            # `from shop import events` imports the package as well; the longest name is the most specific.
            reported[place] = max(
                reported.get(place, (each, events)), (each, events), key=lambda one: len(one[0].module)
            )
    roots = sorted({each.root for each, _ in reported.values() if each.root and not each.reason})
    findings = [_finding(modules, place, each, events, roots) for place, (each, events) in reported.items()]
    return UnreadReport(tuple(findings), not missing.depends_on_left_out)


def _gained(part: Resolved, before: Resolved | None) -> list[str]:
    """Return the events that a file declares or attaches to in one scan but not in another."""
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
    """Report an import; `more` are the import roots that all of them together require."""
    if missed.reason:
        return messages.left_out(place, missed.module, missed.target, missed.reason, events)
    roots = [root for root in modules.roots if root or len(modules.roots) > 1]
    return messages.not_found(place, missed.module, missed.target, [*roots, *more], events)


def _places(missing: MissingImports, index: FileIndex, parts: Parts) -> dict[Missing, Place]:
    """Find the statements and calls that import modules, ignoring texts and comments that look like one."""
    by_file: defaultdict[str, list[Missing]] = defaultdict(list)
    for each in missing.imports:
        by_file[each.file].append(each)
    found: dict[Missing, Place] = {}
    for file, missed in by_file.items():
        try:
            text, tree = tree_of((index.root / file).read_bytes())
        except (OSError, SourceError, RecursionError):
            found.update(dict.fromkeys(missed, Place(file, 1, 1)))
            continue
        statements = _statements(tree)
        modules = {each.module for each in missed}
        named = {name: node for name, node in modules_in_texts(tree) if name in modules}
        for each in missed:
            exports = None if each.reason else frozenset(parts[each.target].exports)
            fitting = (one for one in statements[each.module] if _leads_to(one, each, exports, tree, missing.takers))
            node = next(fitting, named.get(each.module) if each.reason else None)
            if node is not None:
                found[each] = Place(file, node.lineno, text.column(node.lineno, node.col_offset))
    return found


def _statements(tree: ast.Module) -> defaultdict[str, list[_Statement]]:
    """The statements and calls that may import a module, by its possible names."""
    found: defaultdict[str, list[_Statement]] = defaultdict(list)
    for node in walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Call):
            for name in dict.fromkeys(_imported_by(node)):
                found[name].append(node)
    return found


def _imported_by(node: _Statement) -> Iterator[str]:
    """Yield the modules that a statement or call may import."""
    match node:
        case ast.Import(names):
            for alias in names:
                yield from _with_packages(alias.name)
        case ast.ImportFrom(name, names, level):
            base = "." * (level or 0) + (name or "")
            yield base
            yield from (f"{base}{alias.name}" if base.endswith(".") else f"{base}.{alias.name}" for alias in names)
        case ast.Call(ast.Name(called) | ast.Attribute(_, called), [ast.Constant(str() as name), *_]):
            yield from _with_packages(name) if called in {"import_module", "__import__"} else ()
        case _:
            pass


def _with_packages(name: str) -> list[str]:
    """Return the names of a module and of the packages around it."""
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(len(parts), 0, -1)]


def _leads_to(
    node: _Statement, missed: Missing, exports: frozenset[str] | None, tree: ast.Module, takers: Takers
) -> bool:
    """Whether a statement's import is used for something that a module exports, as far as that is known."""
    match node:
        case ast.Import():
            return exports is None or is_used(node, missed, exports, tree, takers)
        case ast.ImportFrom(name, names, level) if missed.module == "." * (level or 0) + (name or ""):
            return exports is None or not {alias.name for alias in names}.isdisjoint({*exports, "*"})
        case _:
            return True
