"""Parses types in JSON files, which are written as in Python but with full names, and formats them again."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from upnext_codegen.types import ANY, NONE, ClassType, EnumMember, LiteralType, LiteralValue, TupleType, Type, UnionType


@dataclass(frozen=True, slots=True)
class TypeReader:
    """Reads what `format.full_text` writes.

    Attributes:
        modules: The module of each class whose full name alone does not tell it, because the class is nested.
    """

    modules: Mapping[str, str]

    def read(self, text: str) -> Type:
        """Read one type.

        Raises:
            ValueError: If the text is none.
        """
        try:
            return self._type(ast.parse(text, mode="eval").body)
        except (SyntaxError, RecursionError) as error:
            raise ValueError(f"{text!r} is not a type") from error

    def _type(self, node: ast.expr) -> Type:
        match node:
            case ast.Constant(value=None):
                return NONE
            case ast.Name(id="Any"):
                return ANY
            case ast.BinOp():
                return UnionType(tuple(self._type(member) for member in _alternatives(node)))
            case ast.Subscript(value=head, slice=inner):
                return self._generic(ast.unparse(head), inner.elts if isinstance(inner, ast.Tuple) else [inner])
            case ast.Name() | ast.Attribute():
                return ClassType(*self._class(ast.unparse(node)))
            case _:
                raise ValueError(f"{ast.unparse(node)} is not a type")

    def _generic(self, head: str, arguments: list[ast.expr]) -> Type:
        if head == "Literal":
            return LiteralType(tuple(self._value(item) for item in arguments))
        if head == "tuple":
            variadic = isinstance(arguments[-1], ast.Constant) and arguments[-1].value is ... if arguments else False
            return TupleType(tuple(self._type(item) for item in arguments[: -1 if variadic else None]), variadic)
        return ClassType(*self._class(head), tuple(self._type(item) for item in arguments))

    def _value(self, node: ast.expr) -> LiteralValue:
        if isinstance(node, ast.Attribute):
            return EnumMember(*self._class(ast.unparse(node.value)), node.attr)
        value = ast.literal_eval(node)
        if value is None or isinstance(value, str | bytes | int):
            return value
        raise ValueError(f"{value!r} cannot stand in a Literal")

    def _class(self, name: str) -> tuple[str, str]:
        module = self.modules.get(name)
        if module is None:
            module = name.rpartition(".")[0] or "builtins"
        return module, name.removeprefix(f"{module}.")


def _alternatives(node: ast.expr) -> list[ast.expr]:
    found: list[ast.expr] = []
    while isinstance(node, ast.BinOp):
        found.append(node.right)
        node = node.left
    return [node, *reversed(found)]
