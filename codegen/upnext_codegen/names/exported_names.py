"""The names that a file exports, and queries on them.

They are plain strings. `ANYTHING` means that a file exports whatever its `__getattr__` makes up. Python does not call
that for names which the file binds itself: such a name is listed with the prefix `NOT` unless it is an export of its
own. A name that leads only to modules, whose exports then matter, is listed again with the prefix `MODULES`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

ANYTHING = "*"
"""Among the exports of a file: whatever its `__getattr__` makes up."""
NOT = "-"
"""Before a name that `ANYTHING` does not stand for."""
MODULES = ">"
"""Before a name that is, holds or gives nothing of upnext but modules with something of it."""
HELD = "[]"
"""Behind a name of a file that others put something of upnext into; `.attribute` stands there for that alone."""
FILLED = "="
"""In a question about a file: what of it others fill."""
ANY_NAME = ""
"""In a question about the exports of a file: whether there are any."""
ALL_NAMES = " "
"""In a question about the exports of a file: which there are."""


def answer(exported: frozenset[str], question: str) -> bool | frozenset[str]:
    """Answer a query on a file's exports: a name, one with the prefix `MODULES`, `ANY_NAME` or `ALL_NAMES`."""
    if question == ALL_NAMES:
        return exported
    if question.startswith(MODULES):
        return question in exported
    return bool(exported) if question == ANY_NAME else is_exported(exported, question)


def is_exported(exported: Collection[str], name: str) -> bool:
    """Whether a name is among those that a file exports."""
    return name in exported or (ANYTHING in exported and f"{NOT}{name}" not in exported)


def name_of(filled: str) -> str:
    """The filled name, or the name of which a part is filled; `ANYTHING` if unknown."""
    return filled.removesuffix(HELD).partition(".")[0]


def own_names(exported: Iterable[str]) -> Iterator[str]:
    """Yield the names that a file exports, without those its `__getattr__` makes up."""
    return (name for name in exported if name != ANYTHING and not name.startswith((NOT, MODULES)))


def united(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    """The union of two results for a file's exports, the second with more known about other files.

    It is never less than either: a name leads to modules alone only if it does in both.
    """
    names = {*own_names(one), *own_names(other)}
    found = {name for name in names if all(f"{MODULES}{name}" in each for each in (one, other) if name in each)}
    made_up = [each for each in (one, other) if ANYTHING in each]
    bound = {name[1:] for each in made_up for name in each if name.startswith(NOT)} - names
    return frozenset(
        {
            *names,
            *(f"{MODULES}{name}" for name in found),
            *(f"{NOT}{name}" for name in bound if all(f"{NOT}{name}" in each for each in made_up)),
            *([ANYTHING] if made_up else ()),
        }
    )


def has_lost(before: frozenset[str], now: frozenset[str]) -> bool:
    """Whether a file no longer exports something that it exported before."""
    if ANYTHING in before and (ANYTHING not in now or any(name.startswith(NOT) for name in now - before)):
        return True
    return not all(is_exported(now, name) for name in own_names(before))
