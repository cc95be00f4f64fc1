"""Monotonic computation: parts of files that are recomputed during a scan until they stop growing."""

from __future__ import annotations

from upnext_codegen.names.exported_names import ANYTHING, MODULES, united
from upnext_codegen.records import Resolved


def ways_of(part: Resolved) -> tuple[object, ...]:
    """Return what other files can reach through a file."""
    return part.exports, part.modules, part.fills


def grown(part: Resolved, before: Resolved | None) -> Resolved:
    """Return a part that also exports what it was found to export earlier, when less was known about other files.

    Without this, two files that depend on each other's exports could be analyzed in turn for ever.
    """
    if before is None or ways_of(part) == ways_of(before):
        return part
    exports = united(frozenset(before.exports), frozenset(part.exports))
    made_up = [each for each in (before, part) if ANYTHING in each.exports]
    alone = {name[1:] for name in exports if name.startswith(MODULES)}
    if all(any(name == ANYTHING for name, _ in each.modules) for each in made_up):
        alone.add(ANYTHING)
    modules = {way for each in (before, part) for way in each.modules if way[0] in alone}
    fills = {*before.fills, *part.fills}
    return part._replace(exports=tuple(sorted(exports)), modules=tuple(sorted(modules)), fills=tuple(sorted(fills)))
