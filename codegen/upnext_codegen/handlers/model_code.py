"""Code of a class between a payload and its fields: validators, serializers, and custom construction."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from upnext_codegen.handlers.constraints import Constraints, NotCertainError
from upnext_codegen.limits import MAX_HELPERS
from upnext_codegen.names import values
from upnext_codegen.names.evaluator import function_node, plain_arguments
from upnext_codegen.names.scopes import Assignment, Definition, FunctionDefinition, FunctionNode, Use

_WRITES = frozenset({"field_serializer", "serializer"})
_READS = frozenset({"field_validator", "validator"})
_WHOLE = frozenset({"model_serializer", "model_validator", "root_validator"})
_HOOKS = _WRITES | _READS | _WHOLE
_NONE = frozenset[values.FunctionRef]()
_OWN_SCHEMA = frozenset({"__get_pydantic_core_schema__", "__get_validators__", "__new__"})


@dataclass(frozen=True, slots=True)
class CodeReader:
    """Determines how user code affects the fields of a class.

    Attributes:
        constraints: Knows the names of pydantic, and constants.
    """

    constraints: Constraints

    def loose(self, kind: str, body: Iterable[Definition], inside: Use) -> Iterator[str]:
        """Yield the names of fields that user code reads or writes, "*" for all.

        Args:
            kind: The kind of the class, as `ClassFacts` has it.
            body: The definitions in it.
            inside: Where its body stands.

        Raises:
            NotCertainError: If it reads or writes the class as a whole.
        """
        for each in body:
            match each.binding:
                case FunctionDefinition(function):
                    if function.name in _OWN_SCHEMA:
                        raise NotCertainError(f'it has a "{function.name}"')
                    if function.name == "__init__" and kind == "model" and not _only_hands_on(function):
                        raise NotCertainError("its __init__ may change what it is given")
                    for decorator in function.decorator_list:
                        yield from self._hooked(decorator, inside)
                case Assignment(ast.Call(func), None):
                    # `_clean = field_validator("name", mode="before")(clean)`, or a function that makes one
                    yield from self._hooked(func, inside)
                case _:
                    pass

    def _hooked(self, decorator: ast.expr, use: Use, above: frozenset[values.FunctionRef] = _NONE) -> Iterator[str]:
        call = decorator if isinstance(decorator, ast.Call) else None
        func = call.func if call else decorator
        name = self.constraints.name_of(func, use)
        if name not in _HOOKS:
            yield from self._made_hooks(func, use, above)
        elif name in _WRITES or not (call and self._runs_after(call, use)):
            if name in _WHOLE:
                when = "writes it in a way of its own" if name == "model_serializer" else "runs before pydantic's own"
                raise NotCertainError(f"its {name} {when}")
            given = plain_arguments(call, use) if call else []
            known = [self.constraints.constant(each.value, each.use) for each in given if each.keyword in {"", "*"}]
            yield from (each if isinstance(each, str) else "*" for each in known)

    def _made_hooks(self, func: ast.expr, use: Use, above: frozenset[values.FunctionRef]) -> Iterator[str]:
        """The fields of validators that a function of the project creates: its parameters are not followed."""
        evaluator = self.constraints.evaluator
        maker = evaluator.value(func, use)
        if not isinstance(maker, values.FunctionRef) or maker in above or len(above) == MAX_HELPERS:
            return
        inside = Use(evaluator.body_of(maker))
        for node in ast.walk(function_node(maker)):
            if isinstance(node, ast.Call):
                yield from self._hooked(node, inside, above | {maker})

    def _runs_after(self, call: ast.Call, use: Use) -> bool:
        """Whether a validator only sees values that already have the right type."""
        name = self.constraints.name_of(call.func, use)
        for each in plain_arguments(call, use):
            if each.keyword == "mode":
                return self.constraints.constant(each.value, each.use) == "after"
            if each.keyword == "pre":
                return name == "validator" and self.constraints.constant(each.value, each.use) is False
        return name in _READS


def _only_hands_on(function: FunctionNode) -> bool:
    """Whether an `__init__` begins with `super().__init__(**data)` and only takes that `data`."""
    given, body = function.args, function.body
    if given.kwarg is None or given.kwonlyargs or len([*given.posonlyargs, *given.args]) != 1:
        return False
    is_text = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
    match body[1:2] if is_text else body[:1]:
        case [
            ast.Expr(
                ast.Call(
                    ast.Attribute(ast.Call(ast.Name("super")), "__init__"), [], [ast.keyword(None, ast.Name(name))]
                )
            )
        ]:
            return name == given.kwarg.arg
        case _:
            return False
