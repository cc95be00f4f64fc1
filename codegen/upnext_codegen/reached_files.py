"""Which files a scan without a cache would read, as far as the exports tell that were found with one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from upnext_codegen.fills import Fills
    from upnext_codegen.names.candidates import ImportGraph
    from upnext_codegen.relevance import Relevance


def reached(
    relevance: Relevance, read: Collection[str], fills: Fills, graph_of: Callable[[Iterable[str]], ImportGraph]
) -> set[str]:
    """Return those of some files that are read because they name upnext, or because others do.

    Args:
        relevance: What is known of the files' bytes. It is used up.
        read: The files.
        fills: What files fill in others.
        graph_of: Gives the exports of some files.
    """
    found = {path for path in relevance.named() if path in read}
    fresh = found
    while fresh:
        graph = graph_of(found)
        led_to = relevance.wanted(graph, relevance.imported(graph), found)
        led_to |= {path for path in fills.files() if not found.isdisjoint(fills.by(path))}
        fresh = {path for path in led_to if path in read} - found
        found |= fresh
    return found
