"""The meet of types: what satisfies every handler, taken over all of them at once.

Taking it two by two would depend on the order: a class that inherits from two others satisfies handlers of all three,
though nothing known satisfies the first two. So alternatives are collected as sets of types that must hold together,
and each set is decided once it is complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from upnext_codegen.catalog.spelling import full_text, key
from upnext_codegen.merging.atoms import combined
from upnext_codegen.merging.normal import asks_nothing, normal, sorted_union
from upnext_codegen.merging.subtyping import OBJECT, Hierarchy
from upnext_codegen.merging.unify import unified
from upnext_codegen.types import ANY, Type
from upnext_codegen.types.traversal import classes_in, parts

_MANY = 256
"""Above so many open alternatives, those that look hopeless are dropped early, whatever may still come."""


def meet(sides: Iterable[Type], classes: Hierarchy) -> Type | None:
    """Return the widest type that every side accepts, or None if there is none.

    Args:
        sides: What the handlers take; `Any` asks for nothing.
        classes: What is known of the classes among them.
    """
    distinct: dict[str, Type] = {}
    for side in dict.fromkeys(sides):
        plain = normal(side, classes)
        name = key(plain)
        known = distinct.setdefault(name, plain)
        if known != plain:
            distinct[name] = min(known, plain, key=_as_people_write)
    asking = [distinct[name] for name in sorted(distinct) if not asks_nothing(distinct[name])]
    if not asking:
        return OBJECT if OBJECT in distinct.values() else ANY
    if len(asking) == 1:
        return asking[0]
    found = [
        whole for together in _alternatives(asking, classes) if (whole := combined(together, classes, meet)) is not None
    ]
    return sorted_union(_widest(found, classes)) if found else None


def is_subtype(one: Type, other: Type, classes: Hierarchy) -> bool:
    """Tell whether everything of the first type satisfies the second; `Any` anywhere is taken at its word."""
    both = meet((one, other), classes)
    return both is not None and unified(both, normal(one, classes)) is not None


def _as_people_write(written: Type) -> str:
    """Return what orders the spellings of one type, so that the one with None at its end stands for all."""
    return full_text(written).replace("None", "~")


def _alternatives(sides: Sequence[Type], classes: Hierarchy) -> list[tuple[Type, ...]]:
    keep_all = _has_joint_class(sides, classes)
    found: dict[str, tuple[Type, ...]] = {"": ()}
    for side in sides:
        wider: dict[str, tuple[Type, ...]] = {}
        strict = not keep_all or len(found) > _MANY
        for together in found.values():
            for part in parts(side):
                if strict and not all(_can_meet(part, other, classes) for other in together):
                    continue
                both = {key(item): item for item in (*together, part)}
                names = sorted(both)
                wider["&".join(names)] = tuple(both[name] for name in names)
        found = wider
    return list(found.values())


def _can_meet(one: Type, other: Type, classes: Hierarchy) -> bool:
    if classes.are_unrelated(one, other):
        return False
    return combined((one, other), classes, meet) is not None


def _has_joint_class(sides: Sequence[Type], classes: Hierarchy) -> bool:
    """Tell whether some class of the sides is below two others that have nothing to do with each other."""
    named = {key(owner): owner for side in sides for owner in classes_in(side)}
    for owner in named.values():
        upper = [other for other in named.values() if other != owner and classes.is_below(owner, other)]
        for one, other in combinations(upper, 2):
            if not classes.is_below(one, other) and not classes.is_below(other, one):
                return True
    return False


def _widest(found: list[Type], classes: Hierarchy) -> list[Type]:
    """Drop each alternative that another one takes in."""
    members = {key(part): part for whole in found for part in parts(whole)}
    kept: list[Type] = []
    for name in sorted(members):
        others = [other for other_name, other in members.items() if other_name != name]
        if not any(
            not classes.are_unrelated(members[name], other)
            and is_subtype(members[name], other, classes)
            and not (is_subtype(other, members[name], classes) and key(other) > name)
            for other in others
        ):
            kept.append(members[name])
    return kept
