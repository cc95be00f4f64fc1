"""Constraints beyond a type: `Annotated[int, Gt(0)]`, `Field(max_length=20)`, `conint(gt=0)`.

A constraint is a text such as "gt=0" or "pattern=^a". One that cannot be determined is unknown, and never compared.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from upnext_codegen.handlers.limits import limit_text
from upnext_codegen.names import values
from upnext_codegen.names.evaluator import Argument, Evaluator, argument, plain_arguments
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import Use
from upnext_codegen.types import ANY, DISCRIMINATOR, UNKNOWN_CONSTRAINT, ClassType, Type, constrained

_STRIPS = "strip_whitespace"
_KINDS = frozenset({"gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern", _STRIPS})
_DIGITS = frozenset({"max_digits", "decimal_places"})
_OTHER_NAMES = {"regex": "pattern", "min_items": "min_length", "max_items": "max_length"}
_SILENT = frozenset(
    [
        "alias",
        "alias_priority",
        "allow_inf_nan",
        "coerce_numbers_to_str",
        "custom_error_context",
        "custom_error_message",
        "custom_error_type",
        "default",
        "default_factory",
        "deprecated",
        "description",
        "examples",
        "exclude",
        "exclude_if",
        "fail_fast",
        "frozen",
        "json_schema_extra",
        "kw_only",
        "repr",
        "serialization_alias",
        "strict",
        "title",
        "to_lower",
        "to_upper",
        "union_mode",
        "validate_default",
        "validation_alias",
    ]
)
"""Options that say nothing of which values are taken, or whose values are the same once they are sent."""

_METADATA = {
    "Gt": ("gt",),
    "Ge": ("ge",),
    "Lt": ("lt",),
    "Le": ("le",),
    "MultipleOf": ("multiple_of",),
    "MinLen": ("min_length",),
    "MaxLen": ("max_length",),
    "Len": ("min_length", "max_length"),
    "Interval": (),
    "Discriminator": (DISCRIMINATOR,),
    "Field": (),
    "StringConstraints": (),
}
"""Classes of constraints, and what their positional arguments are."""

_HARMLESS = frozenset({"Doc", "DocInfo", "Strict", "Tag", "WithJsonSchema"})
_AFTER = frozenset({"AfterValidator", "Predicate", "Timezone"})
_CONSTRAINED_TYPES = {
    "conint": "int",
    "confloat": "float",
    "constr": "str",
    "conbytes": "bytes",
    "condecimal": "decimal:Decimal",
    "condate": "datetime:date",
}
_CONSTRAINED_CONTAINERS = {"conlist": "list", "conset": "set", "confrozenset": "frozenset"}
_PACKAGES = frozenset({"pydantic", "annotated_types", "typing_extensions", "typing"})


_OF_THE_FIELD = frozenset(
    {"alias", "default", "default_factory", "exclude", "exclude_if", "serialization_alias", "validation_alias"}
)


class NotCertainError(Exception):
    """Raised when it is uncertain what a payload carries of a class: the reason, as a sentence about "it"."""


@dataclass(frozen=True, slots=True)
class Constraints:
    """Reads constraints.

    Attributes:
        evaluator: Knows the values of names.
    """

    evaluator: Evaluator

    def annotated(self, inner: Type, metadata: Sequence[ast.expr], use: Use) -> Type:
        """Return the meaning of `Annotated[inner, *metadata]`.

        Raises:
            NotCertainError: If it says more of the field than its type, somewhere inside it.
        """
        found: list[str] = []
        for each in metadata:
            asked = self._of(each, use)
            if asked is None:
                return ANY
            found += asked
        return constrained(inner, found)

    def called(self, call: ast.Call, use: Use, read: Callable[[ast.expr], Type]) -> Type | None:
        """Return the meaning of a call such as `conint(gt=0)`, None if unknown."""
        name = self.name_of(call.func, use)
        if name in _CONSTRAINED_TYPES:
            module, _, qualname = f":{_CONSTRAINED_TYPES[name]}".rpartition(":")
            return constrained(ClassType(module.lstrip(":") or "builtins", qualname), self.options(call, use))
        if name in _CONSTRAINED_CONTAINERS:
            item = argument(call, use, "item_type")
            if item is None:
                return None
            options = [
                one for each in plain_arguments(call, use) if each.value is not item.value for one in self._option(each)
            ]
            return constrained(ClassType("builtins", _CONSTRAINED_CONTAINERS[name], (read(item.value),)), options)
        return None

    def options(self, call: ast.Call, use: Use) -> list[str]:
        """Return the constraints among the arguments of `Field(...)` and its kind."""
        names = iter(_METADATA.get(self.name_of(call.func, use), ()))
        found: list[str] = []
        for each in plain_arguments(call, use):
            found += self._option(each._replace(keyword=next(names, "")) if each.keyword == "" else each)
        return found

    def name_of(self, expr: ast.expr, use: Use) -> str:
        """Return the last name of an expression in pydantic and related packages, "" for anything else."""
        found = self.evaluator.value(expr, use)
        if not isinstance(found, ExternalName) or found.name.partition(".")[0] not in _PACKAGES:
            return ""
        return found.name.rpartition(".")[2]

    def constant(self, expr: ast.expr, use: Use) -> object:
        """Return a certain value, `values.UNKNOWN` otherwise."""
        found = self.evaluator.value(expr, use)
        return found.value if isinstance(found, values.Constant) else values.UNKNOWN

    def _of(self, metadata: ast.expr, use: Use) -> list[str] | None:
        """The constraints of one piece of metadata, None if it may change completely what is accepted."""
        if isinstance(metadata, ast.Constant):
            return []
        name = self.name_of(metadata.func if isinstance(metadata, ast.Call) else metadata, use)
        if name in _HARMLESS:
            return []
        if name in _AFTER:
            return [UNKNOWN_CONSTRAINT]
        if name not in _METADATA or not isinstance(metadata, ast.Call):
            return None
        if name == "Field" and (metadata.args or any(each.arg in _OF_THE_FIELD for each in metadata.keywords)):
            raise NotCertainError("a Field(...) inside a type says more than its limits")
        return self.options(metadata, use)

    def _option(self, given: Argument) -> list[str]:
        name = _OTHER_NAMES.get(given.keyword, given.keyword)
        if name in _SILENT or name == "":
            return []
        if name == DISCRIMINATOR:
            return self._discriminator(given)
        if name not in _KINDS | _DIGITS:
            return [UNKNOWN_CONSTRAINT]
        if name in {"pattern", _STRIPS}:
            value = self.constant(given.value, given.use)
            is_meant = isinstance(value, str) if name == "pattern" else isinstance(value, bool)
            if not is_meant:
                return [] if value is None else [UNKNOWN_CONSTRAINT]
            return [] if value is False else [f"{name}={value}"]
        text = limit_text(self.evaluator, name, given.value, given.use)
        return [UNKNOWN_CONSTRAINT] if text is None else [f"{name}={text}"] if text else []

    def _discriminator(self, given: Argument) -> list[str]:
        """The discriminator field of a union's models; none if a function decides, which may do without."""
        value = given.value
        if isinstance(value, ast.Call) and self.name_of(value.func, given.use) == "Discriminator":
            return self.options(value, given.use)
        known = self.constant(value, given.use)
        return [f"{DISCRIMINATOR}={known}"] if isinstance(known, str) else []
