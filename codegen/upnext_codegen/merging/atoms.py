"""The meet of types other than unions: one class, tuple or literal that satisfies them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from upnext_codegen.merging.normal import class_of, literal
from upnext_codegen.merging.subtyping import OBJECT, Hierarchy
from upnext_codegen.merging.unify import all_unified, unified
from upnext_codegen.types import (
    ANY,
    ClassType,
    LiteralType,
    TupleType,
    Type,
)
from upnext_codegen.types.format import value_key
from upnext_codegen.types.traversal import classes_in

Meet: TypeAlias = "Callable[[Iterable[Type], Hierarchy], Type | None]"
"""The meet of any types, for the arguments of classes and the items of tuples."""

Demands: TypeAlias = "dict[str, list[tuple[str, Type]]]"
"""For each type parameter the variance under which it is asked for something, and what."""

_TUPLE = ClassType("builtins", "tuple", (ClassType("", "T"),))


def combined(together: tuple[Type, ...], classes: Hierarchy, meet: Meet) -> Type | None:
    """Return the type that satisfies all given ones at once, or None.

    Args:
        together: Classes, tuples and literals in the order of their keys, each once.
        classes: What is known of the classes.
        meet: How to meet arguments and items.
    """
    if len(together) == 1:
        return together[0]
    literals = [item for item in together if isinstance(item, LiteralType)]
    if literals:
        return _common_values(literals, [item for item in together if item not in literals], classes, meet)
    owners = [item for item in together if isinstance(item, ClassType) and item != OBJECT]
    tuples = [item for item in together if isinstance(item, TupleType)]
    for owner in owners:
        demands = _demands(owner, (*owners, *tuples), classes, meet)
        if demands is not None:
            found = _with_arguments(owner, demands, classes, meet)
            return found if found is None or _holds(found, (*owners, *tuples), classes, meet) else None
    return _joined_tuples(tuples, owners, classes, meet) if tuples else None


def _common_values(
    literals: list[LiteralType], others: list[Type], classes: Hierarchy, meet: Meet
) -> LiteralType | None:
    allowed = [{value_key(value) for value in item.values} for item in literals]
    plain = {class_of(value) for item in literals for value in item.values}
    fitting = {each for each in plain if all(meet((each, other), classes) == each for other in others)}
    common = [
        value
        for value in literals[0].values
        if all(value_key(value) in names for names in allowed) and class_of(value) in fitting
    ]
    return literal(common) if common else None


def _demands(
    owner: ClassType, together: Iterable[ClassType | TupleType], classes: Hierarchy, meet: Meet
) -> Demands | None:
    """Return what the others require of a class's parameters, or None if it is not below them all."""
    general = classes.general(owner)
    demands: Demands = {name: [] for name, _ in classes.parameters(owner)}
    for other in together:
        fits = (
            _demand_tuple(general, other, classes, meet)
            if isinstance(other, TupleType)
            else _demand_class(general, other, demands, classes, meet)
        )
        if not fits:
            return None
    return demands


def _demand_tuple(general: ClassType, other: TupleType, classes: Hierarchy, meet: Meet) -> bool:
    """Return whether a named tuple is the given tuple, or may be once its own parameters are known."""
    return any(
        _is_open(shape) or _joined_tuples([shape, other], [], classes, meet) == shape
        for shape in _shapes(general, classes)
    )


def _shapes(general: ClassType, classes: Hierarchy) -> list[TupleType]:
    return [item for item in classes.above(general) if isinstance(item, TupleType)]


def _demand_class(general: ClassType, other: ClassType, demands: Demands, classes: Hierarchy, meet: Meet) -> bool:
    seen = classes.view(general, other)
    if seen is None:
        return any(
            _is_open(shape) or _joined_tuples([shape], [other], classes, meet) == shape
            for shape in _shapes(general, classes)
        )
    wanted = classes.padded(other).args
    variances = [variance for _, variance in classes.parameters(other)]
    for offered, asked, variance in zip(seen.args, wanted, variances, strict=False):
        if isinstance(offered, ClassType) and offered.module == "" and offered.qualname in demands:
            demands[offered.qualname].append((variance, asked))
        elif not _is_open(offered) and not _argument_fits(offered, asked, variance, classes, meet):
            return False
    return True


def _is_open(written: Type) -> bool:
    """Return whether a type contains a type parameter, whose requirements are known once it is filled."""
    return any(each.module == "" for each in classes_in(written))


def _holds(found: ClassType, together: Iterable[ClassType | TupleType], classes: Hierarchy, meet: Meet) -> bool:
    """Return whether a class is below all the others, now that the parameters inside are known."""
    if not found.args or not any(map(_is_open_inside, classes.above(classes.general(found)))):
        return True
    return all(
        _demand_tuple(found, other, classes, meet)
        if isinstance(other, TupleType)
        else _demand_class(found, other, {}, classes, meet)
        for other in together
    )


def _is_open_inside(written: ClassType | TupleType) -> bool:
    if isinstance(written, TupleType):
        return _is_open(written)
    return any(_is_open(each) and not (isinstance(each, ClassType) and each.module == "") for each in written.args)


def _argument_fits(offered: Type, asked: Type, variance: str, classes: Hierarchy, meet: Meet) -> bool:
    if variance != "covariant":
        return unified(offered, asked) is not None
    both = meet((offered, asked), classes)
    return both is not None and unified(both, offered) is not None


def _with_arguments(owner: ClassType, demands: Demands, classes: Hierarchy, meet: Meet) -> ClassType | None:
    arguments: list[Type] = []
    for wanted in demands.values():
        argument = _argument(wanted, classes, meet)
        if argument is None:
            return None
        arguments.append(argument)
    return ClassType(owner.module, owner.qualname, tuple(arguments))


def _argument(wanted: list[tuple[str, Type]], classes: Hierarchy, meet: Meet) -> Type | None:
    """Return the one argument that every requirement accepts: equal to the invariant ones, below the covariant ones."""
    below = [asked for variance, asked in wanted if variance == "covariant"]
    same = [asked for variance, asked in wanted if variance != "covariant"]
    if not same:
        return meet(below, classes) if below else ANY
    exact = all_unified(same)
    if exact is None or not below:
        return exact
    both = meet([exact, *below], classes)
    return unified(both, exact) if both is not None else None


def _joined_tuples(
    tuples: list[TupleType], owners: list[ClassType], classes: Hierarchy, meet: Meet
) -> TupleType | None:
    lengths = {len(item.items) for item in tuples if not item.variadic}
    asked = _asked_of_items(owners, classes)
    if len(lengths) > 1 or asked is None:
        return None
    columns = [
        [item.items[0] if item.variadic else item.items[position] for item in tuples] + asked
        for position in range(lengths.pop() if lengths else 1)
    ]
    items = [meet(column, classes) for column in columns]
    known = tuple(item for item in items if item is not None)
    variadic = all(item.variadic for item in tuples)
    return TupleType(known, variadic) if len(known) == len(items) else None


def _asked_of_items(owners: list[ClassType], classes: Hierarchy) -> list[Type] | None:
    """Return what abstract containers require of a tuple's items, or None if one of them does not accept tuples."""
    asked: list[Type] = []
    for owner in owners:
        if classes.view(_TUPLE, owner) is None:
            return None
        asked.extend(owner.args)
    return asked
