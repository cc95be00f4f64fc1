"""The meet of types: what satisfies every handler, computed for all of them at once.

Taking it two by two would depend on the order: a class that inherits from two others satisfies handlers of all three,
though nothing known satisfies the first two. So alternatives are collected as sets of types that must hold together,
and each set is decided once it is complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from upnext_codegen.merging.atoms import combined
from upnext_codegen.merging.normal import asks_nothing, literal, normal, sorted_union
from upnext_codegen.merging.related import RelatedTypes
from upnext_codegen.merging.subtyping import OBJECT, Hierarchy, class_name
from upnext_codegen.merging.unify import unified
from upnext_codegen.types import ANY, LiteralType, Type
from upnext_codegen.types.format import full_text, key
from upnext_codegen.types.traversal import classes_in, parts

_MANY = 256
"""Above so many open alternatives, those that look hopeless are dropped early, whatever may still come."""

_FEW = 16
"""So many pairs are sooner tried than sorted by what they may have in common, which nearly all fields have fewer of."""


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
    """Return whether everything of the first type satisfies the second; `Any` is accepted everywhere."""
    both = meet((one, other), classes)
    return both is not None and unified(both, normal(one, classes)) is not None


def _as_people_write(written: Type) -> str:
    """Return a sort key for the spellings of one type, in which the one that ends with None comes first."""
    return full_text(written).replace("None", "~")


def _alternatives(sides: Sequence[Type], classes: Hierarchy) -> list[tuple[Type, ...]]:
    """Return the sets of types, one of each side, that may have something in common."""
    joints = _joint_classes(sides, classes)
    found: dict[str, tuple[Type, ...]] = {"": ()}
    for side in sides:
        alternatives = _with_one_literal(side)
        related = _related(alternatives, classes, joints) if len(alternatives) * len(found) > _FEW else None
        wider: dict[str, tuple[Type, ...]] = {}
        strict = not joints or len(found) > _MANY
        for together in found.values():
            candidates = set(range(len(alternatives)))
            if related is not None:
                candidates.intersection_update(*map(related.find, together))
            for part in (alternatives[number] for number in sorted(candidates)):
                if strict and not all(combined((part, other), classes, meet) is not None for other in together):
                    continue
                both = {key(item): item for item in (*together, part)}
                names = sorted(both)
                wider["&".join(names)] = tuple(both[name] for name in names)
        found = wider
    return list(found.values())


def _related(written: Iterable[Type], classes: Hierarchy, joints: Mapping[str, frozenset[str]]) -> RelatedTypes:
    """Return types by their possible classes, under their original numbers."""
    related = RelatedTypes(classes, joints)
    for number, each in enumerate(written):
        related.add(each, number)
    return related


def _with_one_literal(side: Type) -> tuple[Type, ...]:
    """Return the alternatives of a side, with its literals combined."""
    literals = [part for part in parts(side) if isinstance(part, LiteralType)]
    if len(literals) < 2:
        return parts(side)
    others = [part for part in parts(side) if not isinstance(part, LiteralType)]
    return literal([value for part in literals for value in part.values]), *others


def _joint_classes(sides: Sequence[Type], classes: Hierarchy) -> dict[str, frozenset[str]]:
    """Return the classes of the sides that are below two others which are unrelated.

    Returns:
        For each of them the names of those that it is below.
    """
    above = {class_name(owner): classes.names_above(owner) for side in sides for owner in classes_in(side)}
    joints: dict[str, frozenset[str]] = {}
    for name, names in above.items():
        upper = names & above.keys()
        if any(one not in above[other] and other not in above[one] for one, other in combinations(upper - {name}, 2)):
            joints[name] = upper
    return joints


def _widest(found: list[Type], classes: Hierarchy) -> list[Type]:
    """Drop each alternative that another one includes."""
    members = {key(part): part for whole in found for part in parts(whole)}
    names = sorted(members)
    if len(names) == 1:
        return [*members.values()]
    related = _related((members[name] for name in names), classes, {})
    return [
        members[name]
        for number, name in enumerate(names)
        if not any(
            _takes_in(names[other], name, members, classes) for other in related.find(members[name]) if other != number
        )
    ]


def _takes_in(wide: str, narrow: str, members: Mapping[str, Type], classes: Hierarchy) -> bool:
    """Return whether a type includes another one; of two that include each other, only one does."""
    if not is_subtype(members[narrow], members[wide], classes):
        return False
    return wide < narrow or not is_subtype(members[wide], members[narrow], classes)
