"""Recognises expressions that are Celery apps, and decorators that create tasks."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from upnext_codegen.celery.celery_names import APP_CLASSES, APPS, is_maker
from upnext_codegen.celery.records import SHARED
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
from upnext_codegen.reading.string_annotations import unquoted

if TYPE_CHECKING:
    from upnext_codegen.names.lookup import Lookup, Source


@dataclass(slots=True)
class Apps:
    """Recognises apps and what they create.

    Attributes:
        lookup: Looks names up.
    """

    lookup: Lookup

    def app_of(self, expr: ast.expr, use: Use, depth: int = 0) -> str | None:
        """Return which app an expression is, in the form of `CeleryTask.app`; None if it is none as far as is known."""
        if depth > MAX_CELERY_STEPS:
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
                # A name bound by a call is a separate app; a name bound to another name is the same app.
                return _key(source) if found is not None and isinstance(value, ast.Call) else found
            case Definition(
                binding=Assignment(None, ast.expr() as annotation) | ParameterDefinition(ast.expr() as annotation)
            ):
                return "" if self._is_app_class(annotation, source.use, depth + 1) else None
            case _:
                return None

    def _made(self, call: ast.Call, use: Use, depth: int) -> str | None:
        """Return which app a call creates or returns."""
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
        """Return whether an expression is one of some external classes, or has one as a base."""
        if depth > MAX_CELERY_STEPS:
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
        """Return the text of an expression: a constant, or a name bound to one."""
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

    def makes_tasks(self, func: ast.expr, use: Use, depth: int = 0) -> str | None:
        """Return the app of the tasks that a function creates, None if it creates none."""
        if isinstance(func, ast.Attribute) and func.attr == "task":
            app = self.app_of(func.value, use)
            if app is not None:
                return app
        for source in self.lookup.path(use, func) if depth <= MAX_CELERY_STEPS else ():
            match source:
                case ExternalName(name) if is_maker(name):
                    return SHARED
                case Definition(binding=Assignment(ast.Name() | ast.Attribute() as value)):
                    found = self.makes_tasks(value, source.use, depth + 1)
                    if found is not None:
                        return found
                case _:
                    pass
        return None


def _is_named_after_celery(name: str) -> bool:
    """Whether something of another package is its app, judging by its name: `company.celery.app`."""
    package, _, _ = name.partition(".")
    return package not in {"celery", "upnext_celery"} and "celery" in name.lower()


def _is_class_of_apps(name: str) -> bool:
    """Whether a class of another package is a class of apps, judging by its name: `company.celery.ShopCelery`."""
    return name.rpartition(".")[2].endswith("Celery")


def _key(definition: Definition) -> str:
    return f"{definition.file}:{definition.line}"
