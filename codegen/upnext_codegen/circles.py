"""Files that depend on one another: which lead to which, and which only have from each other what they have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def circles(waiting: dict[str, set[str]]) -> set[str]:
    """Choose the files in circles of imports from which no import leads to another file that waits."""
    reached: dict[str, set[str]] = {}
    for path in waiting:
        found, stack = {path}, [path]
        while stack:
            fresh = (waiting[stack.pop()] & waiting.keys()) - found
            found |= fresh
            stack += fresh
        reached[path] = found
    return {path for path, others in reached.items() if all(len(reached[each]) == len(others) for each in others)}


def grounded(sources: Mapping[str, set[str]]) -> set[str]:
    """The files that have what they have from others in the end, and not from one another alone.

    Args:
        sources: For each file those that it has anything from.
    """
    found: set[str] = set()
    while True:
        more = {path for path, others in sources.items() if others <= found} - found
        if not more:
            return found
        found |= more


def led_to(files: set[str], sources: dict[str, set[str]]) -> set[str]:
    """The files that import from some, also through others; a source that ends with `/` stands for a whole folder."""
    found = set(files)
    fresh = set(files)
    while fresh:
        led = {*fresh, *folders_of(fresh)}
        fresh = {path for path, others in sources.items() if not others.isdisjoint(led)} - found
        found |= fresh
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
