"""Which definitions are tasks, and what each takes."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen.celery.records import Formal, Signature, Task
from upnext_codegen.celery.wrappers import Wrappers
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import Assignment, ClassDefinition, Definition, FunctionDefinition, Use
from upnext_codegen.records import Place

if TYPE_CHECKING:
    from upnext_codegen.celery.apps import Apps, Maker
    from upnext_codegen.names.scopes import FunctionNode, SourceModule

_FARTHEST = 8
"""Names that are followed one after the other."""
_SENDING = frozenset({"delay", "apply_async", "s", "si", "signature", "subtask"})


@dataclass(slots=True)
class Tasks:
    """Knows tasks, each looked at once.

    Attributes:
        apps: Knows what makes them.
    """

    apps: Apps
    _known: dict[tuple[str, int, str], Task | None] = field(default_factory=dict[tuple[str, int, str], "Task | None"])

    def of(self, expr: ast.expr, use: Use, depth: int = 0) -> Task | None:
        """Tell which task an expression is, None where that is none, or one of several."""
        found = {
            self.defined_by(each, depth) for each in self.apps.lookup.path(use, expr) if isinstance(each, Definition)
        }
        return found.pop() if len(found) == 1 else None

    def defined_by(self, definition: Definition, depth: int = 0) -> Task | None:
        """Tell which task a definition is."""
        key = (definition.file, definition.line, definition.name)
        if key not in self._known:
            self._known[key] = None  # what leads back to itself is none
            self._known[key] = self._defined_by(definition, depth)
        return self._known[key]

    def _defined_by(self, definition: Definition, depth: int) -> Task | None:
        match definition.binding:
            case FunctionDefinition(node):
                return self._decorated(definition, node)
            case Assignment(ast.Call() as call):
                return self._assigned(call, definition.use)
            case Assignment(ast.Name() | ast.Attribute() as value) if depth < _FARTHEST:
                return self.of(value, definition.use, depth + 1)
            case _:
                return None

    def _decorated(self, definition: Definition, node: FunctionNode) -> Task | None:
        for number, decorator in enumerate(node.decorator_list):
            maker = self.apps.maker(decorator, Use(definition.scope, decorator.lineno, definition.branches))
            if maker is not None:
                # What stands above makes something else of the task.
                wrapped = number > 0 or self._is_changed(definition, node.decorator_list[number + 1 :])
                return self._task(definition, node, maker, is_changed=wrapped)
        return None

    def _assigned(self, call: ast.Call, use: Use) -> Task | None:
        """Tell which task `shared_task(function)` or `shared_task(...)(function)` is."""
        maker = self.apps.maker(call.func, use) if call.args else None
        if maker is None or len(call.args) != 1:
            return None
        for source in self.apps.lookup.path(use, call.args[0]):
            if isinstance(source, Definition) and isinstance(source.binding, FunctionDefinition):
                node = source.binding.node
                changed = self._is_changed(source, node.decorator_list)
                maker = maker._replace(options=(*maker.options, *call.keywords))
                return self._task(source, node, maker, is_changed=changed)
        return None

    def _is_changed(self, definition: Definition, decorators: list[ast.expr]) -> bool:
        wrappers = Wrappers(self.apps.lookup)
        return not all(
            wrappers.keeps_signature(each, Use(definition.scope, each.lineno, definition.branches))
            for each in decorators
        )

    def _task(self, definition: Definition, node: FunctionNode, maker: Maker, *, is_changed: bool) -> Task:
        options = {each.arg: each.value for each in maker.options}
        bind = _constant(options.get("bind"), default=False)
        is_known = not is_changed and isinstance(bind, bool) and None not in options
        is_known = is_known and not self._sends_its_own_way(options.get("base"), maker.use)
        written = _signature(node, skipped=int(bind is True))
        module = definition.scope.module
        own = f"{self.apps.lookup.modules.name_of(definition.file)}.{definition.name}"
        given = None if None in options else _constant(options.get("name"), default=own)
        if isinstance(options.get("name"), ast.expr) and not isinstance(given, str):
            given = self._text(options["name"], maker.use)
        return Task(
            definition.name,
            given if isinstance(given, str) else None,
            maker.app,
            Place(module.file, *module.name_place(node)),
            definition.branches,
            written if is_known else None,
            written,
        )

    def _text(self, expr: ast.expr, use: Use) -> str | None:
        """What a name of a constant stands for."""
        match self.apps.lookup.path(use, expr):
            case (Definition(binding=Assignment(ast.Constant(str() as text))),):
                return text
            case _:
                return None

    def _sends_its_own_way(self, base: ast.expr | None, use: Use, depth: int = 0) -> bool:
        """Whether a class of tasks is of the project, and sends in a way of its own."""
        if base is None or depth > _FARTHEST:
            return False
        for source in self.apps.lookup.path(use, base):
            if isinstance(source, ExternalName):
                continue
            if not isinstance(source, Definition) or not isinstance(source.binding, ClassDefinition):
                return True
            node = source.binding.node
            if any(isinstance(each, ast.FunctionDef) and each.name in _SENDING for each in node.body):
                return True
            if any(self._sends_its_own_way(each, source.use, depth + 1) for each in node.bases):
                return True
        return False


def tasks_in(module: SourceModule, tasks: Tasks) -> list[Task]:
    """Return the tasks that a file makes."""
    found: dict[Task, None] = {}
    for scope in module.scopes():
        for definition in scope.every():
            if isinstance(definition.binding, FunctionDefinition) or _may_make(definition):
                task = tasks.defined_by(definition)
                if task is not None:
                    found[task] = None
    return [*found]


def _may_make(definition: Definition) -> bool:
    return isinstance(definition.binding, Assignment) and isinstance(definition.binding.value, ast.Call)


def _signature(node: FunctionNode, *, skipped: int) -> Signature:
    arguments = node.args
    placed = [*((each, "positional") for each in arguments.posonlyargs), *((each, "any") for each in arguments.args)]
    without = len(placed) - len(arguments.defaults)
    formals = [Formal(each.arg, kind, number < without) for number, (each, kind) in enumerate(placed)][skipped:]
    formals += [
        Formal(each.arg, "keyword", default is None)
        for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    return Signature(tuple(formals), arguments.vararg is not None, arguments.kwarg is not None)


def _constant(expr: ast.expr | None, default: object) -> object:
    """What an option is, the expression itself where that cannot be known."""
    if expr is None:
        return default
    return expr.value if isinstance(expr, ast.Constant) else expr
