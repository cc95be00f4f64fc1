"""Which expressions are Celery apps, and which decorators make tasks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.celery.celery_names import APP_CLASSES, APPS, TASK_MAKERS
from upnext_codegen.celery.records import SHARED
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import (
    Assignment,
    ClassDefinition,
    Definition,
    FunctionDefinition,
    ParameterDefinition,
    Use,
)
from upnext_codegen.reading.string_annotations import unquoted

if TYPE_CHECKING:
    from upnext_codegen.names.lookup import Lookup, Source
    from upnext_codegen.names.scopes import FunctionNode, SourceModule

_FARTHEST = 8
"""Names, calls and bases that are followed one after the other."""


class Maker(NamedTuple):
    """What makes a task of a function.

    Attributes:
        app: As `Task.app`.
        options: What it is given by name.
        use: Where those stand.
    """

    app: str
    options: tuple[ast.keyword, ...]
    use: Use


@dataclass(slots=True)
class Apps:
    """Knows apps, and what they make.

    Attributes:
        lookup: Looks names up.
    """

    lookup: Lookup

    def app_of(self, expr: ast.expr, use: Use, depth: int = 0) -> str | None:
        """Tell which app an expression is: as `Task.app`, None if it is none as far as can be told."""
        if depth > _FARTHEST:
            return None
        if isinstance(expr, ast.Call):
            return self._made(expr, use, depth)
        for source in self.lookup.path(use, expr):
            found = self._app(source, depth)
            if found is not None:
                return found
        return None

    def _app(self, source: Source, depth: int) -> str | None:
        match source:
            case ExternalName(name):
                return "" if name in APPS or _is_named_after_celery(name) else None
            case Definition(binding=Assignment(ast.expr() as value, annotation)):
                found = self.app_of(value, source.use, depth + 1)
                if found is None and annotation is not None and self._is_app_class(annotation, source.use, depth + 1):
                    found = ""
                # A name that is bound by a call is an app of its own; one that is bound to another name is that one.
                return _key(source) if found is not None and isinstance(value, ast.Call) else found
            case Definition(
                binding=Assignment(None, ast.expr() as annotation) | ParameterDefinition(ast.expr() as annotation)
            ):
                return "" if self._is_app_class(annotation, source.use, depth + 1) else None
            case _:
                return None

    def _made(self, call: ast.Call, use: Use, depth: int) -> str | None:
        """Tell which app a call makes or gives."""
        if self._is_app_class(call.func, use, depth + 1):
            return ""
        for source in self.lookup.path(use, call.func):
            if isinstance(source, Definition) and isinstance(source.binding, FunctionDefinition):
                return "" if self._gives_app(source, depth) else None
        return None

    def _gives_app(self, function: Definition, depth: int) -> bool:
        assert isinstance(function.binding, FunctionDefinition)
        returns = function.binding.node.returns
        if returns is not None and self._is_app_class(returns, function.use, depth + 1):
            return True
        body = function.scope.module.body_of(function)
        return any(
            self.app_of(each.node, Use(body, each.node.lineno, each.branches), depth + 1) is not None
            for each in body.returns
        )

    def _is_app_class(self, expr: ast.expr, use: Use, depth: int) -> bool:
        return self.derives(expr, use, APP_CLASSES, depth)

    def derives(self, expr: ast.expr, use: Use, classes: frozenset[str], depth: int = 0) -> bool:
        """Tell whether an expression is one of some classes outside of the project, or has one as a base."""
        if depth > _FARTHEST:
            return False
        for source in self.lookup.path(use, unquoted(expr)):
            match source:
                case ExternalName(name) if name in classes or (classes is APP_CLASSES and _is_class_of_apps(name)):
                    return True
                case Definition(binding=ClassDefinition(node)):
                    if any(self.derives(base, source.use, classes, depth + 1) for base in node.bases):
                        return True
                case _:
                    pass
        return False

    def text_of(self, expr: ast.expr | None, use: Use) -> str | None:
        """Tell which text an expression is: a constant, or a name of one."""
        match expr:
            case ast.Constant(str() as text):
                return text
            case ast.Name() | ast.Attribute():
                match self.lookup.path(use, expr):
                    case (Definition(binding=Assignment(ast.Constant(str() as text))),):
                        return text
                    case _:
                        return None
            case _:
                return None

    def maker(self, decorator: ast.expr, use: Use) -> Maker | None:
        """Tell what makes a task of what it decorates, None if that is something else."""
        if not isinstance(decorator, ast.Call):
            app = self.makes_tasks(decorator, use)
            return self._of_project(decorator, use, None) if app is None else Maker(app, (), use)
        app = self.makes_tasks(decorator.func, use)
        if app is not None:
            return Maker(app, tuple(decorator.keywords), use)
        return self._of_project(decorator.func, use, decorator)

    def _of_project(self, func: ast.expr, use: Use, call: ast.Call | None) -> Maker | None:
        for source in self.lookup.path(use, func):
            if isinstance(source, Definition) and isinstance(source.binding, FunctionDefinition):
                return self._passed_on(source, source.binding.node, call)
        return None

    def makers_in(self, module: SourceModule) -> Iterator[str]:
        """Yield the names in a file that stand for what makes tasks: `shared_task` by another name, and the like."""
        for scope in module.scopes():
            for each in scope.every():
                if any(map(self._is_maker, self.lookup.follow(each))):
                    yield each.name

    def _is_maker(self, source: Source) -> bool:
        match source:
            case ExternalName(name):
                return name in TASK_MAKERS
            case Definition(binding=FunctionDefinition(node)):
                called = ast.Call(ast.Name(source.name), [], [])
                return any(self._passed_on(source, node, each) is not None for each in (None, called))
            case Definition(binding=Assignment(ast.Name() | ast.Attribute() as value)):
                return self.makes_tasks(value, source.use) is not None
            case _:
                return False

    def makes_tasks(self, func: ast.expr, use: Use, depth: int = 0) -> str | None:
        """Tell the app of the tasks that a function makes, None if it makes none."""
        if isinstance(func, ast.Attribute) and func.attr == "task":
            app = self.app_of(func.value, use)
            if app is not None:
                return app
        for source in self.lookup.path(use, func) if depth <= _FARTHEST else ():
            match source:
                case ExternalName(name) if name in TASK_MAKERS:
                    return SHARED
                case Definition(binding=Assignment(ast.Name() | ast.Attribute() as value)):
                    found = self.makes_tasks(value, source.use, depth + 1)
                    if found is not None:
                        return found
                case _:
                    pass
        return None

    def _passed_on(self, function: Definition, node: FunctionNode, call: ast.Call | None) -> Maker | None:
        """Tell what a function of the project makes tasks with: one that is called, or that decorates by itself.

        Called, it returns what `shared_task(...)` gives, or a function that decorates.
        """
        body = function.scope.module.body_of(function)
        for each in body.returns:
            use = Use(body, each.node.lineno, each.branches)
            found = self._applied(each.node, node, use) if call is None else self._returned(each.node, use)
            if found is not None:
                keywords = call.keywords if call is not None else []
                return found._replace(options=_handed_on(found.options, node, keywords))
        return None

    def _returned(self, expr: ast.expr, use: Use) -> Maker | None:
        """`return shared_task(...)`, or the name of a function inside that decorates."""
        if isinstance(expr, ast.Call) and all(isinstance(each, ast.Starred) for each in expr.args):
            app = self.makes_tasks(expr.func, use)
            return None if app is None else Maker(app, tuple(expr.keywords), use)
        for source in self.lookup.path(use, expr):
            if isinstance(source, Definition) and isinstance(source.binding, FunctionDefinition):
                inner = source.binding.node
                body = source.scope.module.body_of(source)
                for each in body.returns:
                    found = self._applied(each.node, inner, Use(body, each.node.lineno, each.branches))
                    if found is not None:
                        return found
        return None

    def _applied(self, expr: ast.expr, node: FunctionNode, use: Use) -> Maker | None:
        """`return shared_task(function)`, or `shared_task(...)(function)`, of what the function is given."""
        if not isinstance(expr, ast.Call) or not _is_all_given(expr.args, node):
            return None
        made = expr.func if isinstance(expr.func, ast.Call) and not expr.func.args else None
        app = self.makes_tasks(expr.func if made is None else made.func, use)
        options = (*(made.keywords if made is not None else ()), *expr.keywords)
        return None if app is None else Maker(app, options, use)


def _is_all_given(args: list[ast.expr], node: FunctionNode) -> bool:
    """Whether a call is given what a decorator is: the first parameter, or `*args`."""
    match args:
        case [ast.Name(name)]:
            return bool(node.args.args) and name == node.args.args[0].arg
        case [ast.Starred(ast.Name(name))]:
            return not node.args.args and node.args.vararg is not None and name == node.args.vararg.arg
        case _:
            return False


def _handed_on(
    options: tuple[ast.keyword, ...], node: FunctionNode, given: list[ast.keyword]
) -> tuple[ast.keyword, ...]:
    """Put the options of a call in the place of the `**options` by which a function hands them on as they are."""
    name = node.args.kwarg.arg if node.args.kwarg is not None else ""
    handing = [
        each for each in options if each.arg is None and isinstance(each.value, ast.Name) and each.value.id == name
    ]
    uses = [each for each in ast.walk(node) if isinstance(each, ast.Name) and each.id == name]
    if not handing or len(uses) > len(handing):
        return options
    named = {each.arg for each in (*node.args.args, *node.args.kwonlyargs)}
    return (*(each for each in options if each not in handing), *(each for each in given if each.arg not in named))


def _is_named_after_celery(name: str) -> bool:
    """Whether something of another package is its app, as far as a name can tell: `company.celery.app`."""
    package, _, _ = name.partition(".")
    return package not in {"celery", "upnext_celery"} and "celery" in name.lower()


def _is_class_of_apps(name: str) -> bool:
    """Whether a class of another package is one of apps, as far as a name can tell: `flask_celery.Celery`."""
    return name.rpartition(".")[2] == "Celery"


def _key(definition: Definition) -> str:
    return f"{definition.file}:{definition.line}"
