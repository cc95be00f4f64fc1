"""Turns annotations into types: follows names, expands aliases, unifies spellings."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from upnext_codegen import messages
from upnext_codegen.handlers.canonical import canonical
from upnext_codegen.handlers.constraints import Constraints
from upnext_codegen.limits import MAX_ANNOTATION_DEPTH
from upnext_codegen.names import values
from upnext_codegen.names.annotation_names import (
    alias_qualname,
    class_module,
    class_qualname,
    definitions,
    free_variables,
    is_local,
    type_variable,
)
from upnext_codegen.names.evaluator import Evaluator, alternatives, class_node, plain_arguments
from upnext_codegen.names.lookup import Source
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import (
    Assignment,
    ClassDefinition,
    Definition,
    FunctionDefinition,
    Scope,
    Use,
    type_parameters,
)
from upnext_codegen.names.type_parameters import defaults_of, option, statement_of, type_statement
from upnext_codegen.reading.string_annotations import unquoted
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
from upnext_codegen.types.traversal import parts, union

Variables: TypeAlias = Mapping[str, Type]
"""What the type variables in sight stand for."""

_NO_VARIABLES: Variables = {}
_TRANSPARENT = frozenset({"Annotated", "Required", "NotRequired", "ReadOnly", "Final", "ClassVar", "InitVar"})
_UNSUPPORTED = frozenset(
    {
        *("Annotated", "ClassVar", "Concatenate", "Final", "Generic", "Literal", "NotRequired", "Optional"),
        *("ParamSpec", "Protocol", "ReadOnly", "Required", "Self", "TypeAlias", "TypeGuard", "TypeIs", "TypeVar"),
        *("TypeVarTuple", "Union", "Unpack"),
    }
)
_WHOLE_TUPLE = "write every item of the tuple out, or one type for all of them as in tuple[int, ...]"


class UnwritableError(Exception):
    """Raised when an annotation cannot be written in the stub: the reason, and specific advice if there is any."""

    def __init__(self, reason: str, way_out: str = "") -> None:
        super().__init__(reason)
        self.way_out = way_out


@dataclass(slots=True)
class Annotations:
    """Reads annotations.

    Attributes:
        evaluator: Knows the values of names.
        constraints: Reads what an annotation says beyond its type; None to leave that out.
    """

    evaluator: Evaluator
    constraints: Constraints | None = None
    _active: list[tuple[Scope, str]] = field(default_factory=list["tuple[Scope, str]"])
    _cyclic: set[tuple[Scope, str]] = field(default_factory=set["tuple[Scope, str]"])
    _folded: dict[frozenset[Type], ClassType] = field(default_factory=dict[frozenset[Type], ClassType])
    _depth: int = 0

    def read(self, expr: ast.expr, use: Use, variables: Variables = _NO_VARIABLES) -> Type:
        """Read an annotation.

        Raises:
            UnwritableError: The stub cannot repeat it.
        """
        if self._depth > MAX_ANNOTATION_DEPTH:
            raise UnwritableError("it is nested too deeply")
        self._depth += 1
        try:
            return self._read(expr, use, variables)
        finally:
            self._depth -= 1

    def _read(self, expr: ast.expr, use: Use, variables: Variables) -> Type:
        expr = unquoted(expr)
        match expr:
            case ast.Constant(None):
                return NONE
            case ast.Constant(str()):
                raise UnwritableError("the text in quotes is not a type")
            case ast.Name() | ast.Attribute():
                return self._named(expr, use, variables)
            case ast.BinOp(_, ast.BitOr(), _):
                return union([self.read(side, use, variables) for side in alternatives(expr)])
            case ast.Subscript(base, index):
                items = list(index.elts) if isinstance(index, ast.Tuple) else [index]
                return self._subscript(base, items or [index], use, variables)
            case ast.Call() if self.constraints is not None:
                called = self.constraints.called(expr, use, lambda inner: self.read(inner, use, variables))
                if called is None:
                    raise UnwritableError("it is not a type")
                return called
            case ast.IfExp(_, first) | ast.BoolOp(_, [first, *_]) | ast.NamedExpr(_, first):
                return self.read(first, use, variables)
            case _:
                raise UnwritableError("it is not a type")

    def _named(self, expr: ast.Name | ast.Attribute, use: Use, variables: Variables) -> Type:
        if isinstance(expr, ast.Name) and expr.id in variables:
            return variables[expr.id]
        found = definitions(self.evaluator, expr, use)
        if not found:
            raise self._unknown(expr, use)
        fault: UnwritableError | None = None
        for definition in found:
            # The first arm that is a type: the way type checkers read `try: import` and TYPE_CHECKING.
            try:
                return self.defined(definition, [], variables)
            except UnwritableError as error:
                fault = fault or error
        assert fault is not None
        raise fault

    def _unknown(self, expr: ast.expr, use: Use) -> UnwritableError:
        while isinstance(expr, ast.Attribute):
            expr = expr.value
        star = self.evaluator.lookup.unseen_star(use.file)
        if not star or not isinstance(expr, ast.Name) or self.evaluator.lookup.name(use, expr.id):
            return UnwritableError("the name cannot be found")
        return UnwritableError("the name cannot be found", messages.import_by_name(expr.id, star))

    def defined(self, source: Source, arguments: list[Type], variables: Variables = _NO_VARIABLES) -> Type:
        """Read a definition in a place, as a type with these arguments."""
        if isinstance(source, ExternalName):
            return self._external(source.name, arguments)
        if not isinstance(source, Definition):
            raise UnwritableError("it is a module, not a type")
        match source.binding:
            case ClassDefinition():
                cls = values.ClassRef(source)
                return self.class_type(cls, self._filled(cls, arguments))
            case Assignment(ast.expr() | None) as assignment:
                return self._assigned(source, assignment, arguments, variables)
            case FunctionDefinition():
                raise UnwritableError("it is a function, not a type")
            case _:
                raise UnwritableError("what the name is bound to cannot be known")

    def _filled(self, cls: values.ClassRef, arguments: list[Type]) -> tuple[Type, ...]:
        """The arguments of a class, with the defaults of omitted ones."""
        node = class_node(cls)
        if not type_parameters(node) and not node.bases:
            return tuple(arguments)
        parameters = defaults_of(self.evaluator, cls)
        if not any(default for _, default in parameters[len(arguments) :]):
            return tuple(arguments)
        use = statement_of(cls)[1]
        return tuple(self._with_defaults(parameters, arguments, use).values())

    def _with_defaults(
        self, parameters: Sequence[tuple[str, ast.expr | None]], arguments: list[Type], use: Use
    ) -> dict[str, Type]:
        found = dict(zip((name for name, _ in parameters), arguments, strict=False))
        for name, default in parameters[len(arguments) :]:
            found[name] = ANY if default is None else self.read(default, use, found)
        return found

    def class_type(self, cls: values.ClassRef, arguments: tuple[Type, ...] = ()) -> ClassType:
        """Name a class of the project.

        Raises:
            UnwritableError: It is local to a function, or its module cannot be imported.
        """
        if is_local(cls):
            raise UnwritableError("the class is local to a function")
        return self._type_in(cls.file, class_qualname(self.evaluator, cls), arguments)

    def _type_in(self, file: str, qualname: str, arguments: tuple[Type, ...] = ()) -> ClassType:
        module = class_module(self.evaluator, file)
        if not module:
            raise UnwritableError(f"its module {self.evaluator.lookup.modules.name_of(file)!r} cannot be imported")
        return ClassType(module, qualname, arguments)

    def _external(self, name: str, arguments: list[Type]) -> Type:
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

    def _assigned(self, definition: Definition, what: Assignment, arguments: list[Type], variables: Variables) -> Type:
        variable = type_variable(self.evaluator, definition)
        if variable is not None:
            return self._variable(definition, variable, variables)
        special = self._constructed(definition, what, arguments)
        if special is not None:
            return special
        return self._unfolded(definition, what, arguments)

    def _unfolded(self, definition: Definition, what: Assignment, arguments: list[Type]) -> Type:
        if what.value is None:
            raise UnwritableError("the name is a variable, not a type")
        key = (definition.scope, definition.name)
        if key in self._active:
            # A type that refers to itself is named, not taken apart.
            self._cyclic.update(self._active[self._active.index(key) :])
            return self._alias_itself(definition, tuple(arguments))
        self._active.append(key)
        try:
            found = self._alias(definition, what, arguments)
        finally:
            self._active.pop()
        if key in self._cyclic and not arguments:
            self._folded[frozenset(parts(found))] = self._alias_itself(definition)
        return found

    def _alias_itself(self, definition: Definition, arguments: tuple[Type, ...] = ()) -> ClassType:
        qualname = alias_qualname(self.evaluator, definition)
        if not qualname:
            raise UnwritableError("the type is local to a function")
        return self._type_in(definition.file, qualname, arguments)

    def _alias(self, definition: Definition, what: Assignment, arguments: list[Type]) -> Type:
        use = Use(definition.scope)
        assert isinstance(what.value, ast.expr)
        if what.parameters:
            parameters = [(each.name, each.default) for each in what.parameters]
        else:
            names = free_variables(self.evaluator, what.value, use)
            parameters = [(name, option(self.evaluator, name, "default", use)) for name in names]
        if not parameters and arguments and isinstance(what.value, ast.Name | ast.Attribute):
            # `L = list` and then `L[int]`.
            found = definitions(self.evaluator, what.value, use)
            if found:
                return self.defined(found[0], arguments)
        return self.read(what.value, use, self._with_defaults(parameters, arguments, use))

    def _variable(self, definition: Definition, call: ast.Call, variables: Variables) -> Type:
        """The definition or constraints of a type variable: an event has nothing to solve it by."""
        if definition.name in variables:
            return variables[definition.name]
        use = Use(definition.scope)
        given = plain_arguments(call, use)
        limit = next((each for each in given if each.keyword == "bound"), None)
        if limit is not None:
            return self.read(limit.value, use)
        constraints = [each for each in given if each.keyword == ""][1:]
        return union([self.read(each.value, use) for each in constraints]) if constraints else ANY

    def _constructed(self, definition: Definition, what: Assignment, arguments: list[Type]) -> Type | None:
        """A class made by a call: NewType, TypedDict, NamedTuple, Enum."""
        if not isinstance(what.value, ast.Call):
            return None
        maker = self.evaluator.value(what.value.func, Use(definition.scope, definition.line))
        last = maker.name.rpartition(".")[2] if isinstance(maker, ExternalName) else ""
        if last == "TypeAliasType":
            statement = type_statement(self.evaluator, what.value, Use(definition.scope))
            return self._unfolded(definition, statement, arguments)
        known = last in {"NewType", "TypedDict", "NamedTuple", "namedtuple", "make_dataclass", "create_model"}
        if not known and not last.endswith(("Enum", "Flag")):
            raise UnwritableError("it is the result of a call, not a type")
        if definition.scope.kind == "function":
            raise UnwritableError("the type is local to a function")
        return self._type_in(definition.file, definition.name)

    def _subscript(self, base: ast.expr, items: list[ast.expr], use: Use, variables: Variables) -> Type:
        found = definitions(self.evaluator, base, use)
        if not found:
            raise self._unknown(base, use)
        if isinstance(found[0], ExternalName):
            special = self._special(found[0], items, use, variables)
            if special is not None:
                return special
        return self.defined(found[0], [self._argument(item, use, variables) for item in items], variables)

    def _argument(self, item: ast.expr, use: Use, variables: Variables) -> Type:
        return ANY if isinstance(item, ast.List | ast.Tuple) or _is_dots(item) else self._inside(item, use, variables)

    def _inside(self, item: ast.expr, use: Use, variables: Variables) -> Type:
        """Read the inside of another type: a recursive one is represented by its name, in any spelling."""
        found = self.read(item, use, variables)
        return self._folded.get(frozenset(parts(found)), found)

    def _special(self, form: ExternalName, items: list[ast.expr], use: Use, variables: Variables) -> Type | None:
        module, last = canonical(form.name)
        if (module, last) == ("builtins", "tuple"):
            return self._tuple(items, use, variables)
        if (module, last) == ("collections.abc", "Callable"):
            return ClassType(module, last)
        if module != "typing" and (module, last) != ("dataclasses", "InitVar"):
            return None
        if not items:
            raise UnwritableError("it is not a type")
        match last:
            case "Optional":
                return union([*[self.read(item, use, variables) for item in items], NONE])
            case "Union":
                return union([self.read(item, use, variables) for item in items])
            case "Literal":
                return self._literal(items, use)
            case "Unpack":
                raise UnwritableError("only **kwargs: Unpack[...] of a TypedDict can be unpacked", _WHOLE_TUPLE)
            case _ if last in _TRANSPARENT:
                inner = self.read(items[0], use, variables)
                held_back = self.constraints if last == "Annotated" else None
                return inner if held_back is None else held_back.annotated(inner, items[1:], use)
            case _:
                return None

    def _tuple(self, items: list[ast.expr], use: Use, variables: Variables) -> Type:
        if len(items) == 2 and _is_dots(items[1]):
            return TupleType((self._inside(items[0], use, variables),), variadic=True)
        if len(items) == 1 and isinstance(items[0], ast.Tuple) and not items[0].elts:
            return TupleType(())
        if any(isinstance(item, ast.Starred) or _is_dots(item) for item in items):
            raise UnwritableError("no payload can be checked against a tuple with an unpacked part", _WHOLE_TUPLE)
        return TupleType(tuple(self._inside(item, use, variables) for item in items))

    def _literal(self, items: list[ast.expr], use: Use) -> Type:
        every = (value for item in items for value in self._literal_values(item, use))
        found = list({(type(value), value): value for value in every}.values())
        plain = tuple(value for value in found if value is not None)
        literal: list[Type] = [LiteralType(plain)] if plain else []
        return union([*literal, *([NONE] if len(plain) < len(found) else [])])

    def _literal_values(self, item: ast.expr, use: Use) -> list[LiteralValue]:
        match item:
            case ast.Constant(str() | bytes() | int() | None as value):
                return [value]
            case ast.UnaryOp(ast.USub(), ast.Constant(int() as number)):
                return [-number]
            case _:
                pass
        member = self.evaluator.value(item, use) if isinstance(item, ast.Attribute) else None
        if isinstance(member, values.MemberValue):
            cls = self.class_type(member.cls)
            return [EnumMember(cls.module, cls.qualname, member.name)]
        nested = self.read(item, use)
        if not all(isinstance(part, LiteralType) or part == NONE for part in parts(nested)):
            raise UnwritableError("Literal holds something that is not a literal")
        return [
            value for part in parts(nested) for value in (part.values if isinstance(part, LiteralType) else (None,))
        ]


def _is_dots(expr: ast.expr) -> bool:
    return isinstance(expr, ast.Constant) and expr.value is Ellipsis
