"""One field of a model as its class declares it: its type, its default, and its keys in a payload."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen.handlers.annotations import Annotations, UnwritableError, Variables
from upnext_codegen.handlers.constraints import Constraints, NotCertainError
from upnext_codegen.handlers.enum_members import place_of_name
from upnext_codegen.handlers.marks import unmarked
from upnext_codegen.limits import MAX_HELPERS
from upnext_codegen.names import private_names, values
from upnext_codegen.names.annotation_names import external
from upnext_codegen.names.evaluator import Argument, function_node, plain_arguments
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import Assignment, Definition, Use
from upnext_codegen.reading.expression_text import text_of
from upnext_codegen.types import ANY, ClassType, ModelField, Type, constrained

if TYPE_CHECKING:
    from upnext_codegen.handlers.model_config import Config

_NO_FIELDS = frozenset({"ClassVar", "KW_ONLY"})
_UNCERTAIN = frozenset({"InitVar", "Final"})
_FIELD_CALLS = {"dataclasses.field": "dataclass", "pydantic.Field": "model", "pydantic.fields.Field": "model"}
_FIELD_NAMES = frozenset({"attrib", "field", "ib"})
"""Last names of functions that make fields, whatever package they are of."""

_NONE = frozenset[values.FunctionRef]()


@dataclass(slots=True)
class Options:
    """The options of a field's `Field(...)`.

    Attributes:
        written: The alias that it is written under.
        read: The aliases that it is read from.
        has_default: Whether it has a default, None where nothing is said of that.
        constraints: What it holds the type to.
        left_out: Whether it is written, as `ModelField` has it.
    """

    written: str | None = None
    read: tuple[str, ...] = ()
    has_default: bool | None = None
    constraints: list[str] = field(default_factory=list[str])
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class FieldReader:
    """Reads fields.

    Attributes:
        constraints: Reads constraints.
        annotations: Reads annotations, with constraints.
    """

    constraints: Constraints
    annotations: Annotations

    def read(
        self, definition: Definition, kind: str, variables: Variables, *, total: bool
    ) -> tuple[ModelField, Options] | None:
        """Read an annotation of a class, None if it is not a field.

        Args:
            definition: Where it is annotated.
            kind: The kind of the class, as `ClassFacts` has it.
            variables: What type variables stand for.
            total: Whether a key of a TypedDict is required where it does not say otherwise.

        Raises:
            NotCertainError: If something of it cannot be known.
        """
        binding = definition.binding
        assert isinstance(binding, Assignment)
        assert binding.annotation is not None
        inside = Use(definition.scope)
        options = Options()
        annotation, mark = unmarked(self.constraints.evaluator, binding.annotation, inside)
        name = external(self.constraints.evaluator, _base(annotation), inside)
        if name in _NO_FIELDS:
            return None
        if name in _UNCERTAIN:
            raise NotCertainError(f'its "{definition.name}" is {name}')
        written = self._annotated(annotation, inside, variables, options)
        if kind == "typeddict":
            required = total if mark is None else mark
        else:
            required = not self._has_default(binding.value, inside, options)
        written = constrained(written, options.constraints)
        name = private_names.at_run_time(definition.name, definition.scope)
        return ModelField(name, written, required, place=place_of_name(definition)), options

    def type(self, annotation: ast.expr, use: Use, variables: Variables) -> Type:
        """Read a type; Any if unknown."""
        try:
            read = self.annotations.read(annotation, use, variables)
        except UnwritableError:
            return ANY
        return ANY if read == ClassType("builtins", "object") else read

    def _annotated(self, annotation: ast.expr, use: Use, variables: Variables, options: Options) -> Type:
        """Read a type, and the `Field(...)` in its metadata."""
        evaluator = self.constraints.evaluator
        if not isinstance(annotation, ast.Subscript) or external(evaluator, annotation.value, use) != "Annotated":
            return self.type(annotation, use, variables)
        if not isinstance(annotation.slice, ast.Tuple):
            raise NotCertainError("an Annotated of it holds no more than a type")
        inner, *metadata = annotation.slice.elts
        rest: list[ast.expr] = []
        for each in metadata:
            if isinstance(each, ast.Call) and self.constraints.name_of(each.func, use) == "Field":
                self._options(options, each, use, takes_default=True)
            else:
                rest.append(each)
        return self.constraints.annotated(self.type(inner, use, variables), rest, use)

    def _has_default(self, value: object, use: Use, options: Options) -> bool:
        """Whether the value assigned to a field is a default; other options of `Field(...)` are collected."""
        if value is None:
            return options.has_default is True
        if not isinstance(value, ast.Call):
            return not _is_dots(value)
        func = self.constraints.evaluator.value(value.func, use)
        name = func.name if isinstance(func, ExternalName) else ""
        if name in _FIELD_CALLS:
            self._options(options, value, use, takes_default=_FIELD_CALLS[name] == "model")
            return options.has_default is True
        if not self._makes_value(value.func, use):
            raise NotCertainError(
                f"what {text_of(value.func)}() returns as a default may be a field with options of its own"
            )
        return True

    def _makes_value(self, func: ast.expr, use: Use, above: frozenset[values.FunctionRef] = _NONE) -> bool:
        """Whether a function returns a value instead of a field with options."""
        evaluator = self.constraints.evaluator
        made = evaluator.value(func, use)
        match made:
            case values.ClassRef():
                return True
            case ExternalName(name):
                return name not in _FIELD_CALLS and name.partition(".")[0] in sys.stdlib_module_names
            case values.FunctionRef() if made not in above and len(above) < MAX_HELPERS:
                inside = Use(evaluator.body_of(made))
                calls = [each for each in ast.walk(function_node(made)) if isinstance(each, ast.Call)]
                inner = [evaluator.value(each.func, inside) for each in calls]
                return not any(
                    (
                        isinstance(each, values.FunctionRef)
                        and each not in above
                        and not self._makes_value(call.func, inside, above | {made})
                    )
                    or (isinstance(each, ExternalName) and each.name.rpartition(".")[2].lower() in _FIELD_NAMES)
                    for call, each in zip(calls, inner, strict=True)
                )
            case _:
                return isinstance(func, ast.Attribute) and isinstance(func.value, ast.Constant)

    def _options(self, options: Options, call: ast.Call, use: Use, *, takes_default: bool) -> None:
        for position, each in enumerate(plain_arguments(call, use)):
            if each.keyword == "" and position == 0 and takes_default:
                options.has_default = not self._is_none_given(each)
            else:
                self._option(options, each)
        options.constraints += self.constraints.options(call, use)

    def _option(self, options: Options, given: Argument) -> None:
        match given.keyword:
            case "default":
                options.has_default = not self._is_none_given(given)
            case "default_factory":
                options.has_default = True
            case "alias":
                options.written = options.written or self._text(given.value, given.use)
                options.read = options.read or (self._text(given.value, given.use),)
            case "serialization_alias":
                options.written = self._text(given.value, given.use)
            case "validation_alias":
                options.read = self._choices(given.value, given.use)
            case "exclude" if isinstance(known := self._constant(given), bool):
                options.left_out = "always" if known else ""
            case "exclude_if":
                options.left_out = options.left_out or "sometimes"
            case "init" if self._constant(given) is True:
                pass
            case "*" | "**" | "exclude" | "init":
                raise NotCertainError(f"options of a field are not written out, or have {given.keyword}")
            case _:
                pass

    def _is_none_given(self, given: Argument) -> bool:
        """Whether a default means that there is none."""
        if isinstance(given.value, ast.Name | ast.Attribute):
            return external(self.constraints.evaluator, given.value, given.use) == "PydanticUndefined"
        return _is_dots(given.value)

    def _constant(self, given: Argument) -> object:
        return self.constraints.constant(given.value, given.use)

    def _text(self, expr: ast.expr, use: Use) -> str:
        found = self.constraints.constant(expr, use)
        if not isinstance(found, str):
            raise NotCertainError("an alias of a field is not a constant")
        return found

    def _choices(self, expr: ast.expr, use: Use) -> tuple[str, ...]:
        if not isinstance(expr, ast.Call):
            return (self._text(expr, use),)
        if self.constraints.name_of(expr.func, use) != "AliasChoices" or expr.keywords:
            raise NotCertainError("an alias of a field is a path")
        return tuple(self._text(each, use) for each in expr.args)


def with_keys(plain: ModelField, options: Options, config: Config, form: str) -> ModelField:
    """Return a field with its keys in a payload.

    Args:
        plain: The field.
        options: What is said of it alone.
        config: What is said of all fields of its class.
        form: The form of the class, as `ModelFacts` has it.
    """
    made = config.read(plain.name) if config.read else plain.name
    alias = options.written or (config.written(plain.name) if config.written else plain.name)
    written, read = {alias}, {*(options.read or (made,)), alias}
    if form in {"dataclass", "typeddict"}:
        written.add(plain.name)  # It is written by name in a payload, and by its alias inside a model.
    if form in {"dataclass", "typeddict", "pydantic-dataclass"} or config.by_name:
        read.add(plain.name)
    return plain._replace(
        type=ANY if config.loose & {plain.name, "*"} else config.held(plain.type),
        written=_unless_name(written, plain.name),
        read=_unless_name(read, plain.name),
        left_out=options.left_out if form in {"model", "pydantic-dataclass", "root"} else "",
    )


def _unless_name(keys: set[str], name: str) -> tuple[str, ...]:
    return () if keys == {name} else tuple(sorted(keys))


def _base(annotation: ast.expr) -> ast.expr:
    return annotation.value if isinstance(annotation, ast.Subscript) else annotation


def _is_dots(expr: object) -> bool:
    return isinstance(expr, ast.Constant) and expr.value is Ellipsis
