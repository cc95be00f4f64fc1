"""Recognises definitions that are tasks, and reads their parameters."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen.celery.makers import Option
from upnext_codegen.celery.records import CeleryTask, Formal, TaskSignature
from upnext_codegen.celery.wrappers import Wrappers
from upnext_codegen.limits import MAX_CELERY_STEPS
from upnext_codegen.names.scopes import (
    Assignment,
    ClassDefinition,
    Definition,
    FunctionDefinition,
    ParameterDefinition,
    Use,
)
from upnext_codegen.records import Place

if TYPE_CHECKING:
    from upnext_codegen.celery.apps import Apps
    from upnext_codegen.celery.makers import Maker, Makers
    from upnext_codegen.celery.task_classes import TaskClasses
    from upnext_codegen.names.scopes import FunctionNode, SourceModule


@dataclass(slots=True)
class Tasks:
    """Recognises tasks, each examined once.

    Attributes:
        apps: Knows what makes them.
        makers: Knows what makes them of functions.
        classes: Knows their classes.
        are_named_by_celery: Whether a task without a name of its own has the one that Celery gives it.
    """

    apps: Apps
    makers: Makers
    classes: TaskClasses
    are_named_by_celery: bool = True
    _known: dict[tuple[str, int, str], CeleryTask | None] = field(
        default_factory=dict[tuple[str, int, str], "CeleryTask | None"]
    )

    def of(self, expr: ast.expr, use: Use, depth: int = 0) -> CeleryTask | None:
        """Return which task an expression is, None if it is not exactly one."""
        if isinstance(expr, ast.Call):
            return self._made(expr, use, depth)
        found = {
            # A task class is not a task itself: its instances are.
            None if isinstance(each.binding, ClassDefinition) else self.defined_by(each, depth)
            for each in self.apps.lookup.path(use, expr)
            if isinstance(each, Definition)
        }
        return found.pop() if len(found) == 1 else None

    def defined_by(self, definition: Definition, depth: int = 0) -> CeleryTask | None:
        """Return which task a definition is."""
        key = (definition.file, definition.line, definition.name)
        if key not in self._known:
            self._known[key] = None  # a value that leads back to itself is not a task
            self._known[key] = self._defined_by(definition, depth)
        return self._known[key]

    def _defined_by(self, definition: Definition, depth: int) -> CeleryTask | None:
        match definition.binding:
            case FunctionDefinition(node):
                return self._decorated(definition, node)
            case ClassDefinition():
                return self._class(definition)
            case ParameterDefinition():
                return self._receiver(definition)
            case Assignment(ast.Call() as call) if depth < MAX_CELERY_STEPS:
                return self._made(call, definition.use, depth + 1)
            case Assignment(ast.Name() | ast.Attribute() as value) if depth < MAX_CELERY_STEPS:
                return self.of(value, definition.use, depth + 1)
            case _:
                return None

    def _decorated(self, definition: Definition, node: FunctionNode) -> CeleryTask | None:
        for number, decorator in enumerate(node.decorator_list):
            maker = self.makers.maker(decorator, Use(definition.scope, decorator.lineno, definition.branches))
            if maker is not None:
                # A decorator above it replaces the task.
                wrapped = number > 0 or self._is_changed(definition, node.decorator_list[number + 1 :])
                return self._task(definition, node, maker, is_changed=wrapped)
        return None

    def _receiver(self, definition: Definition) -> CeleryTask | None:
        """Return which task the `self` of a bound task, or of the `run` of a class, is."""
        scope = definition.scope
        node, around = scope.node, scope.parent
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or around is None:
            return None
        first = [*node.args.posonlyargs, *node.args.args][:1]
        if [each.arg for each in first] != [definition.name]:
            return None
        if around.kind != "class":
            found = next((self.defined_by(each) for each in around.functions if _is(each, node)), None)
            return found if found is not None and found.is_bound else None
        owners = around.parent.classes if around.parent is not None and node.name == "run" else []
        return next((self.defined_by(each) for each in owners if _is(each, around.node)), None)

    def _class(self, definition: Definition) -> CeleryTask | None:
        """Return which task a class is, None for one that has no `run` or is abstract."""
        run = self.classes.run_of(definition)
        if run is None or self.classes.constant_of(definition, "abstract") is True:
            return None
        assert isinstance(definition.binding, ClassDefinition)
        assert isinstance(run.binding, FunctionDefinition)
        node = run.binding.node
        name = self.classes.constant_of(definition, "name")
        # A base may use the argument of `class Resize(Base, name="resize")` as its name.
        if name is None and self.are_named_by_celery and not definition.binding.node.keywords:
            name = f"{self.apps.lookup.modules.name_of(definition.file)}.{definition.name}"
        written = _signature(node, skipped=1)
        changed = bool(node.decorator_list) or self.classes.class_changes_arguments(definition)
        module = definition.scope.module
        return CeleryTask(
            definition.name,
            name if isinstance(name, str) else None,
            "",
            Place(module.file, *module.name_place(definition.binding.node)),
            definition.branches,
            None if changed else written,
            written,
            is_bound=True,
            is_class=True,
        )

    def _made(self, call: ast.Call, use: Use, depth: int) -> CeleryTask | None:
        """Return which task a call makes: of a function, or of a class by an instance of it."""
        for source in self.apps.lookup.path(use, call.func):
            if isinstance(source, Definition) and isinstance(source.binding, ClassDefinition):
                return self.defined_by(source)
        if len(call.args) != 1:
            return None
        if isinstance(call.func, ast.Attribute) and call.func.attr == "register_task":
            return (
                self._registered(call.args[0], use, depth)
                if self.apps.app_of(call.func.value, use) is not None
                else None
            )
        return self._of_function(call, use)

    def _registered(self, expr: ast.expr, use: Use, depth: int) -> CeleryTask | None:
        """Return which task `app.register_task` makes of an instance, or of a class."""
        found = [each for each in self.apps.lookup.path(use, expr) if isinstance(each, Definition)]
        if len(found) == 1 and isinstance(found[0].binding, ClassDefinition):
            return self.defined_by(found[0])
        return self.of(expr, use, depth + 1) if depth < MAX_CELERY_STEPS else None

    def _of_function(self, call: ast.Call, use: Use) -> CeleryTask | None:
        """Return which task `shared_task(function)` or `shared_task(...)(function)` is."""
        maker = self.makers.maker(call.func, use)
        if maker is None:
            return None
        for source in self.apps.lookup.path(use, call.args[0]):
            if isinstance(source, Definition) and isinstance(source.binding, FunctionDefinition):
                if self.makers.is_wrapper(source):
                    return None  # a task for each function that is decorated
                node = source.binding.node
                changed = self._is_changed(source, node.decorator_list)
                options = (*maker.options, *(Option(each.arg, each.value, use) for each in call.keywords))
                maker = maker._replace(options=options)
                return self._task(source, node, maker, is_changed=changed)
        return None

    def _is_changed(self, definition: Definition, decorators: list[ast.expr]) -> bool:
        wrappers = Wrappers(self.apps.lookup)
        return not all(
            wrappers.keeps_signature(each, Use(definition.scope, each.lineno, definition.branches))
            for each in decorators
        )

    def _task(self, definition: Definition, node: FunctionNode, maker: Maker, *, is_changed: bool) -> CeleryTask:
        options = {each.name: each for each in maker.options}
        bind = _constant(options["bind"].value) if "bind" in options else False
        wrapper = maker.wrapper
        # A wrapper may be given `self`, and keep it to itself.
        skipped = int(bind is True) - (wrapper.receivers if wrapper is not None else 0)
        is_known = not is_changed and isinstance(bind, bool) and None not in options
        is_known = is_known and (wrapper is None or wrapper.is_transparent) and skipped >= 0
        bases = [options["base"][1:]] if "base" in options else self.classes.of_apps
        is_known = is_known and not any(self.classes.changes_arguments(*each) for each in bases)
        written = _signature(node, skipped=max(skipped, 0))
        module = definition.scope.module
        name = self.apps.text_of(*options["name"][1:]) if "name" in options else None
        is_named = wrapper is None or wrapper.keeps_name
        if not options.keys() & {"name", None} and is_named and self.are_named_by_celery:
            name = f"{self.apps.lookup.modules.name_of(definition.file)}.{definition.name}"
        return CeleryTask(
            definition.name,
            name,
            maker.app,
            Place(module.file, *module.name_place(node)),
            definition.branches,
            written if is_known else None,
            written,
            is_bound=skipped > 0,
        )


def tasks_in(module: SourceModule, tasks: Tasks) -> list[CeleryTask]:
    """Return the tasks that a file makes."""
    found: dict[CeleryTask, None] = {}
    for scope in module.scopes():
        for definition in scope.every():
            if isinstance(definition.binding, FunctionDefinition | ClassDefinition) or _may_make(definition):
                task = tasks.defined_by(definition)
                if task is not None and not tasks.makers.is_wrapper(definition):
                    found[task] = None
    return [*found]


def supposed_names(module: SourceModule, tasks: Tasks) -> Iterator[str | None]:
    """Yield the names of possible tasks in a file: those decorated by something unknown that is called like one.

    None stands for a name that is not known either.
    """
    for scope in module.scopes():
        for definition in scope.functions:
            assert isinstance(definition.binding, FunctionDefinition)
            for decorator in definition.binding.node.decorator_list:
                call = decorator if isinstance(decorator, ast.Call) else None
                func = decorator if call is None else call.func
                last = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
                if last.lower().endswith("task") and tasks.defined_by(definition) is None:
                    named = [each for each in call.keywords if each.arg in {"name", None}] if call else []
                    use = Use(definition.scope, decorator.lineno, definition.branches)
                    own = f"{tasks.apps.lookup.modules.name_of(definition.file)}.{definition.name}"
                    yield tasks.apps.text_of(named[0].value, use) if named else own


def _is(definition: Definition, node: ast.AST) -> bool:
    binding = definition.binding
    return isinstance(binding, FunctionDefinition | ClassDefinition) and binding.node is node


def _may_make(definition: Definition) -> bool:
    return isinstance(definition.binding, Assignment) and isinstance(definition.binding.value, ast.Call)


def _signature(node: FunctionNode, *, skipped: int) -> TaskSignature:
    arguments = node.args
    placed = [*((each, "positional") for each in arguments.posonlyargs), *((each, "any") for each in arguments.args)]
    without = len(placed) - len(arguments.defaults)
    formals = [Formal(each.arg, kind, number < without) for number, (each, kind) in enumerate(placed)][skipped:]
    formals += [
        Formal(each.arg, "keyword", default is None)
        for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    return TaskSignature(tuple(formals), arguments.vararg is not None, arguments.kwarg is not None)


def _constant(expr: ast.expr) -> object:
    """The value of an option, or the expression itself if unknown."""
    return expr.value if isinstance(expr, ast.Constant) else expr
