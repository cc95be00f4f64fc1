"""The members of an enum, and the value of each in a payload."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from upnext_codegen.handlers.constraints import NotCertainError
from upnext_codegen.names import values
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import Assignment, Definition, Use
from upnext_codegen.types import ANY, NONE, LiteralType, ModelField

if TYPE_CHECKING:
    from upnext_codegen.names.evaluator import Evaluator

_CHANGING = frozenset(
    {"__get_pydantic_core_schema__", "__init__", "__new__", "_generate_next_value_", "_ignore_", "_missing_"}
)
"""What changes the values of an enum's members, or takes other values for them."""


def members(evaluator: Evaluator, ref: values.ClassRef) -> tuple[ModelField, ...]:
    """List the members of an enum, sorted; the type of one whose value is unknown is Any.

    Raises:
        NotCertainError: If it cannot be known which values are taken for a member.
    """
    ancestors = evaluator.ancestors(ref)
    outside = {each.name for each in ancestors if isinstance(each, ExternalName)}
    own = [each for each in ancestors if isinstance(each, values.ClassRef)]
    if len(outside) + len(own) < len(ancestors):
        raise NotCertainError("a base class of it cannot be known")
    if any(name.endswith("Flag") or not name.startswith(("enum.", "builtins.")) for name in outside):
        raise NotCertainError("its values are put together from flags, or its base class is not of the project")
    if not all(_CHANGING.isdisjoint(evaluator.body_of(each).definitions) for each in own):
        raise NotCertainError("it has a method that changes which values are taken")
    is_text = not outside.isdisjoint({"builtins.str", "enum.StrEnum"})
    found: list[ModelField] = []
    last: int | None = 0
    for name, definitions in evaluator.body_of(ref).definitions.items():
        binding = definitions[0].binding
        if not isinstance(binding, Assignment) or binding.annotation is not None or name.startswith("_"):
            continue
        if len(definitions) > 1 or definitions[0].branches:
            raise NotCertainError(f'its "{name}" depends on a condition, or is there twice')
        value = _value(evaluator, ref, name, binding, last)
        if is_text and not isinstance(value, str):
            value = values.UNKNOWN
        last = max(last, value) if last is not None and _is_number(value) and isinstance(value, int) else None
        written = ANY if isinstance(value, values.Unknown) else NONE if value is None else LiteralType((value,))
        found.append(ModelField(name, written, place=place_of_name(definitions[0])))
    return tuple(sorted(found))


def place_of_name(definition: Definition) -> tuple[int, int]:
    """The line of a definition, and the position of its name in it."""
    line = definition.scope.module.text.lines[definition.line - 1]
    return definition.line, line.find(definition.name) + 1


def _value(
    evaluator: Evaluator, ref: values.ClassRef, name: str, binding: Assignment, last: int | None
) -> str | int | values.Unknown | None:
    """The value of a member; `last` is the highest number before it."""
    member = evaluator.class_attribute(ref, name)
    known = member.value if isinstance(member, values.MemberValue) else None
    if isinstance(known, values.Constant):
        return values.UNKNOWN if isinstance(known.value, float) else known.value
    if last is None or not isinstance(binding.value, ast.Call):
        return values.UNKNOWN
    func = evaluator.value(binding.value.func, Use(evaluator.body_of(ref)))
    return last + 1 if isinstance(func, ExternalName) and func.name == "enum.auto" else values.UNKNOWN


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
