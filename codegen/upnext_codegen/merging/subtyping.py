"""The subclass relation of the project's and the standard library's classes, with their type arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from upnext_codegen.merging.standard import STANDARD
from upnext_codegen.types import ANY, ClassFacts, ClassType, TupleType, Type, UnionType

OBJECT = ClassType("builtins", "object")
_TUPLE = ClassType("builtins", "tuple")
_NO_FACTS = ClassFacts()
_TYPED_DICT_VIEW = ClassType("collections.abc", "Mapping", (ClassType("builtins", "str"), OBJECT))


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Every class that merging may have to compare.

    Attributes:
        classes: Facts of the project's classes by "module:qualname"; they stand before the standard library's.
    """

    classes: Mapping[str, ClassFacts] = field(default_factory=dict[str, ClassFacts])
    _names: dict[str, frozenset[str]] = field(
        default_factory=dict[str, frozenset[str]], init=False, repr=False, compare=False
    )
    _above: dict[ClassType, tuple[ClassType | TupleType, ...]] = field(
        default_factory=dict[ClassType, "tuple[ClassType | TupleType, ...]"], init=False, repr=False, compare=False
    )

    def facts(self, owner: ClassType) -> ClassFacts:
        """Return the facts of a class; nothing for one of another package."""
        name = class_name(owner)
        return self.classes.get(name) or STANDARD.get(name) or _NO_FACTS

    def parameters(self, owner: ClassType) -> tuple[tuple[str, str], ...]:
        """Return names and variances of the type parameters; for an unknown class, one per written argument."""
        known = self.facts(owner).type_parameters
        return known or tuple((f"#{position}", "invariant") for position in range(len(owner.args)))

    def general(self, owner: ClassType) -> ClassType:
        """Return the class with its own parameters as arguments: `list[T]` for any list."""
        names = self.parameters(owner)
        return ClassType(owner.module, owner.qualname, tuple(ClassType("", name) for name, _ in names))

    def padded(self, owner: ClassType) -> ClassType:
        """Return the class with `Any` for each omitted argument."""
        missing = len(self.facts(owner).type_parameters) - len(owner.args)
        return ClassType(owner.module, owner.qualname, (*owner.args, *[ANY] * missing)) if missing > 0 else owner

    def above(self, owner: ClassType) -> tuple[ClassType | TupleType, ...]:
        """Return the class itself and all of its ancestors, with the arguments that it gives them."""
        if owner not in self._above:
            self._above[owner] = tuple(self._walk_up(owner))
        return self._above[owner]

    def _walk_up(self, owner: ClassType) -> Iterator[ClassType | TupleType]:
        waiting: list[Type] = [self.padded(owner)]
        seen: set[Type] = set()
        while waiting:
            current = waiting.pop(0)
            if current in seen or not isinstance(current, ClassType | TupleType):
                continue
            seen.add(current)
            yield current
            if isinstance(current, ClassType):
                waiting.extend(self._bases(current))

    def view(self, owner: ClassType, target: ClassType) -> ClassType | None:
        """Return a class viewed as one of its ancestors, None if it is not below that class."""
        for candidate in self.above(owner):
            if isinstance(candidate, ClassType) and same_class(candidate, target):
                return candidate
        return None

    def names_above(self, owner: ClassType) -> frozenset[str]:
        """Return the names of the class and all of its ancestors, whatever their arguments are."""
        known = self._names.get(class_name(owner))
        if known is None:
            above = [_TUPLE if isinstance(item, TupleType) else item for item in self.above(owner)]
            inner = [self.names_above(item) for item in above if item == _TUPLE and owner != _TUPLE]
            known = frozenset[str]().union(map(class_name, above), *inner)
            self._names[class_name(owner)] = known
        return known

    def _bases(self, owner: ClassType) -> list[Type]:
        facts = self.facts(owner)
        names = (name for name, _ in self.parameters(owner))
        given = dict(zip(names, owner.args, strict=False))
        bases = [substituted(base, given) for base in facts.bases]
        return [*bases, _TYPED_DICT_VIEW] if facts.kind == "typeddict" else bases


def class_name(owner: ClassType) -> str:
    """Name a class in the form of keys of facts, without its arguments."""
    return f"{owner.module}:{owner.qualname}"


def same_class(one: ClassType, other: ClassType) -> bool:
    """Return whether two types are the same class, whatever their arguments are."""
    return one.qualname == other.qualname and one.module == other.module


def substituted(written: Type, given: Mapping[str, Type]) -> Type:
    """Put arguments in place of type parameters.

    A parameter is a class without arguments whose last name is the parameter's: the reader names the one of
    `class Box[T]` by where it was found.
    """
    match written:
        case ClassType(_, qualname, ()) if qualname.rpartition(".")[2] in given:
            return given[qualname.rpartition(".")[2]]
        case ClassType(module, qualname, arguments) if arguments:
            return ClassType(module, qualname, tuple(substituted(item, given) for item in arguments))
        case TupleType(items, variadic):
            return TupleType(tuple(substituted(item, given) for item in items), variadic)
        case UnionType(members):
            return UnionType(tuple(substituted(item, given) for item in members))
        case _:
            return written
