"""Facts about the project's classes that merging needs: bases, kind, and whether they fit into JSON."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass, field

from upnext_codegen.handlers.annotations import Annotations, UnwritableError, Variables
from upnext_codegen.handlers.canonical import canonical, is_of_library
from upnext_codegen.handlers.named_tuples import items_of_call, items_of_class
from upnext_codegen.handlers.returned import gives_back
from upnext_codegen.handlers.typed_dicts import is_from_typing, is_of_typing
from upnext_codegen.handlers.variance import Variances
from upnext_codegen.names import values
from upnext_codegen.names.annotation_names import definitions, external
from upnext_codegen.names.evaluator import function_node
from upnext_codegen.names.modules import UPNEXT, ExternalName
from upnext_codegen.names.scopes import Assignment, ClassDefinition, Definition, Use
from upnext_codegen.names.type_parameters import statement_of
from upnext_codegen.types import ClassFacts, ClassType, Type
from upnext_codegen.types.traversal import classes_in

_ENUMS = ("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag", "ReprEnum")
_STANDARD_PLAIN = frozenset({"abc", "builtins", "typing", "typing_extensions", "collections", "collections.abc"})
_REFUSED_DECORATORS = frozenset({"attr", "attrs"})


@dataclass(slots=True)
class Classes:
    """Collects the facts of classes, each once.

    Attributes:
        annotations: Reads the bases.
        known: What was found, by "module:qualname".
    """

    annotations: Annotations
    known: dict[str, ClassFacts] = field(default_factory=dict[str, ClassFacts])
    _decorated: dict[values.ClassRef, list[str]] = field(default_factory=dict[values.ClassRef, list[str]])
    """The decorators of each class, which all classes below it ask for."""

    def learn(self, written: Type) -> None:
        """Find the facts of every class in a type, and of all their bases."""
        waiting = [*classes_in(written)]
        while waiting:
            each = waiting.pop(0)
            key = f"{each.module}:{each.qualname}"
            if key in self.known:
                continue
            found = self.find(each)
            if found is None:
                continue
            self.known[key] = self.facts_of(found)
            waiting += [cls for base in self.known[key].bases for cls in classes_in(base)]

    def find(self, cls: ClassType) -> Definition | None:
        """Find where a class of the project is defined."""
        modules = self.annotations.evaluator.lookup.modules
        source = modules.named(cls.module)
        file = getattr(source, "file", None)
        if not isinstance(file, str):
            return None
        evaluator = self.annotations.evaluator
        module = evaluator.lookup.load(file)
        if module is None:
            return None
        first, *rest = cls.qualname.split(".")
        expr: ast.expr = ast.Name(first, ast.Load())
        for part in rest:
            expr = ast.Attribute(expr, part, ast.Load())
        found = definitions(evaluator, expr, Use(module.scope))
        return next((each for each in found if isinstance(each, Definition)), None)

    def facts_of(self, definition: Definition) -> ClassFacts:
        """Return the facts of a class, without what payloads carry of it."""
        binding = definition.binding
        if isinstance(binding, ClassDefinition):
            return self._class(values.ClassRef(definition))
        if isinstance(binding, Assignment) and isinstance(binding.value, ast.Call):
            return self._call(definition, binding.value)
        return ClassFacts()

    def _class(self, ref: values.ClassRef) -> ClassFacts:
        evaluator = self.annotations.evaluator
        own, use = statement_of(ref)
        parameters = Variances(evaluator, self._kind).of(ref)
        variables: Variables = {name: ClassType("", name) for name, _ in parameters}
        bases = tuple(base for expr in own.bases for base in self._base(expr, use, variables))
        kind = self._kind(ref)
        if kind == "namedtuple":
            bases = (*bases, *items_of_class(self.annotations, ref, variables))
        from_typing = kind == "typeddict" and is_from_typing(self.annotations.evaluator, ref)
        json = kind != "class" or self._passes(ref)
        return ClassFacts(bases, kind, parameters, json, from_typing=from_typing)

    def _base(self, expr: ast.expr, use: Use, variables: Variables) -> list[Type]:
        inner = expr.value if isinstance(expr, ast.Subscript) else expr
        special = {"Generic", "Protocol", "TypedDict", "NamedTuple"}
        if external(self.annotations.evaluator, inner, use) in special:
            return []
        try:
            read = self.annotations.read(expr, use, variables)
        except UnwritableError:
            return []
        return [] if read == ClassType("builtins", "object") else [read]

    def _kind(self, ref: values.ClassRef) -> str:
        evaluator = self.annotations.evaluator
        ancestors = evaluator.ancestors(ref)
        outside = [each.name for each in ancestors if isinstance(each, ExternalName)]
        last = {name.rpartition(".")[2] for name in outside}
        if last & {"TypedDict"}:
            return "typeddict"
        if any(name.startswith("enum.") and name.rpartition(".")[2] in _ENUMS for name in outside):
            return "enum"
        if "NamedTuple" in last:
            return "namedtuple"
        if any(name.startswith(("pydantic.", "pydantic_settings.")) for name in outside):
            return "model"
        own = [each for each in ancestors if isinstance(each, values.ClassRef)]
        return "dataclass" if any(self._is_dataclass(each) for each in own) else "class"

    def _decorators(self, ref: values.ClassRef) -> list[str]:
        names = self._decorated.get(ref)
        if names is None:
            own, use = statement_of(ref)
            found = [self._decorator(each, use) for each in own.decorator_list]
            names = self._decorated[ref] = [each for each in found if each]
        return names

    def _decorator(self, decorator: ast.expr, use: Use) -> str:
        """The full name of a decorator, "" for one that returns the class unchanged, "?" for any other."""
        is_made = isinstance(decorator, ast.Call)
        found = self.annotations.evaluator.value(decorator.func if isinstance(decorator, ast.Call) else decorator, use)
        if isinstance(found, values.FunctionRef):
            return "" if gives_back(function_node(found), is_made=is_made) else "?"
        return found.name if isinstance(found, ExternalName) else "?"

    def _is_dataclass(self, ref: values.ClassRef) -> bool:
        return any(name.rpartition(".")[2] == "dataclass" for name in self._decorators(ref))

    def _passes(self, ref: values.ClassRef) -> bool:
        """Whether a plain class may travel nevertheless: it defines how, or something external changes it."""
        evaluator = self.annotations.evaluator
        for each in evaluator.ancestors(ref):
            if isinstance(each, values.ClassRef):
                if self._describes_itself(each) or self._is_decorated(each):
                    return True
            elif isinstance(each, ExternalName):
                module, _, name = each.name.rpartition(".")
                if not _is_standard(module) and not is_of_library(module, name):
                    return True
            elif isinstance(each, values.Unknown | values.NotUpnext):
                return True
        return False

    def _describes_itself(self, ref: values.ClassRef) -> bool:
        names = ("__get_pydantic_core_schema__", "__get_validators__")
        return any(name in self.annotations.evaluator.body_of(ref).definitions for name in names)

    def _is_decorated(self, ref: values.ClassRef) -> bool:
        return any(
            not _is_standard(name) and name.partition(".")[0] not in _REFUSED_DECORATORS
            for name in self._decorators(ref)
        )

    def _call(self, definition: Definition, call: ast.Call) -> ClassFacts:
        use, evaluator = Use(definition.scope, definition.line), self.annotations.evaluator
        maker = evaluator.value(call.func, use)
        last = maker.name.rpartition(".")[2] if isinstance(maker, ExternalName) else ""
        if last == "NewType":
            made_of = [each for each in call.args if not isinstance(each, ast.Starred)][1:2]
            try:
                bases = tuple(self.annotations.read(each, Use(definition.scope)) for each in made_of)
            except UnwritableError:
                bases = ()
            return ClassFacts(bases, "newtype")
        kinds = {"TypedDict": "typeddict", "NamedTuple": "namedtuple", "namedtuple": "namedtuple"}
        kinds |= {"make_dataclass": "dataclass", "create_model": "model"}
        if last in kinds:
            items = items_of_call(self.annotations, call, use) if kinds[last] == "namedtuple" else ()
            from_typing = last == "TypedDict" and is_of_typing(evaluator, call.func, use)
            return ClassFacts(items, kinds[last], from_typing=from_typing)
        return ClassFacts((ClassType("enum", last),), "enum") if last.endswith(("Enum", "Flag")) else ClassFacts()


def is_context(written: Type, known: dict[str, ClassFacts], depth: int = 0) -> bool:
    """Whether a type is `upnext.Context`, or a class below it."""
    if not isinstance(written, ClassType) or depth > 20:
        return False
    if written.module in UPNEXT:
        return written.qualname == "Context"
    own = known.get(f"{written.module}:{written.qualname}")
    return own is not None and any(is_context(base, known, depth + 1) for base in own.bases)


def _is_standard(name: str) -> bool:
    return canonical(f"{name}.x")[0] in _STANDARD_PLAIN or name.partition(".")[0] in _standard_modules()


def _standard_modules() -> frozenset[str]:
    return sys.stdlib_module_names
