"""The files that a scan without a cache would read, judging by the exports found with one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from upnext_codegen.fills import Fills
    from upnext_codegen.names.candidates import ImportGraph
    from upnext_codegen.relevance import Relevance


def unreached(
    files: set[str], relevance: Relevance, imported: Mapping[str, Sequence[str]], graph: ImportGraph, fills: Fills
) -> set[str]:
    """Return those files that would be read neither for naming upnext nor for what such files lead to.

    What a single file gives is followed at once, however long the way. Only where that is not enough, everything that
    has been reached is looked at together, as a scan does: each time costs as much as a round of one.

    Args:
        files: The files in question.
        relevance: What is known of the files' bytes. It is used up.
        imported: What files import of the exports of all that have been read.
        graph: The exports of these.
        fills: What files fill in others.
    """
    read = graph.exports.keys()
    ways = _ways_between(relevance, imported, graph, fills)
    found = read & relevance.named()
    fresh = found
    while fresh:
        found = found | _led_to(fresh, ways)
        if files <= found:
            break
        known = graph.of(found)
        fresh = read & relevance.wanted(known, relevance.imported(known), found)
    return files - found


def _ways_between(
    relevance: Relevance, imported: Mapping[str, Sequence[str]], graph: ImportGraph, fills: Fills
) -> Mapping[str, Sequence[str]]:
    """Return, for each file that has been read, the files that get something of upnext only from it."""
    ways: dict[str, list[str]] = {}
    taking = {path: each for path, each in imported.items() if path in graph.exports}
    relevance.words.look_at(taking)
    for path, each in taking.items():
        for source in graph.givers(each, relevance.words.attributes(path)):
            ways.setdefault(source, []).append(path)
    for path in fills.files() & graph.exports.keys():
        for filler in fills.by(path):
            ways.setdefault(filler, []).append(path)
    return ways


def _led_to(files: Iterable[str], ways: Mapping[str, Sequence[str]]) -> set[str]:
    """Return some files and all that get something from them, directly or indirectly."""
    found = set(files)
    waiting = [*found]
    while waiting:
        fresh = {path for path in ways.get(waiting.pop(), ()) if path not in found}
        found |= fresh
        waiting += fresh
    return found
