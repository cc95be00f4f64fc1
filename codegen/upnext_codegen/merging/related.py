"""Finds, among many types, those that may have something in common, by the names of their classes.

In a large union, few alternatives can meet any given type, and trying all of them takes too long. Here types are
indexed by their classes and base classes, and within a class by the first argument. A result may still have no meet;
a type that is not found has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from upnext_codegen.limits import MAX_COMPARED_TYPE_DEPTH
from upnext_codegen.merging.normal import class_of
from upnext_codegen.merging.subtyping import OBJECT, Hierarchy, class_name
from upnext_codegen.types import AnyType, ClassType, LiteralType, TupleType, Type, UnionType
from upnext_codegen.types.format import value_key

_TUPLE = ClassType("builtins", "tuple")


class _Shape(NamedTuple):
    """One possible shape of a type.

    Attributes:
        name: Its class.
        first: The first argument; None where it has none.
        views: The classes that it can be taken for, itself among them, each with its first argument.
    """

    name: str
    first: Type | None
    views: tuple[tuple[str, Type | None], ...]


class RelatedTypes:
    """Types indexed by their possible shapes.

    Args:
        classes: What is known of the classes among them.
        joints: Classes that are below others which have nothing to do with each other, and the names above each: those
            others may meet in it.
        depth: How deep inside other types these stand.
    """

    def __init__(self, classes: Hierarchy, joints: Mapping[str, frozenset[str]], depth: int = 0) -> None:
        self._depth = depth
        self._classes = classes
        self._joints = joints
        self._all: list[int] = []
        self._open: list[int] = []
        self._by_name: dict[str, RelatedTypes] = {}
        self._by_view: dict[str, RelatedTypes] = {}

    def add(self, written: Type | None, number: int) -> None:
        """Store a type under a number. None stands for an unknown type."""
        self._all.append(number)
        shapes = self._shapes(written)
        if shapes is None:
            self._open.append(number)
            return
        for shape in shapes:
            self._inside(self._by_name, shape.name).add(shape.first, number)
            for name, first in shape.views:
                self._inside(self._by_view, name).add(first, number)
            for joint in self._joints_below(shape.name):
                self._inside(self._by_view, f"below {joint}").add(None, number)

    def find(self, written: Type | None) -> set[int]:
        """Return the numbers of the types that may have something in common with a type."""
        shapes = self._shapes(written)
        if shapes is None:
            return set(self._all)
        found = set(self._open)
        for shape in shapes:
            if shape.name in self._by_view:
                found |= self._by_view[shape.name].find(shape.first)
            for name, first in shape.views:
                if name in self._by_name:
                    found |= self._by_name[name].find(first)
            for joint in self._joints_below(shape.name):
                if f"below {joint}" in self._by_view:
                    found |= self._by_view[f"below {joint}"].find(None)
        return found

    def _shapes(self, written: Type | None) -> list[_Shape] | None:
        return _shapes(written, self._classes) if self._depth < MAX_COMPARED_TYPE_DEPTH else None

    def _inside(self, kept: dict[str, RelatedTypes], name: str) -> RelatedTypes:
        if name not in kept:
            kept[name] = RelatedTypes(self._classes, self._joints, self._depth + 1)
        return kept[name]

    def _joints_below(self, name: str) -> Iterator[str]:
        return (joint for joint, above in self._joints.items() if name in above)


def _shapes(written: Type | None, classes: Hierarchy) -> list[_Shape] | None:
    """Return the possible shapes of a type; None if it may be anything."""
    match written:
        case None | AnyType():
            return None
        case ClassType(module=""):
            return None  # a type parameter
        case ClassType():
            if written == OBJECT:
                return None
            views = tuple(view for each in classes.above(written) for view in _views(each, classes))
            return [_Shape(class_name(written), written.args[0] if written.args else None, views)]
        case TupleType():
            views = tuple(_views(written, classes))
            return [_Shape(class_name(_TUPLE), views[0][1], views)]
        case LiteralType(values):
            return [_literal_shape(f"value {value_key(value)}", class_of(value), classes) for value in values]
        case UnionType(members):
            found = [_shapes(each, classes) for each in members]
            return None if None in found else [shape for each in found for shape in each or ()]


def _views(written: ClassType | TupleType, classes: Hierarchy) -> Iterator[tuple[str, Type | None]]:
    if isinstance(written, ClassType):
        yield class_name(written), written.args[0] if written.args else None
    else:
        # However a tuple is read, its first item is one of the items.
        first = written.items[0] if written.items else None
        yield from ((name, first) for name in classes.names_above(_TUPLE))


def _literal_shape(name: str, owner: ClassType, classes: Hierarchy) -> _Shape:
    above = tuple((each, None) for each in classes.names_above(owner))
    return _Shape(name, None, ((name, None), *above))
