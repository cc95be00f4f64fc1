"""Decides whether what a decorator of the project returns takes the same arguments as the decorated function."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import ClassDefinition, Definition, FunctionDefinition, Use

if TYPE_CHECKING:
    from collections.abc import Iterable

    from upnext_codegen.names.lookup import Lookup
    from upnext_codegen.names.scopes import FunctionNode

_CONTEXT_MANAGERS = frozenset({"contextlib.contextmanager", "contextlib.asynccontextmanager"})
"""What they make can decorate functions, and hands on what those are called with."""
_INJECTING_NAME_PARTS = ("inject", "autoparams", "provide", "patch", "pass_")
"""Parts of the names of decorators that give a function arguments of their own."""
_READ_ONLY_METHODS = frozenset({"copy", "get", "items", "keys", "values", "count", "index"})
"""Methods of a tuple or dict that leave it as it is."""
_READ_ONLY_CALLS = frozenset(
    {"str", "repr", "len", "dict", "list", "tuple", "sorted", "print", "format", "dumps", "debug", "info", "warning"}
    | {"error", "exception", "log"}
)
"""Functions and methods that leave what they are given as it is, by any name."""


@dataclass(slots=True)
class Wrappers:
    """Reads decorators.

    Attributes:
        lookup: Looks names up.
    """

    lookup: Lookup

    def keeps_signature(self, decorator: ast.expr, use: Use) -> bool:
        """Whether a decorated function takes the same arguments as without the decorator, as far as is known.

        Decorators of packages are taken to, but for those that are called after adding arguments: those that time,
        lock, trace and retry do. One of the project must show it.
        """
        func = decorator.func if isinstance(decorator, ast.Call) else decorator
        sources = self.lookup.path(use, func)
        return bool(sources) and all(map(self._keeps, sources))

    def _keeps(self, source: object) -> bool:
        match source:
            case ExternalName(name):
                return not any(part in name.rpartition(".")[2] for part in _INJECTING_NAME_PARTS)
            case Definition(binding=FunctionDefinition(node)):
                return self._is_context_manager(source, node) or _hands_on(node)
            case Definition(binding=ClassDefinition(node)):
                bases = [found for base in node.bases for found in self.lookup.path(source.use, base)]
                return any(isinstance(each, ExternalName) and "ContextDecorator" in each.name for each in bases)
            case _:
                return False

    def _is_context_manager(self, source: Definition, node: FunctionNode) -> bool:
        found = [each for decorator in node.decorator_list for each in self.lookup.path(source.use, decorator)]
        return any(isinstance(each, ExternalName) and each.name in _CONTEXT_MANAGERS for each in found)


def _hands_on(node: FunctionNode) -> bool:
    """Whether every inner function with `*args, **kwargs` calls something with them, and nothing else."""
    inner = [
        each for each in ast.walk(node) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each is not node
    ]
    wrappers = [each for each in inner if each.args.vararg is not None or each.args.kwarg is not None]
    given = {each.arg for every in (node, *inner) if every not in wrappers for each in every.args.args}
    # A decorator that returns the function itself has no wrapper inside.
    return all(_calls_with_its_own(each, given=given) for each in wrappers) and all(
        each in wrappers or _holds(each, wrappers) for each in inner
    )


def _holds(node: FunctionNode, wrappers: list[FunctionNode]) -> bool:
    """Whether a function is the decorator that a function with options returns."""
    inside = {id(each) for each in ast.walk(node)}
    return any(id(each) in inside for each in wrappers) or len(node.args.args) == 1


def passes_arguments_on(node: FunctionNode) -> bool:
    """Whether a method, such as `__call__`, passes on exactly its own arguments."""
    return len(node.args.args) == 1 and _calls_with_its_own(node, node.args.args[0].arg)


def passes_args_and_kwargs_on(node: FunctionNode) -> bool:
    """Whether an `apply_async` passes the `args` and `kwargs` of a task on to a base's unchanged."""
    names = [each.arg for each in node.args.args][1:3]
    if len(names) < len(("args", "kwargs")):
        return False
    calls = [each for each in ast.walk(node) if isinstance(each, ast.Call)]
    handing = [each for each in calls if _gives_both(each, node.name, names)]
    return bool(handing) and _is_only_read(node, set(names), handing)


def _gives_both(call: ast.Call, method: str, names: list[str]) -> bool:
    if not isinstance(call.func, ast.Attribute) or call.func.attr != method:
        return False
    placed = dict(zip(("args", "kwargs"), call.args, strict=False))
    given = placed | {each.arg: each.value for each in call.keywords if each.arg is not None}
    return all(
        isinstance(found := given.get(each), ast.Name) and found.id == name
        for each, name in zip(("args", "kwargs"), names, strict=True)
    )


def receivers_of(wrapper: FunctionNode, function: str) -> int | None:
    """Return how many arguments a wrapper keeps: one or none. None if it does not pass all others on.

    Args:
        wrapper: The function that calls.
        function: The name of what it calls.
    """
    first = [each.arg for each in wrapper.args.args]
    receiver = first[0] if len(first) == 1 else ""
    if not _calls_with_its_own(wrapper, receiver, given={function}):
        return None
    calls = [each for each in ast.walk(wrapper) if isinstance(each, ast.Call) and _is_called(each, {function})]
    kept = {bool(receiver) and isinstance(each.args[0], ast.Starred) for each in calls if each.args}
    return int(kept.pop()) if len(kept) == 1 else None


def _calls_with_its_own(wrapper: FunctionNode, receiver: str = "", *, given: set[str] | None = None) -> bool:
    """Whether a function calls something with its own `*args, **kwargs`.

    Args:
        wrapper: The function.
        receiver: Its parameter before those, "" for none.
        given: What the functions around it are given; if it calls one of them, others may look at the arguments.
    """
    arguments = wrapper.args
    if arguments.vararg is None or arguments.kwarg is None or arguments.kwonlyargs:
        return False
    if [each.arg for each in arguments.args] != ([receiver] if receiver else []):
        return False
    args, kwargs = arguments.vararg.arg, arguments.kwarg.arg
    calls = [each for each in ast.walk(wrapper) if isinstance(each, ast.Call)]
    handing = [each for each in calls if _hands(each, args, kwargs, receiver)]
    if given is not None and any(_is_called(each, given) for each in handing):
        handing += [each for each in calls if not _is_called(each, given)]
        # They receive a copy, and perhaps more: `key_of(function, *args, **kwargs)`.
        spread = [part for each in handing for part in _spread(each)]
        return _is_only_read(wrapper, {args, kwargs}, spread)
    return bool(handing) and _is_only_read(wrapper, {args, kwargs}, handing)


def _is_called(call: ast.Call, names: set[str]) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id in names


def _spread(call: ast.Call) -> list[ast.expr]:
    """The expressions behind `*` and `**` in a call."""
    starred = [each.value for each in call.args if isinstance(each, ast.Starred)]
    return [*starred, *(each.value for each in call.keywords if each.arg is None)]


def _hands(call: ast.Call, args: str, kwargs: str, receiver: str) -> bool:
    match call:
        case ast.Call(_, [*leading, ast.Starred(ast.Name(first))], [ast.keyword(None, ast.Name(second))]):
            # The `__call__` of a base, taken from its class, receives `self` first.
            own = all(isinstance(each, ast.Name) and each.id == receiver for each in leading)
            return own and (first, second) == (args, kwargs)
        case _:
            return False


def _is_only_read(wrapper: FunctionNode, names: set[str], handing: Iterable[ast.expr]) -> bool:
    """Whether only those calls receive the arguments, and nothing can change them before."""
    allowed = {id(part) for call in handing for part in ast.walk(call)}
    for parent in ast.walk(wrapper):
        for each in ast.iter_child_nodes(parent):
            if isinstance(each, ast.Name) and each.id in names and id(each) not in allowed and not _reads(parent, each):
                return False
    return True


def _reads(parent: ast.AST, name: ast.Name) -> bool:
    """Whether the context of a name only reads its contents."""
    match parent:
        case ast.Attribute(_, attr):
            return attr in _READ_ONLY_METHODS
        case ast.Subscript(value, _, ast.Load()):
            return value is name
        case ast.Call(ast.Attribute(_, attr) | ast.Name(attr)):
            return attr in _READ_ONLY_CALLS
        case ast.Compare() | ast.FormattedValue() | ast.BoolOp() | ast.If() | ast.IfExp():
            return True
        case _:
            return False
