"""Names that a module provides by its `__getattr__` (PEP 562), mostly modules that are imported on first use."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.names import values
from upnext_codegen.names.modules import ExternalName, ModuleRef
from upnext_codegen.names.scopes import END, Assignment, Definition, FunctionDefinition, Use, arguments_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.scopes import Derived, SourceModule

_OWN_NAMES = {"__name__", "__package__"}


class MadeUp(NamedTuple):
    """What of upnext a `__getattr__` can return.

    Attributes:
        modules: Modules, and packages that it gives modules of; None is any module.
        owners: Modules of which it gives what they have under the same name.
        others: Whether it can give anything else.
    """

    modules: frozenset[ModuleRef | None] = frozenset()
    owners: frozenset[ModuleRef] = frozenset()
    others: bool = False

    def __or__(self, other: MadeUp) -> MadeUp:
        return MadeUp(self.modules | other.modules, self.owners | other.owners, self.others or other.others)


def made_up(evaluator: Evaluator, module: SourceModule, definition: Definition) -> MadeUp:
    """Determine what a `__getattr__` can return.

    Args:
        evaluator: Works out values, and says which expressions can be of upnext.
        module: The module.
        definition: Where it defines its `__getattr__`.
    """
    if not isinstance(definition.binding, FunctionDefinition):
        return MadeUp(others=True)
    body = module.body_of(definition)
    modules: set[ModuleRef | None] = set()
    owners: set[ModuleRef] = set()
    kept = [(value, at) for target, value, at in body.items if _calls(evaluator, target.value, at, "builtins.globals")]
    for given, at in [*((each.node, Use(body, END)) for each in body.returns), *kept]:
        for expr, use in _assigned(evaluator, given, at):
            if not evaluator.may_be_upnext(use.scope, expr) or _is_own_name(evaluator, expr, use):
                continue
            value = evaluator.value(expr, use)
            owner = _owner(evaluator, expr, use)
            if isinstance(value, ModuleRef):
                modules.add(value)
            elif owner is not None:
                owners.add(owner)
            elif _calls(evaluator, expr, use, "importlib.import_module"):
                modules |= _imported(evaluator, expr, use)
            else:
                return MadeUp(others=True)
    return MadeUp(frozenset(modules), frozenset(owners))


def _assigned(evaluator: Evaluator, expr: ast.expr, use: Use) -> Iterator[tuple[ast.expr, Use]]:
    """Yield the values assigned to a name, or the expression itself."""
    sources = evaluator.lookup.name(use, expr.id) if isinstance(expr, ast.Name) else ()
    for source in sources:
        binding = source.binding if isinstance(source, Definition) else None
        value: Derived | None = binding.value if isinstance(binding, Assignment) else None
        yield (value, source.use) if isinstance(source, Definition) and isinstance(value, ast.expr) else (expr, use)
    if not sources:
        yield expr, use


def _is_own_name(evaluator: Evaluator, expr: ast.expr, use: Use) -> bool:
    """Whether an expression takes a name from `globals()`: one that the module has, or that is stored there first."""
    return isinstance(expr, ast.Subscript) and _calls(evaluator, expr.value, use, "builtins.globals")


def _owner(evaluator: Evaluator, expr: ast.expr, use: Use) -> ModuleRef | None:
    """The module from which `getattr(module, name)` takes the requested name."""
    match expr:
        case ast.Call(_, [owner, ast.Name(name), *_]) if _calls(evaluator, expr, use, "builtins.getattr"):
            node = use.scope.node
            value = evaluator.value(owner, use)
            is_asked = isinstance(node, ast.FunctionDef) and [each.arg for each in arguments_of(node)] == [name]
            return value if is_asked and isinstance(value, ModuleRef) and value.file is not None else None
        case _:
            return None


def _calls(evaluator: Evaluator, expr: ast.AST, use: Use, name: str) -> bool:
    return isinstance(expr, ast.Call) and evaluator.value(expr.func, use) == ExternalName(name)


def _imported(evaluator: Evaluator, expr: ast.expr, use: Use) -> set[ModuleRef | None]:
    """The package of the modules that an `import_module` imports, if their names have a known beginning.

    Nothing where that package is none of the project's; None for any module.
    """
    assert isinstance(expr, ast.Call)
    beginning = _beginning(evaluator, expr.args[0], use)[0] if expr.args else ""
    name, dot, _ = beginning.rpartition(".")
    if not dot:
        return {None}
    level = len(beginning) - len(beginning.lstrip("."))
    found = evaluator.lookup.imported(use.file, level, name.lstrip("."))
    return {found} if isinstance(found, ModuleRef) else set()


def _beginning(evaluator: Evaluator, expr: ast.expr, use: Use) -> tuple[str, bool]:
    """The beginning of a text, and whether that is all of it."""
    match expr:
        case ast.JoinedStr(parts):
            pass
        case ast.BinOp(left, ast.Add(), right):
            parts = [left, right]
        case ast.FormattedValue(inner, -1, None):
            return _beginning(evaluator, inner, use)
        case ast.Name(name) if name in _OWN_NAMES:
            return evaluator.lookup.modules.name_of(use.file), True
        case _:
            value = evaluator.value(expr, use)
            text = value.value if isinstance(value, values.Constant) else None
            return (text, True) if isinstance(text, str) else ("", False)
    found = ""
    for part in parts:
        text, is_whole = _beginning(evaluator, part, use)
        found += text
        if not is_whole:
            return found, False
    return found, True
