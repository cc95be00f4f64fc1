"""Files that depend on one another: which lead to which, and which only have from each other what they have."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

_Node = TypeVar("_Node", bound=Hashable)


def components(starts: Iterable[_Node], leads_to: Callable[[_Node], Iterable[_Node]]) -> Iterator[list[_Node]]:
    """Yield the cycles that can be reached, each as a list, after all those that it leads to.

    What is in no cycle is a list of its own. Every way is gone once (Tarjan's algorithm, without recursion).

    Args:
        starts: Where to begin; what was met is not gone to again.
        leads_to: What leads to what.
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
    """How far the search for cycles is."""

    numbers: dict[_Node, int]
    lowest: dict[_Node, int]
    path: list[_Node]
    on_path: set[_Node]

    def enter(self, node: _Node, leads_to: Callable[[_Node], Iterable[_Node]]) -> Iterator[_Node]:
        """Come to a node, and say where it leads."""
        self.numbers[node] = self.lowest[node] = len(self.numbers)
        self.path.append(node)
        self.on_path.add(node)
        return iter(leads_to(node))

    def is_fresh(self, node: _Node, other: _Node) -> bool:
        """Whether nothing has led to another node yet; if it closes a cycle, that is noted."""
        if other not in self.numbers:
            return True
        if other in self.on_path:
            self.lower(node, self.numbers[other])
        return False

    def lower(self, node: _Node, number: int) -> None:
        """Note that a node leads back to one with this number."""
        self.lowest[node] = min(self.lowest[node], number)

    def taken_out(self, node: _Node) -> list[_Node]:
        """Take the cycle that was entered by a node off the path."""
        found = [self.path.pop()]
        while found[-1] != node:
            found.append(self.path.pop())
        self.on_path.difference_update(found)
        return found


def in_turns(waiting: Mapping[str, Collection[str]]) -> list[tuple[list[str], list[str]]]:
    """Put files in turns, so that each comes after those of the others that it imports.

    Returns:
        For each turn the files in no cycle of imports, and those in cycles, which may be several.
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
    """The files that have what they have from others in the end, and not from one another alone.

    Args:
        sources: For each file those that it has anything from.
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
    """The files that import from some, also through others; a source that ends with `/` stands for a whole folder."""
    found, fresh = set(files), [*files]
    led = _from(sources)
    while fresh:
        path = fresh.pop()
        for each in (path, *folders_of((path,))):
            # What a folder leads to is followed once.
            more = [one for one in led.pop(each, ()) if one not in found]
            found.update(more)
            fresh += more
    return found


def folders_of(paths: Iterable[str]) -> frozenset[str]:
    """The folders, at any depth, that some files are in; each ends with `/`."""
    found: set[str] = {"/"}
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and f"{folder}/" not in found:
            found.add(f"{folder}/")
            folder = folder.rpartition("/")[0]
    return frozenset(found)


def _from(sources: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """For each source the files that have something from it."""
    found: dict[str, list[str]] = {}
    for path, others in sources.items():
        for each in others:
            found.setdefault(each, []).append(path)
    return found
