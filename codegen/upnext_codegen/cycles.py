"""Graph algorithms for files that import one another: strongly connected components, order and reachability."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

_Node = TypeVar("_Node", bound=Hashable)


def components(starts: Iterable[_Node], leads_to: Callable[[_Node], Iterable[_Node]]) -> Iterator[list[_Node]]:
    """Yield the strongly connected components reachable from some nodes, each after those reachable from it.

    A node that is in no cycle is a component of its own. This is Tarjan's algorithm, without recursion: every edge is
    followed once.

    Args:
        starts: The nodes to begin with.
        leads_to: Returns the successors of a node.
    """
    walk = _Walk[_Node]({}, {}, [], set())
    for start in starts:
        ways = [] if start in walk.numbers else [(start, walk.enter(start, leads_to))]
        while ways:
            node, others = ways[-1]
            fresh = next((each for each in others if walk.is_fresh(node, each)), None)
            if fresh is not None:
                ways.append((fresh, walk.enter(fresh, leads_to)))
                continue
            ways.pop()
            if ways:
                walk.lower(ways[-1][0], walk.lowest[node])
            if walk.lowest[node] == walk.numbers[node]:
                yield walk.taken_out(node)


class _Walk(NamedTuple, Generic[_Node]):
    """The state of Tarjan's algorithm."""

    numbers: dict[_Node, int]
    lowest: dict[_Node, int]
    path: list[_Node]
    on_path: set[_Node]

    def enter(self, node: _Node, leads_to: Callable[[_Node], Iterable[_Node]]) -> Iterator[_Node]:
        """Visit a node, and return its successors."""
        self.numbers[node] = self.lowest[node] = len(self.numbers)
        self.path.append(node)
        self.on_path.add(node)
        return iter(leads_to(node))

    def is_fresh(self, node: _Node, other: _Node) -> bool:
        """Whether another node is unvisited; if it closes a cycle, that is recorded."""
        if other not in self.numbers:
            return True
        if other in self.on_path:
            self.lower(node, self.numbers[other])
        return False

    def lower(self, node: _Node, number: int) -> None:
        """Record that a node leads back to the one with this number."""
        self.lowest[node] = min(self.lowest[node], number)

    def taken_out(self, node: _Node) -> list[_Node]:
        """Take the component rooted at a node off the path."""
        found = [self.path.pop()]
        while found[-1] != node:
            found.append(self.path.pop())
        self.on_path.difference_update(found)
        return found


def in_turns(waiting: Mapping[str, Collection[str]]) -> list[tuple[list[str], list[str]]]:
    """Sort files into turns, so that each comes after those that it imports.

    Args:
        waiting: For each file, the files that it imports.

    Returns:
        For each turn, the files that are in no import cycle and those that are in one; the latter may be of several.
    """
    turn_of: dict[str, int] = {}
    turns: list[tuple[list[str], list[str]]] = []
    for cycle in components(waiting, lambda path: [each for each in waiting[path] if each in waiting]):
        behind = [turn_of[each] + 1 for path in cycle for each in waiting[path] if each in turn_of]
        turn = max(behind, default=0)
        turn_of.update(dict.fromkeys(cycle, turn))
        if turn == len(turns):
            turns.append(([], []))
        turns[turn][len(cycle) > 1].extend(cycle)
    return [(sorted(alone), sorted(cyclic)) for alone, cyclic in turns]


def grounded(sources: Mapping[str, set[str]]) -> set[str]:
    """Return the files that do not depend on an import cycle for their exports.

    Args:
        sources: For each file, the files that it has anything from.
    """
    missing = {path: len(others) for path, others in sources.items()}
    fresh = [path for path, count in missing.items() if not count]
    found: set[str] = set()
    led = _from(sources)
    while fresh:
        path = fresh.pop()
        found.add(path)
        for each in led.get(path, ()):
            missing[each] -= 1
            if not missing[each]:
                fresh.append(each)
    return found


def led_to(files: set[str], sources: Mapping[str, set[str]]) -> set[str]:
    """Return some files and their transitive importers. A source that ends with `/` is a whole folder."""
    found, fresh = set(files), [*files]
    led = _from(sources)
    while fresh:
        path = fresh.pop()
        for each in (path, *folders_of((path,))):
            # The importers of a folder are followed once.
            more = [one for one in led.pop(each, ()) if one not in found]
            found.update(more)
            fresh += more
    return found


def folders_of(paths: Iterable[str]) -> frozenset[str]:
    """Return all folders around some files, at any depth. Each ends with `/`."""
    found: set[str] = {"/"}
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and f"{folder}/" not in found:
            found.add(f"{folder}/")
            folder = folder.rpartition("/")[0]
    return frozenset(found)


def _from(sources: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """Reverse the edges: for each source, the files that get something from it."""
    found: dict[str, list[str]] = {}
    for path, others in sources.items():
        for each in others:
            found.setdefault(each, []).append(path)
    return found
