"""Decorators that turn functions into tasks: Celery's own, and those of the project that use them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.celery.celery_names import is_maker
from upnext_codegen.celery.handed_options import changes_of
from upnext_codegen.celery.wrappers import Wrappers, receivers_of
from upnext_codegen.limits import MAX_CELERY_STEPS
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import (
    Assignment,
    ClassDefinition,
    Definition,
    FunctionDefinition,
    ParameterDefinition,
    Use,
)

if TYPE_CHECKING:
    from upnext_codegen.celery.apps import Apps
    from upnext_codegen.names.lookup import Source
    from upnext_codegen.names.scopes import FunctionNode, SourceModule

_CHANGING = frozenset({"update", "setdefault", "pop", "popitem", "clear"})


class Option(NamedTuple):
    """An option that a task is made with.

    Attributes:
        name: Its name, None for `**options` that cannot be read.
        value: What it is.
        use: Where that stands.
    """

    name: str | None
    value: ast.expr
    use: Use


class Wrapper(NamedTuple):
    """A function inside a decorator that becomes the task and calls the decorated function.

    Attributes:
        is_transparent: Whether it hands on what it is called with.
        receivers: How many arguments it keeps to itself: the `self` of a bound task, or none.
        keeps_name: Whether it has the name of the function, by `functools.wraps`.
    """

    is_transparent: bool
    receivers: int
    keeps_name: bool


class Maker(NamedTuple):
    """Something that turns a function into a task.

    Attributes:
        app: As `CeleryTask.app`.
        options: What it is given by name; of two with one name the last counts.
        wrapper: What the task is, None where it is the function itself.
    """

    app: str
    options: tuple[Option, ...]
    wrapper: Wrapper | None = None


@dataclass(slots=True)
class Makers:
    """Recognises what turns functions into tasks.

    Attributes:
        apps: Knows apps.
    """

    apps: Apps

    def maker(self, decorator: ast.expr, use: Use, depth: int = 0) -> Maker | None:
        """Return how something turns what it decorates into a task, None if it does not."""
        call = decorator if isinstance(decorator, ast.Call) else None
        func = decorator if call is None else call.func
        app = self.apps.makes_tasks(func, use)
        if app is not None:
            return Maker(app, self._options(call, use))
        for source in self.apps.lookup.path(use, func) if depth <= MAX_CELERY_STEPS else ():
            match source:
                case Definition(binding=FunctionDefinition(node)):
                    return self._passed_on(source, node, call, use, depth + 1)
                case Definition(binding=Assignment(ast.Call() as value)):
                    return self._assigned(value, source.use, call, use, depth + 1)
                case Definition(binding=ClassDefinition()) if call is not None:
                    return self._of_instance(source, call, use, depth + 1)
                case _:
                    pass
        return None

    def _of_instance(self, source: Definition, call: ast.Call, use: Use, depth: int) -> Maker | None:
        """`@retried(max_retries=3)` where `retried` is a class, and its `__call__` the decorator."""
        methods = source.scope.module.body_of(source).definitions
        match methods.get("__call__", ()):
            case [*_, Definition(binding=FunctionDefinition(node)) as method] if len(node.args.args) > 1:
                pass
            case _:
                return None
        body = source.scope.module.body_of(method)
        owner = node.args.args[0].arg
        kept = _kept_options(methods.get("__init__", ()))
        for each in body.returns:
            found = self._applied(each.node, _without_receiver(node), Use(body, each.node.lineno, each.branches), depth)
            if found is not None:
                given = self._options(call, use)
                options = [
                    one
                    for every in found.options
                    for one in (given if every.name is None and _is_attribute(every.value, owner, kept) else (every,))
                ]
                return found._replace(options=tuple(options))
        return None

    def _assigned(self, value: ast.Call, its_use: Use, call: ast.Call | None, use: Use, depth: int) -> Maker | None:
        """`retried = shared_task(max_retries=3)`, or `retried = partial(shared_task, max_retries=3)`."""
        partial = any(
            isinstance(each, ExternalName) and each.name == "functools.partial"
            for each in self.apps.lookup.path(its_use, value.func)
        )
        if partial and len(value.args) == 1:
            made = ast.copy_location(ast.Call(value.args[0], [], value.keywords), value)
            found = self.maker(made, its_use, depth)
            return found and found._replace(options=(*found.options, *self._options(call, use)))
        return self.maker(value, its_use, depth) if call is None and not value.args else None

    def names_in(self, module: SourceModule) -> Iterator[str]:
        """Yield the names in a file for what creates tasks, such as `shared_task` under another name."""
        for scope in module.scopes():
            for each in scope.every():
                if any(map(self._is_maker, self.apps.lookup.follow(each))):
                    yield each.name

    def _is_maker(self, source: Source) -> bool:
        match source:
            case ExternalName(name):
                return is_maker(name)
            case Definition(binding=FunctionDefinition(node)):
                called = ast.Call(ast.Name(source.name), [], [])
                return any(self._passed_on(source, node, each, source.use, 0) is not None for each in (None, called))
            case Definition(binding=Assignment(ast.Name() | ast.Attribute() as value)):
                return self.apps.makes_tasks(value, source.use) is not None
            case Definition(binding=Assignment(ast.Call() as value)):
                return self._assigned(value, source.use, None, source.use, 0) is not None
            case Definition(binding=ClassDefinition()):
                return self._of_instance(source, ast.Call(ast.Name(source.name), [], []), source.use, 0) is not None
            case _:
                return False

    def _options(self, call: ast.Call | None, use: Use) -> tuple[Option, ...]:
        keywords = call.keywords if call is not None else []
        return tuple(option for each in keywords for option in self._read(each.arg, each.value, use))

    def _read(self, name: str | None, value: ast.expr, use: Use, depth: int = 0) -> Iterator[Option]:
        """Read an option, or several in a dict: `**RETRIES`, `**{"queue": "slow", **options}`."""
        match value:
            case ast.Dict(keys, values) if name is None:
                for key, each in zip(keys, values, strict=True):
                    match key:
                        case None:
                            yield from self._read(None, each, use, depth)
                        case ast.Constant(str() as own):
                            yield Option(own, each, use)
                        case _:
                            yield Option(None, key, use)
            case ast.Call(ast.Name("dict"), args) if name is None and len(args) <= 1:
                for each in args:
                    yield from self._read(None, each, use, depth)
                yield from self._options(value, use)
            case ast.Name() | ast.Attribute() if name is None and depth <= MAX_CELERY_STEPS:
                match self.apps.lookup.path(use, value):
                    case (Definition(binding=Assignment(ast.expr() as made)) as source,) if not _is_changed(source):
                        yield from self._read(None, made, source.use, depth + 1)
                    case _:
                        yield Option(None, value, use)
            case _:
                yield Option(name, value, use)

    def _passed_on(
        self, function: Definition, node: FunctionNode, call: ast.Call | None, use: Use, depth: int
    ) -> Maker | None:
        """Return what a function of the project creates tasks with: something it calls, or itself as a decorator.

        Called, it returns what `shared_task(...)` gives, or a function that decorates.
        """
        body = function.scope.module.body_of(function)
        for each in body.returns:
            inside = Use(body, each.node.lineno, each.branches)
            if call is None:
                found = self._applied(each.node, node, inside, depth)
            else:
                found = self._returned(each.node, inside, depth)
            if found is not None:
                return found._replace(options=self._handed_on(found.options, node, call, use))
        return None

    def _returned(self, expr: ast.expr, use: Use, depth: int) -> Maker | None:
        """Read `return shared_task(...)`, or the name of an inner function that decorates."""
        if isinstance(expr, ast.Call) and all(isinstance(each, ast.Starred) for each in expr.args):
            return self.maker(expr, use, depth + 1)
        for source in self.apps.lookup.path(use, expr):
            if isinstance(source, Definition) and isinstance(source.binding, FunctionDefinition):
                inner = source.binding.node
                body = source.scope.module.body_of(source)
                for each in body.returns:
                    found = self._applied(each.node, inner, Use(body, each.node.lineno, each.branches), depth)
                    if found is not None:
                        return found
        return None

    def _applied(self, expr: ast.expr, node: FunctionNode, use: Use, depth: int) -> Maker | None:
        """Read `return shared_task(function)`, or `shared_task(...)(function)`, for the function's argument.

        Or of a function inside that calls it; that may be decorated, too, and be returned by its name.
        """
        if depth > MAX_CELERY_STEPS:
            return None
        if isinstance(expr, ast.Name):
            return self._named(expr, node, use, depth)
        if not isinstance(expr, ast.Call) or len(expr.args) != 1:
            return None
        wrapper = None
        if not _is_given(expr.args[0], node):
            wrapper = self._wrapper(expr.args[0], node, use)
            if wrapper is None:
                return None
        if isinstance(expr.func, ast.Call) and not all(isinstance(each, ast.Starred) for each in expr.func.args):
            return None
        found = self.maker(expr.func, use, depth + 1)
        if found is None:
            return None
        options = (*found.options, *self._options(expr, use))
        return found._replace(options=options, wrapper=_both(found.wrapper, wrapper))

    def _named(self, expr: ast.Name, node: FunctionNode, use: Use, depth: int) -> Maker | None:
        """Read `return task`, for a task made before or an inner function decorated as one."""
        for source in self.apps.lookup.path(use, expr):
            match source:
                case Definition(binding=Assignment(ast.Call() as value)):
                    found = self._applied(value, node, source.use, depth + 1)
                    if found is not None:
                        return found
                case Definition(binding=FunctionDefinition(inner)) if _is_inside(inner, node):
                    for number, decorator in enumerate(inner.decorator_list):
                        found = self.maker(decorator, Use(source.scope, decorator.lineno, source.branches), depth + 1)
                        if found is not None:
                            wrapper = self._wrapper_of(source, inner, node, inner.decorator_list[number + 1 :])
                            # A decorator above it replaces the task.
                            wrapper = wrapper._replace(is_transparent=wrapper.is_transparent and number == 0)
                            return found._replace(wrapper=_both(found.wrapper, wrapper))
                case _:
                    pass
        return None

    def _wrapper(self, expr: ast.expr, node: FunctionNode, use: Use) -> Wrapper | None:
        for source in self.apps.lookup.path(use, expr):
            match source:
                case Definition(binding=FunctionDefinition(inner)) if _is_inside(inner, node):
                    return self._wrapper_of(source, inner, node, inner.decorator_list)
                case _:
                    pass
        return None

    def _wrapper_of(
        self, source: Definition, inner: FunctionNode, node: FunctionNode, decorators: list[ast.expr]
    ) -> Wrapper:
        wrappers = Wrappers(self.apps.lookup)
        used = [(each, Use(source.scope, each.lineno, source.branches)) for each in decorators]
        receivers = receivers_of(inner, node.args.args[0].arg) if node.args.args else None
        is_transparent = receivers is not None and all(wrappers.keeps_signature(*each) for each in used)
        return Wrapper(is_transparent, receivers or 0, self.is_wrapper(source))

    def is_wrapper(self, definition: Definition) -> bool:
        """Whether a function is inside a decorator, and takes the name of its argument by `functools.wraps`."""
        node = definition.binding.node if isinstance(definition.binding, FunctionDefinition) else None
        around = definition.scope.node
        if node is None or not isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef):
            return False
        formals = {each.arg for each in around.args.args}
        return any(
            isinstance(found, ExternalName) and found.name == "functools.wraps"
            for each in node.decorator_list
            if isinstance(each, ast.Call) and each.args and _is_name(each.args[0], formals)
            for found in self.apps.lookup.path(Use(definition.scope, each.lineno, definition.branches), each.func)
        )

    def _handed_on(
        self, options: tuple[Option, ...], node: FunctionNode, call: ast.Call | None, use: Use
    ) -> tuple[Option, ...]:
        """Put a function's arguments in place of the parameters by which it passes options on."""
        given = {each.arg: Option(each.arg, each.value, use) for each in (call.keywords if call is not None else ())}
        placed = [each for each in (call.args if call is not None else []) if not isinstance(each, ast.Starred)]
        given |= {
            formal.arg: Option(formal.arg, each, use) for formal, each in zip(node.args.args, placed, strict=False)
        }
        named = {each.arg for each in (*node.args.args, *node.args.kwonlyargs)}
        rest = [each for each in self._options(call, use) if each.name not in named]
        changes = changes_of(node) if node.args.kwarg is not None else None
        found: list[Option] = []
        for each in options:
            if each.name is None and changes is not None and _is_name(each.value, {changes.name}):
                found += [Option(name, value, each.use) for name, value in changes.defaults.items()]
                found += [every for every in rest if every.name not in changes.removed]
                found += [Option(name, value, each.use) for name, value in changes.later.items()]
            else:
                own = self._parameter(each, node)
                found.append(given[own]._replace(name=each.name) if own in given else each)
        return tuple(found)

    def _parameter(self, option: Option, node: FunctionNode) -> str | None:
        """Return which parameter of a function an option is, None if it is something else."""
        if not isinstance(option.value, ast.Name):
            return None
        match self.apps.lookup.path(option.use, option.value):
            case (Definition(binding=ParameterDefinition()) as source,) if source.scope.node is node:
                return option.value.id
            case _:
                return None


def _both(made: Wrapper | None, around: Wrapper | None) -> Wrapper | None:
    """Combine two wrappers; what both pass on is not followed further."""
    if made is None or around is None:
        return made if around is None else around
    return Wrapper(is_transparent=False, receivers=0, keeps_name=made.keeps_name and around.keeps_name)


def _is_inside(inner: FunctionNode, node: FunctionNode) -> bool:
    return inner is not node and any(each is inner for each in ast.walk(node))


def _is_given(expr: ast.expr, node: FunctionNode) -> bool:
    """Whether a call receives the decorator's argument: the first parameter, or all or the first of `*args`."""
    arguments = node.args
    match expr:
        case ast.Name(name):
            return bool(arguments.args) and name == arguments.args[0].arg
        case ast.Starred(ast.Name(name)) | ast.Subscript(ast.Name(name), ast.Constant(0)):
            return not arguments.args and arguments.vararg is not None and name == arguments.vararg.arg
        case _:
            return False


def _without_receiver(node: FunctionNode) -> FunctionNode:
    """A method as a function without `self`."""
    bare, bare.args = copy(node), copy(node.args)
    bare.args.args = node.args.args[1:]
    return bare


def _kept_options(constructors: Sequence[Definition]) -> set[str]:
    """Return the attributes in which an `__init__` keeps its `**options`."""
    nodes = [each.binding.node for each in constructors if isinstance(each.binding, FunctionDefinition)]
    found: set[str] = set()
    for node in nodes:
        for statement in node.body:
            match statement:
                case ast.Assign([ast.Attribute(_, attr)], ast.Name(name)):
                    found |= {attr} if node.args.kwarg is not None and name == node.args.kwarg.arg else set()
                case _:
                    pass
    return found


def _is_attribute(expr: ast.expr, owner: str, names: set[str]) -> bool:
    return isinstance(expr, ast.Attribute) and _is_name(expr.value, {owner}) and expr.attr in names


def _is_name(expr: ast.expr, names: set[str]) -> bool:
    return isinstance(expr, ast.Name) and expr.id in names


def _is_changed(definition: Definition) -> bool:
    """Whether something in its file modifies a dict of options."""
    for each in ast.walk(definition.scope.module.tree):
        match each:
            case ast.Attribute(ast.Name(name), attr) if name == definition.name and attr in _CHANGING:
                return True
            case ast.Subscript(ast.Name(name), _, ast.Store() | ast.Del()) if name == definition.name:
                return True
            case ast.AugAssign(ast.Name(name)) if name == definition.name:
                return True
            case _:
                pass
    return False
