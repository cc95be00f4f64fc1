"""Task classes: those that are tasks by their `run`, and those that other tasks are based on (`base=`)."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen.celery.celery_names import TASK_CLASSES
from upnext_codegen.celery.wrappers import passes_args_and_kwargs_on, passes_arguments_on
from upnext_codegen.limits import MAX_CELERY_STEPS
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import Assignment, ClassDefinition, Definition, FunctionDefinition, Use

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.celery.apps import Apps
    from upnext_codegen.names.lookup import Source
    from upnext_codegen.names.scopes import Scope, SourceModule

_SENDING = frozenset({"delay", "apply_async", "s", "si", "signature", "subtask", "__getattribute__"})


@dataclass(slots=True)
class TaskClasses:
    """Recognises task classes.

    Attributes:
        apps: Knows apps.
        of_apps: The classes that apps make all of their tasks with, and where they are given.
    """

    apps: Apps
    of_apps: list[tuple[ast.expr, Use]] = field(default_factory=list[tuple[ast.expr, Use]])

    def read_apps(self, module: SourceModule) -> None:
        """Record the task class that a file gives apps: `app.Task = ...`, `Celery(..., task_cls=...)`."""
        for scope in module.scopes():
            for target, definition in scope.attributes:
                if target.attr == "Task" and self.apps.app_of(target.value, definition.use) is not None:
                    match definition.binding:
                        case Assignment(ast.expr() as value):
                            self.of_apps.append((value, definition.use))
                        case _:
                            self.of_apps.append((ast.Constant(None), definition.use))
            self.of_apps += _given_as_task_cls(scope)

    def run_of(self, definition: Definition, depth: int = 0) -> Definition | None:
        """Return the `run` of a task class, its own or inherited, None for any other class."""
        assert isinstance(definition.binding, ClassDefinition)
        node = definition.binding.node
        if depth > MAX_CELERY_STEPS or not self._is_task_class(node, definition.use):
            return None
        return self._run_of(definition, depth)

    def _run_of(self, definition: Definition, depth: int) -> Definition | None:
        assert isinstance(definition.binding, ClassDefinition)
        own = definition.scope.module.body_of(definition).definitions.get("run", [])
        if own:
            return own[-1] if isinstance(own[-1].binding, FunctionDefinition) else None
        for base in _bases(definition.binding.node):
            for source in self.apps.lookup.path(definition.use, base):
                if isinstance(source, Definition) and isinstance(source.binding, ClassDefinition):
                    found = self._run_of(source, depth + 1) if depth < MAX_CELERY_STEPS else None
                    if found is not None:
                        return found
        return None

    def _is_task_class(self, node: ast.ClassDef, use: Use, depth: int = 0) -> bool:
        for base in _bases(node) if depth <= MAX_CELERY_STEPS else ():
            if self._is_of_app(base, use):
                return True
            for source in self.apps.lookup.path(use, base):
                match source:
                    case ExternalName(name) if name in TASK_CLASSES:
                        return True
                    case Definition(binding=ClassDefinition(parent)):
                        if self._is_task_class(parent, source.use, depth + 1):
                            return True
                    case _:
                        pass
        return False

    def _is_of_app(self, base: ast.expr, use: Use) -> bool:
        """Whether it is `app.Task`."""
        return isinstance(base, ast.Attribute) and base.attr == "Task" and self.apps.app_of(base.value, use) is not None

    def constant_of(self, definition: Definition, name: str) -> object:
        """Return the value a class gives an attribute, None if it sets none, the expression if it is not a constant."""
        found = definition.scope.module.body_of(definition).definitions.get(name, [])
        match found:
            case []:
                return None
            case [*_, Definition(binding=Assignment(ast.Constant(value)))]:
                return value
            case _:
                return found[-1].binding

    def changes_arguments(self, base: ast.expr | None, use: Use, depth: int = 0) -> bool:
        """Whether tasks of a class may take other arguments than their function, as far as is known.

        Classes of packages are taken not to: those that log, lock and bind requests do not. One of the project must
        show it.
        """
        if base is None or self._is_of_app(base, use):
            return False
        sources = self.apps.lookup.path(use, base) or self._named(base, use) or self._returned(base, use)
        if not sources or depth > MAX_CELERY_STEPS:
            return True
        return any(self._changes(source, depth) for source in sources)

    def _named(self, base: ast.expr, use: Use) -> tuple[Source, ...]:
        """Find the class that a text names, as `task_cls="shop.tasks:ShopTask"`."""
        module, _, name = (self.apps.text_of(base, use) or "").replace(":", ".").rpartition(".")
        found = self.apps.lookup.modules.find(module, use.file) if module else None
        return self.apps.lookup.attribute(found, name, use.file) if found is not None else ()

    def _returned(self, base: ast.expr, use: Use) -> tuple[Source, ...]:
        """Find the classes that a function of the project returns, as `task_cls=make_task_class(app)`."""
        called = self.apps.lookup.path(use, base.func) if isinstance(base, ast.Call) else ()
        if len(called) != 1 or not isinstance(called[0], Definition):
            return ()
        if not isinstance(called[0].binding, FunctionDefinition):
            return ()
        body = called[0].scope.module.body_of(called[0])
        found = [self.apps.lookup.path(Use(body, each.node.lineno, each.branches), each.node) for each in body.returns]
        return tuple(one for each in found for one in each) if all(found) else ()

    def _changes(self, source: object, depth: int) -> bool:
        if isinstance(source, ExternalName):
            return False
        if not isinstance(source, Definition) or not isinstance(source.binding, ClassDefinition):
            return True
        return self.class_changes_arguments(source, depth)

    def class_changes_arguments(self, definition: Definition, depth: int = 0) -> bool:
        """Likewise, for a class of the project."""
        assert isinstance(definition.binding, ClassDefinition)
        node = definition.binding.node
        methods = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
        if any(_changes_what_it_is_given(each) for each in methods):
            return True
        return bool(node.decorator_list) or any(
            self.changes_arguments(base, definition.use, depth + 1) for base in _bases(node)
        )


def _changes_what_it_is_given(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    if method.name not in _SENDING and method.name != "__call__":
        return False
    if method.name == "apply_async" and passes_args_and_kwargs_on(method):
        return False
    return not passes_arguments_on(method)


def _bases(node: ast.ClassDef) -> list[ast.expr]:
    """The bases of a class, without type arguments: `Task[P, R]`."""
    return [each.value if isinstance(each, ast.Subscript) else each for each in node.bases]


def _given_as_task_cls(scope: Scope) -> Iterator[tuple[ast.expr, Use]]:
    for each in scope.expressions:
        for node in ast.walk(each.node):
            if isinstance(node, ast.Call):
                use = Use(scope, node.lineno, each.branches)
                yield from ((keyword.value, use) for keyword in node.keywords if keyword.arg == "task_cls")
    if scope.kind == "class":
        for definition in scope.definitions.get("task_cls", []):
            match definition.binding:
                case Assignment(ast.expr() as value):
                    yield value, definition.use
                case _:
                    pass
