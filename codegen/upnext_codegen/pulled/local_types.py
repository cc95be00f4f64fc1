"""Types of another project as this one can write them: their payloads without their classes.

A class of another project cannot be imported here, and need not be, because payloads are JSON. Models, dataclasses and
TypedDicts become a TypedDict that the catalog defines, enums a `Literal` of their values (the members of a stub do not
exist at run time), NewTypes and root models their underlying types. Whatever is uncertain becomes `Any`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from upnext_codegen.catalog.stub_names import CATALOG
from upnext_codegen.changes.shapes import (
    Classes,
    alternatives,
    arguments,
    asks_nothing,
    category,
    items_of,
    model_of,
    values_of,
)
from upnext_codegen.types import (
    ANY,
    ClassFacts,
    ClassType,
    EnumMember,
    LiteralType,
    ModelFacts,
    ModelField,
    TupleType,
    Type,
    UnionType,
    unconstrained,
)
from upnext_codegen.types.format import full_text
from upnext_codegen.types.traversal import union

SUFFIX = "Payload"
"""What their names end with; no class of an event ends so."""

_WORD = re.compile(r"[^A-Za-z0-9]+")


@dataclass(slots=True)
class Definitions:
    """The classes that the catalog defines for the payloads of other projects.

    Attributes:
        classes: Their facts, by "module:qualname".
    """

    classes: dict[str, ClassFacts] = field(default_factory=dict[str, ClassFacts])

    def name(self, source: str, text: str, qualname: str) -> str:
        """Name a class so that no other one has that name.

        Args:
            source: Where it is from.
            text: Its full name there, with its arguments.
            qualname: The name that is to be recognised.
        """
        words = [word for word in _WORD.split(qualname) if word]
        name = "".join(word[0].upper() + word[1:] for word in words)
        name = f"{'Event' if name[:1].isdigit() else ''}{name}{SUFFIX}"
        if f"{CATALOG}:{name}" in self.classes:
            name = f"{name}_{hashlib.sha256(f'{source} {text}'.encode()).hexdigest()[:8]}"
        return name


@dataclass(slots=True)
class LocalTypes:
    """Reads the types of one source.

    Attributes:
        source: Which one.
        classes: Facts of its classes.
        is_here: Whether a module can be imported in this project, because it is one of its own.
        definitions: What the catalog defines; added to.
    """

    source: str
    classes: Classes
    is_here: Callable[[str], bool]
    definitions: Definitions
    _known: dict[str, ClassType] = field(default_factory=dict[str, ClassType])

    def read(self, written: Type) -> Type:
        """Return the equivalent of a type in this project."""
        if isinstance(written, UnionType):
            return union([self.read(member) for member in written.members])
        if isinstance(written, ClassType) and self._is_here(written):
            return ClassType(written.module, written.qualname, tuple(map(self.read, written.args)))
        options = alternatives(written, self.classes)
        if asks_nothing(options):
            return ANY
        return union([self._one(option) for option in options])

    def _is_here(self, written: ClassType) -> bool:
        return f"{written.module}:{written.qualname}" in self.classes and self.is_here(written.module)

    def _one(self, written: Type) -> Type:
        plain, _ = unconstrained(written)
        values = values_of(plain, self.classes)
        if values is not None:
            known = [value for _, value in values if not isinstance(value, EnumMember)]
            return LiteralType(tuple(dict.fromkeys(known))) if known and len(known) == len(values) else ANY
        match category(plain, self.classes):
            case "scalar" if isinstance(plain, ClassType):
                return ClassType(plain.module, plain.qualname)
            case "array":
                return self._array(plain)
            case "mapping" if isinstance(plain, ClassType):
                key, value = arguments(plain, 2)
                # A send without its handler's code gives the keys that JSON has.
                keys = self.read(key) if isinstance(key, LiteralType) else ClassType("builtins", "str")
                return ClassType(plain.module, plain.qualname, (keys, self.read(value)))
            case "object" if isinstance(plain, ClassType):
                return self._object(plain)
            case _:
                return ANY

    def _array(self, plain: Type) -> Type:
        items = items_of(plain, self.classes)
        if not items.fixed:
            inner = (self.read(items.types[0]),)
            return TupleType(inner, variadic=True) if isinstance(plain, TupleType) else _with(plain, inner)
        return TupleType(tuple(map(self.read, items.types))) if items.needed == len(items.types) else ANY

    def _object(self, plain: ClassType) -> ClassType:
        text = full_text(plain)  # each parametrisation of a generic class is a separate class
        if text not in self._known:
            model = model_of(plain, self.classes)
            found = ClassType(CATALOG, self.definitions.name(self.source, text, plain.qualname.rpartition(".")[2]))
            self._known[text] = found  # which may refer to itself
            key = f"{CATALOG}:{found.qualname}"
            self.definitions.classes[key] = ClassFacts(kind="typeddict")
            fields = tuple(
                ModelField(min(each.written_keys), self.read(each.type), each.required)
                for each in sorted(model.fields, key=lambda one: min(one.written_keys))
            )
            facts = ModelFacts("typeddict", fields, model.facts.extra)
            self.definitions.classes[key] = ClassFacts(kind="typeddict", model=facts)
        return self._known[text]


def _with(plain: Type, inner: tuple[Type, ...]) -> Type:
    return ClassType(plain.module, plain.qualname, inner) if isinstance(plain, ClassType) else ANY
