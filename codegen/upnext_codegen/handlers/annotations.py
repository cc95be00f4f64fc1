"""Annotations to types: names followed to where they are defined, aliases taken apart, spellings made one."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from upnext_codegen import messages
from upnext_codegen.files.walk import parts
from upnext_codegen.handlers.canonical import canonical
from upnext_codegen.names import values
from upnext_codegen.names.definitions import (
    alias_qualname,
    class_module,
    class_qualname,
    definitions,
    free_variables,
    is_local,
    type_variable,
)
from upnext_codegen.names.evaluate import Evaluator
from upnext_codegen.names.lookup import Bound, Definition, Spot
from upnext_codegen.names.modules import Outside
from upnext_codegen.names.type_parameters import defaults_of, definition_of, option, type_statement
from upnext_codegen.reading import facts
from upnext_codegen.reading.textual import parsed_annotation
from upnext_codegen.types import (
    ANY,
    NONE,
    ClassType,
    EnumMember,
    LiteralType,
    LiteralValue,
    TupleType,
    Type,
    UnionType,
)

Variables: TypeAlias = Mapping[str, Type]
"""What the type variables in sight stand for."""

_NO_VARIABLES: Variables = {}
_TRANSPARENT = frozenset({"Annotated", "Required", "NotRequired", "ReadOnly", "Final", "ClassVar", "InitVar"})
_UNSUPPORTED = frozenset(
    [
        "Self",
        "ParamSpec",
        "TypeVarTuple",
        "Concatenate",
        "Unpack",
        "TypeGuard",
        "TypeIs",
        "Generic",
        "Protocol",
        "Optional",
        "Union",
        "Literal",
        "Annotated",
        "Final",
        "ClassVar",
        "Required",
        "NotRequired",
        "ReadOnly",
        "TypeVar",
        "TypeAlias",
    ]
)
_DEEPEST = 40
_WHOLE_TUPLE = "write every item of the tuple out, or one type for all of them as in tuple[int, ...]"


class UnwritableError(Exception):
    """Raised when an annotation cannot be written in the stub: the reason, and the way out if it is a special one."""

    def __init__(self, reason: str, way_out: str = "") -> None:
        super().__init__(reason)
        self.way_out = way_out


@dataclass(slots=True)
class Annotations:
    """Reads annotations.

    Attributes:
        evaluator: Knows the values of names.
    """

    evaluator: Evaluator
    _active: list[tuple[str, int, str]] = field(default_factory=list[tuple[str, int, str]])
    _cyclic: set[tuple[str, int, str]] = field(default_factory=set[tuple[str, int, str]])
    _folded: dict[frozenset[Type], ClassType] = field(default_factory=dict[frozenset[Type], ClassType])
    _depth: int = 0

    def read(self, expr: facts.Expr, spot: Spot, variables: Variables = _NO_VARIABLES) -> Type:
        """Read an annotation.

        Raises:
            UnwritableError: The stub cannot repeat it.
        """
        if self._depth > _DEEPEST:
            raise UnwritableError("it is nested too deeply")
        self._depth += 1
        try:
            return self._read(expr, spot, variables)
        finally:
            self._depth -= 1

    def _read(self, expr: facts.Expr, spot: Spot, variables: Variables) -> Type:
        match expr:
            case facts.Const(None):
                return NONE
            case facts.Const(str() as text):
                return self._text(text, spot, variables)
            case facts.Name() | facts.Attr():
                return self._named(expr, spot, variables)
            case facts.Binary("|", left, right):
                return union([self.read(left, spot, variables), self.read(right, spot, variables)])
            case facts.Subscript(base, index):
                items = list(index.items) if isinstance(index, facts.Display) and index.kind == "tuple" else [index]
                return self._subscript(base, items, spot, variables)
            case facts.Choice(first):
                return self.read(first, spot, variables)
            case _:
                raise UnwritableError("it is not a type")

    def _text(self, text: str, spot: Spot, variables: Variables) -> Type:
        expr = parsed_annotation(text)
        if isinstance(expr, facts.Unknown):
            raise UnwritableError("the text in quotes is not a type")
        return self.read(expr, spot, variables)

    def _named(self, expr: facts.Name | facts.Attr, spot: Spot, variables: Variables) -> Type:
        if isinstance(expr, facts.Name) and expr.id in variables:
            return variables[expr.id]
        found = definitions(self.evaluator, expr, spot)
        if not found:
            raise self._unknown(expr, spot)
        fault: UnwritableError | None = None
        for definition in found:
            # The first arm that is a type: the way type checkers read `try: import` and TYPE_CHECKING.
            try:
                return self.defined(definition, [], variables)
            except UnwritableError as error:
                fault = fault or error
        assert fault is not None
        raise fault

    def _unknown(self, expr: facts.Expr, spot: Spot) -> UnwritableError:
        while isinstance(expr, facts.Attr):
            expr = expr.value
        star = self.evaluator.lookup.unseen_star(spot.file)
        if not star or not isinstance(expr, facts.Name) or self.evaluator.lookup.name(spot, expr.id):
            return UnwritableError("the name cannot be found")
        return UnwritableError("the name cannot be found", messages.import_by_name(expr.id, star))

    def defined(self, definition: Definition, arguments: list[Type], variables: Variables = _NO_VARIABLES) -> Type:
        """Read what is defined in a place, as a type with these arguments."""
        match definition:
            case Outside(name):
                return self._outside(name, arguments)
            case Bound(file, _, facts.Binding(_, facts.DefinedClass(index))):
                cls = values.ClassRef(file, index)
                return self.class_type(cls, self._filled(cls, arguments))
            case Bound(_, _, facts.Binding(_, facts.Assigned())):
                return self._assigned(definition, arguments, variables)
            case Bound(_, _, facts.Binding(_, facts.DefinedFunction())):
                raise UnwritableError("it is a function, not a type")
            case Bound():
                raise UnwritableError("what the name is bound to cannot be known")
            case _:
                raise UnwritableError("it is a module, not a type")

    def _filled(self, cls: values.ClassRef, arguments: list[Type]) -> tuple[Type, ...]:
        """The arguments of a class, with the defaults of those that are not given."""
        known = self.evaluator.lookup.load(cls.file)
        if known is None or not (known.classes[cls.index].type_parameters or known.classes[cls.index].bases):
            return tuple(arguments)
        parameters = defaults_of(self.evaluator, cls)
        if not any(default for _, default in parameters[len(arguments) :]):
            return tuple(arguments)
        spot = definition_of(self.evaluator, cls)[1]
        return tuple(self._with_defaults(parameters, arguments, spot).values())

    def _with_defaults(
        self, parameters: Sequence[tuple[str, facts.Expr | None]], arguments: list[Type], spot: Spot
    ) -> dict[str, Type]:
        found = dict(zip((name for name, _ in parameters), arguments, strict=False))
        for name, default in parameters[len(arguments) :]:
            found[name] = ANY if default is None else self.read(default, spot, found)
        return found

    def class_type(self, cls: values.ClassRef, arguments: tuple[Type, ...] = ()) -> ClassType:
        """Name a class of the project.

        Raises:
            UnwritableError: It is local to a function, or its module cannot be imported.
        """
        if is_local(self.evaluator, cls):
            raise UnwritableError("the class is local to a function")
        return self._type_in(cls.file, class_qualname(self.evaluator, cls), arguments)

    def _type_in(self, file: str, qualname: str, arguments: tuple[Type, ...] = ()) -> ClassType:
        module = class_module(self.evaluator, file)
        if not module:
            raise UnwritableError(f"its module {self.evaluator.lookup.modules.name_of(file)!r} cannot be imported")
        return ClassType(module, qualname, arguments)

    def _outside(self, name: str, arguments: list[Type]) -> Type:
        module, last = canonical(name)
        if (module, last) == ("typing", "Any"):
            return ANY
        if (module, last) == ("typing", "AnyStr"):
            return UnionType((ClassType("builtins", "str"), ClassType("builtins", "bytes")))
        if not module:
            raise UnwritableError("it is a module, not a type")
        if module == "typing" and last in _UNSUPPORTED:
            raise UnwritableError(f"{last} has no meaning here", "name the class" if last == "Self" else "")
        if (module, last) == ("builtins", "tuple") and not arguments:
            return TupleType((ANY,), variadic=True)
        if module == "builtins" and last != "None" and not isinstance(getattr(builtins, last, object), type):
            raise UnwritableError("it is not a type")
        return ClassType(module, last, tuple(arguments))

    def _assigned(self, bound: Bound, arguments: list[Type], variables: Variables) -> Type:
        what = bound.binding.what
        assert isinstance(what, facts.Assigned)
        variable = type_variable(self.evaluator, bound)
        if variable is not None:
            return self._variable(bound, variable, variables)
        special = self._constructed(bound, what, arguments)
        if special is not None:
            return special
        return self._unfolded(bound, what, arguments)

    def _unfolded(self, bound: Bound, what: facts.Assigned, arguments: list[Type]) -> Type:
        if what.value is None:
            raise UnwritableError("the name is a variable, not a type")
        key = (bound.file, bound.scope, bound.binding.name)
        if key in self._active:
            # A type that refers to itself is named, not taken apart.
            self._cyclic.update(self._active[self._active.index(key) :])
            return self._alias_itself(bound, tuple(arguments))
        self._active.append(key)
        try:
            found = self._alias(bound, what, arguments)
        finally:
            self._active.pop()
        if key in self._cyclic and not arguments:
            self._folded[frozenset(parts(found))] = self._alias_itself(bound)
        return found

    def _alias_itself(self, bound: Bound, arguments: tuple[Type, ...] = ()) -> ClassType:
        qualname = alias_qualname(self.evaluator, bound)
        if not qualname:
            raise UnwritableError("the type is local to a function")
        return self._type_in(bound.file, qualname, arguments)

    def _alias(self, bound: Bound, what: facts.Assigned, arguments: list[Type]) -> Type:
        spot = Spot(bound.file, bound.scope)
        assert what.value is not None
        if what.parameters:
            parameters = [(each.name, each.default) for each in what.parameters]
        else:
            names = free_variables(self.evaluator, what.value, spot)
            parameters = [(name, option(self.evaluator, name, "default", spot)) for name in names]
        if not parameters and arguments and isinstance(what.value, facts.Name | facts.Attr):
            # `L = list` and then `L[int]`.
            found = definitions(self.evaluator, what.value, spot)
            if found:
                return self.defined(found[0], arguments)
        return self.read(what.value, spot, self._with_defaults(parameters, arguments, spot))

    def _variable(self, bound: Bound, call: facts.Call, variables: Variables) -> Type:
        """A type variable stands for its bound or constraints: an event has nothing to solve it by."""
        name = bound.binding.name
        if name in variables:
            return variables[name]
        spot = Spot(bound.file, bound.scope)
        limit = next((arg for arg in call.args if arg.keyword == "bound"), None)
        if limit is not None:
            return self.read(limit.value, spot)
        constraints = [arg for arg in call.args if arg.keyword == ""][1:]
        return union([self.read(each.value, spot) for each in constraints]) if constraints else ANY

    def _constructed(self, bound: Bound, what: facts.Assigned, arguments: list[Type]) -> Type | None:
        """A class made by a call: NewType, TypedDict, NamedTuple, Enum."""
        if not isinstance(what.value, facts.Call):
            return None
        maker = self.evaluator.value(what.value.func, Spot(bound.file, bound.scope, bound.binding.line))
        last = maker.name.rpartition(".")[2] if isinstance(maker, Outside) else ""
        if last == "TypeAliasType":
            spot = Spot(bound.file, bound.scope)
            return self._unfolded(bound, type_statement(self.evaluator, what.value, spot), arguments)
        known = last in {"NewType", "TypedDict", "NamedTuple", "namedtuple", "make_dataclass", "create_model"}
        if not known and not last.endswith(("Enum", "Flag")):
            raise UnwritableError("it is the result of a call, not a type")
        known_facts = self.evaluator.lookup.load(bound.file)
        if known_facts is not None and known_facts.scopes[bound.scope].kind == "function":
            raise UnwritableError("the type is local to a function")
        return self._type_in(bound.file, bound.binding.name)

    def _subscript(self, base: facts.Expr, items: list[facts.Expr], spot: Spot, variables: Variables) -> Type:
        found = definitions(self.evaluator, base, spot)
        if not found:
            raise self._unknown(base, spot)
        if isinstance(found[0], Outside):
            special = self._special(found[0], items, spot, variables)
            if special is not None:
                return special
        return self.defined(found[0], [self._argument(item, spot, variables) for item in items], variables)

    def _argument(self, item: facts.Expr, spot: Spot, variables: Variables) -> Type:
        return ANY if isinstance(item, facts.Display | facts.Dots) else self._inside(item, spot, variables)

    def _inside(self, item: facts.Expr, spot: Spot, variables: Variables) -> Type:
        """Read what stands inside another type: one that refers to itself goes by its name there, in any spelling."""
        found = self.read(item, spot, variables)
        return self._folded.get(frozenset(parts(found)), found)

    def _special(self, form: Outside, items: list[facts.Expr], spot: Spot, variables: Variables) -> Type | None:
        module, last = canonical(form.name)
        if (module, last) == ("builtins", "tuple"):
            return self._tuple(items, spot, variables)
        if (module, last) == ("collections.abc", "Callable"):
            return ClassType(module, last)
        if module != "typing" and (module, last) != ("dataclasses", "InitVar"):
            return None
        if not items:
            raise UnwritableError("it is not a type")
        match last:
            case "Optional":
                return union([*[self.read(item, spot, variables) for item in items], NONE])
            case "Union":
                return union([self.read(item, spot, variables) for item in items])
            case "Literal":
                return self._literal(items, spot)
            case "Unpack":
                raise UnwritableError("only **kwargs: Unpack[...] of a TypedDict can be unpacked", _WHOLE_TUPLE)
            case _ if last in _TRANSPARENT:
                return self.read(items[0], spot, variables)
            case _:
                return None

    def _tuple(self, items: list[facts.Expr], spot: Spot, variables: Variables) -> Type:
        if len(items) == 2 and isinstance(items[1], facts.Dots):
            return TupleType((self._inside(items[0], spot, variables),), variadic=True)
        if items == [facts.Display("tuple", ())]:
            return TupleType(())
        if any(isinstance(item, facts.Starred | facts.Dots) for item in items):
            raise UnwritableError("no payload can be checked against a tuple with an unpacked part", _WHOLE_TUPLE)
        return TupleType(tuple(self._inside(item, spot, variables) for item in items))

    def _literal(self, items: list[facts.Expr], spot: Spot) -> Type:
        found: list[LiteralValue] = []
        for item in items:
            for value in self._literal_values(item, spot):
                if not any(value == seen and type(value) is type(seen) for seen in found):
                    found.append(value)
        plain = tuple(value for value in found if value is not None)
        literal: list[Type] = [LiteralType(plain)] if plain else []
        return union([*literal, *([NONE] if len(plain) < len(found) else [])])

    def _literal_values(self, item: facts.Expr, spot: Spot) -> list[LiteralValue]:
        match item:
            case facts.Const(value) if not isinstance(value, float):
                return [value]
            case facts.Bytes(latin):
                return [latin.encode("latin-1")]
            case facts.Negative(facts.Const(int() as number)):
                return [-number]
            case _:
                pass
        member = self.evaluator.value(item, spot) if isinstance(item, facts.Attr) else None
        if isinstance(member, values.Member):
            cls = self.class_type(member.cls)
            return [EnumMember(cls.module, cls.qualname, member.name)]
        nested = self.read(item, spot)
        if not all(isinstance(part, LiteralType) or part == NONE for part in parts(nested)):
            raise UnwritableError("Literal holds something that is not a literal")
        return [
            value for part in parts(nested) for value in (part.values if isinstance(part, LiteralType) else (None,))
        ]


def union(members: list[Type]) -> Type:
    """Make one type of alternatives, each once, without nesting."""
    flat: list[Type] = []
    for member in members:
        for part in parts(member):
            if part not in flat:
                flat.append(part)
    if ANY in flat:
        return ANY
    return flat[0] if len(flat) == 1 else UnionType(tuple(flat))
