"""Types as a payload carries them: what a type says beyond that, of NewTypes or of a class's place, breaks nobody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from upnext_codegen.merging.meet import is_subtype
from upnext_codegen.merging.subtyping import Hierarchy
from upnext_codegen.types import (
    AnyType,
    ClassFacts,
    ClassType,
    EnumMember,
    LiteralType,
    LiteralValue,
    TupleType,
    Type,
    UnionType,
)


@dataclass(slots=True)
class Carried:
    """Compares types of an earlier contract with those of now.

    Attributes:
        earlier: Facts of the classes of the earlier contract, by "module:qualname".
        now: Facts of today's classes.
    """

    earlier: Mapping[str, ClassFacts]
    now: Mapping[str, ClassFacts]
    _hierarchy: Hierarchy = field(init=False)
    _moved: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self._hierarchy = Hierarchy({**self.earlier, **self.now})
        self._moved = {}
        for name, facts in self.earlier.items():
            alike = [other for other in self.now if _is_same_elsewhere(other, self.now[other], name, facts)]
            if name not in self.now and len(alike) == 1:
                self._moved[name] = alike[0]

    def fits(self, was: Type, now: Type) -> bool:
        """Tell whether every payload of the earlier type is one of today's."""
        return is_subtype(_mapped(was, self._plain), _mapped(now, self._plain), self._hierarchy)

    def _plain(self, owner: ClassType) -> Type:
        module, _, qualname = self._moved.get(f"{owner.module}:{owner.qualname}", "").partition(":")
        here = ClassType(module, qualname, owner.args) if module else owner
        facts = self._hierarchy.facts(here)
        return _mapped(facts.bases[0], self._plain) if facts.kind == "newtype" and facts.bases else here


def _is_same_elsewhere(name: str, facts: ClassFacts, was: str, was_facts: ClassFacts) -> bool:
    return name.partition(":")[2] == was.partition(":")[2] and facts.kind == was_facts.kind


def _mapped(written: Type, change: Callable[[ClassType], Type]) -> Type:
    """Return a type with each of its classes changed."""
    match written:
        case ClassType(module, qualname, arguments):
            return change(ClassType(module, qualname, tuple(_mapped(item, change) for item in arguments)))
        case TupleType(items, variadic):
            return TupleType(tuple(_mapped(item, change) for item in items), variadic)
        case UnionType(members):
            return UnionType(tuple(_mapped(item, change) for item in members))
        case LiteralType(values):
            return LiteralType(tuple(_value(value, change) for value in values))
        case AnyType():
            return written


def _value(value: LiteralValue, change: Callable[[ClassType], Type]) -> LiteralValue:
    if not isinstance(value, EnumMember):
        return value
    owner = change(ClassType(value.module, value.qualname))
    return EnumMember(owner.module, owner.qualname, value.member) if isinstance(owner, ClassType) else value
