"""Annotations that use names imported only for type checkers: `if TYPE_CHECKING: from shop.models import Order`.

Type checkers and `upnext gen` accept such a handler, and linters move imports there that only annotations need. So if
an annotation cannot be evaluated for want of a name, the source of its module tells where that name is imported from.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from upnext.recursive_aliases import evaluate, find_alias

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


def type_hints(annotated: Any, names: dict[str, Any] | None = None) -> dict[str, Any]:
    """Evaluate the annotations of a function or a class.

    Args:
        annotated: The function or class.
        names: Is given the names that they need and that are not bound at run time.

    Raises:
        NameError: If a name in them is bound neither at run time, nor by an import for type checkers, nor to one alias
            elsewhere that mentions itself.
    """
    names = {} if names is None else names
    is_class = isinstance(annotated, type)
    globalns: dict[str, Any] | None = None if is_class else getattr(inspect.unwrap(annotated), "__globals__", {})
    while True:
        try:
            return evaluate(annotated, names, globalns)
        except NameError as error:
            if error.name is None or error.name in names:
                raise
            try:
                names[error.name] = _bound_elsewhere(annotated, error.name)
            except LookupError:
                raise error from None
            except (ImportError, AttributeError) as cause:
                raise NameError(f"{error}, and importing it fails: {cause}", name=error.name) from error


def _bound_elsewhere(annotated: Any, name: str) -> Any:
    for each in inspect.getmro(annotated) if isinstance(annotated, type) else (annotated,):
        with suppress(LookupError):
            return _imported(inspect.getmodule(each), name)
    return find_alias(name)


def _imported(module: ModuleType | None, name: str) -> Any:
    """Execute the type-checking import that binds a name.

    Raises:
        LookupError: If there is none.
        ImportError: If it cannot be done.
        AttributeError: If its module does not have the name.
    """
    for statement in _guarded_imports(module):
        for alias in statement.names:
            if name != (alias.asname or alias.name.partition(".")[0]):
                continue
            if isinstance(statement, ast.Import):
                loaded = importlib.import_module(alias.name)
                return loaded if alias.asname else importlib.import_module(name)
            source = importlib.import_module(
                "." * statement.level + (statement.module or ""), getattr(module, "__package__", None)
            )
            if not hasattr(source, alias.name) and hasattr(source, "__path__"):
                return importlib.import_module(f"{source.__name__}.{alias.name}")
            return getattr(source, alias.name)
    raise LookupError(name)


def _guarded_imports(module: ModuleType | None) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports inside `if TYPE_CHECKING:` of a module."""
    try:
        tree = ast.parse("" if module is None else inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return  # there is no source to read
    for block in ast.walk(tree):
        match block:
            case ast.If(test=ast.Name("TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"), body=body):
                for statement in body:
                    if isinstance(statement, ast.Import | ast.ImportFrom):
                        yield statement
            case _:
                pass
