"""Calls that have a worker run a task, either through the task itself or by its name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.celery.canvas import Canvas
from upnext_codegen.celery.celery_names import (
    ARGS_KWARGS_METHODS,
    BY_NAME,
    DEFERRING_FUNCTIONS,
    INLINE_METHODS,
    NAMED_SIGNATURES,
    PARTIAL,
    POSITIONAL_PARAMETERS,
    STRICT_METHODS,
)
from upnext_codegen.celery.containers import argument, items, mapping, sequence, wrong_container, wrong_in_schedule
from upnext_codegen.celery.records import UNKNOWN, Call, CallArguments
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import Use, inner_scopes_and_calls
from upnext_codegen.records import Place

if TYPE_CHECKING:
    from upnext_codegen.celery.tasks import Tasks
    from upnext_codegen.names.scopes import SourceModule

_RUNS_SIGNATURE = frozenset({"delay", "apply_async"})


@dataclass(slots=True)
class Calls:
    """Reads calls of tasks.

    Attributes:
        tasks: Knows tasks.
    """

    tasks: Tasks

    def in_module(self, module: SourceModule) -> Iterator[Call]:
        """Yield the calls in a file."""
        for scope in module.scopes():
            for each in scope.expressions:
                found = [
                    (node, Use(inner, node.lineno, each.branches))
                    for node, inner in inner_scopes_and_calls(each.node, scope)
                    if isinstance(node, ast.Call)
                ]
                if found:
                    reader = _Reader(self.tasks, Canvas(self.tasks.apps.lookup))
                    reader.canvas.read(each.node, Use(scope, each.node.lineno, each.branches), found)
                    for call, use in found:
                        yield from reader.read(call, use)
        yield from _schedules(module)


class _HandedOn(NamedTuple):
    """A call that something else makes later.

    Attributes:
        call: The call.
        is_partial: Whether that may add arguments.
    """

    call: ast.Call
    is_partial: bool


@dataclass(slots=True)
class _Reader:
    """Reads the calls of one expression.

    Attributes:
        tasks: Knows tasks.
        canvas: What becomes of the signatures in it.
        run: The calls that make a signature which is run at once: they are read with the call that runs it.
    """

    tasks: Tasks
    canvas: Canvas
    run: set[ast.expr] = field(default_factory=set[ast.expr])

    def read(self, call: ast.Call, use: Use) -> Iterator[Call]:
        """Yield the task call that a call is, if it is one."""
        if call in self.run:
            return
        place = Place(use.file, *use.scope.module.place(call))
        handed_on = self._handed_on(call, use)
        if handed_on is not None:
            for each in self._of_task(handed_on.call, place, use):
                yield self._completed(each._replace(is_partial=each.is_partial or handed_on.is_partial), call)
        elif isinstance(call.func, ast.Attribute) and call.func.attr in INLINE_METHODS | ARGS_KWARGS_METHODS | {
            "retry"
        }:
            found = [self._completed(each, call) for each in self._of_task(call, place, use)]
            if not found and call.func.attr in _RUNS_SIGNATURE and isinstance(call.func.value, ast.Call):
                found = [*self._run_signature(call, call.func.value, call.func.attr, place, use)]
            yield from found or self._by_name(call, place, use)
        else:
            yield from self._by_name(call, place, use)

    def _of_task(self, call: ast.Call, place: Place, use: Use) -> Iterator[Call]:
        """Read `task.method(...)`."""
        assert isinstance(call.func, ast.Attribute)
        method = call.func.attr
        task = self.tasks.of(call.func.value, use)
        if task is None:
            return
        is_partial = method in PARTIAL and not _is_immutable(call)
        if method == "retry":
            # Arguments that are not passed again stay the same.
            is_partial = not all(_is_given(argument(call, _at(method, name), name)) for name in ("args", "kwargs"))
        yield _read(call, method, place, use, skipped=0)._replace(task=task, is_partial=is_partial)

    def _completed(self, call: Call, node: ast.Call) -> Call:
        """Add what a canvas adds to the result of an expression, if nothing else does."""
        results = self.canvas.results.get(node)
        if not call.is_partial or results is None:
            return call
        given = call.given._replace(positional=call.given.positional + results)
        return call._replace(given=given, is_partial=False, results=results)

    def _handed_on(self, call: ast.Call, use: Use) -> _HandedOn | None:
        """Return the call that `partial(task.delay, ...)`, or another thread, makes later."""
        match call.func:
            case ast.Name() | ast.Attribute():
                sources = self.tasks.apps.lookup.path(use, call.func)
            case _:
                return None
        names = {each.name for each in sources if isinstance(each, ExternalName)} & DEFERRING_FUNCTIONS.keys()
        if not names or not call.args or not isinstance(call.args[0], ast.Attribute):
            return None
        if call.args[0].attr not in INLINE_METHODS | ARGS_KWARGS_METHODS:
            return None
        made = ast.copy_location(ast.Call(call.args[0], call.args[1:], call.keywords), call)
        return _HandedOn(made, is_partial=any(DEFERRING_FUNCTIONS[each] for each in names))

    def _by_name(self, call: ast.Call, place: Place, use: Use) -> Iterator[Call]:
        if not self._is_by_name(call, use):
            return
        method = _attr(call) or "signature"
        is_sent = method == "send_task"
        name = self.tasks.apps.text_of(argument(call, 0, "name" if is_sent else "varies"), use)
        if name:
            found = _read(call, method if is_sent else "signature", place, use, skipped=0 if is_sent else 1)
            is_partial = not is_sent and not _is_immutable(call)
            yield self._completed(found._replace(name=name, method=method, is_partial=is_partial), call)

    def _run_signature(self, call: ast.Call, made: ast.Call, method: str, place: Place, use: Use) -> Iterator[Call]:
        """Read `task.s(...).delay(...)`: with the last arguments, the call is complete."""
        if not isinstance(made.func, ast.Attribute) or made.func.attr != "s":
            return
        task = self.tasks.of(made.func.value, use)
        if task is None:
            return
        self.run.add(made)
        first = _read(made, made.func.attr, place, use, skipped=0)
        added = _read(call, method, place, use, skipped=0)
        given = CallArguments(
            first.given.positional + added.given.positional,
            tuple(dict.fromkeys((*first.given.keywords, *added.given.keywords))),
            first.given.more_positional or added.given.more_positional,
            first.given.more_keywords or added.given.more_keywords,
        )
        yield added._replace(task=task, method=f"s(...).{method}", given=given)

    def _is_by_name(self, call: ast.Call, use: Use) -> bool:
        if isinstance(call.func, ast.Attribute) and call.func.attr in BY_NAME:
            app = call.func.value
            if self.tasks.apps.app_of(app, use) is not None:
                return True
            if isinstance(app, ast.Attribute) and app.attr == "app" and self.tasks.of(app.value, use) is not None:
                return True
        elif not isinstance(call.func, ast.Name):
            return False
        sources = self.tasks.apps.lookup.path(use, call.func)
        return any(isinstance(each, ExternalName) and each.name in NAMED_SIGNATURES for each in sources)


def _attr(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _is_given(expr: ast.expr | None) -> bool:
    return expr is not None and not (isinstance(expr, ast.Constant) and expr.value is None)


def _read(call: ast.Call, method: str, place: Place, use: Use, *, skipped: int) -> Call:
    """Read the arguments of a call.

    Args:
        call: The call.
        method: The method, as `POSITIONAL_PARAMETERS` knows it.
        place: Where the call stands.
        use: Likewise.
        skipped: How many of the first arguments are none of the method's.
    """
    if method in INLINE_METHODS:
        return Call(None, "", method, place, _direct(call))
    unclear = any(isinstance(each, ast.Starred) for each in call.args)
    spread = any(each.arg is None for each in call.keywords)
    args, kwargs = (argument(call, _at(method, name) + skipped, name) for name in ("args", "kwargs"))
    if unclear or (spread and args is None and kwargs is None):
        return Call(None, "", method, place, UNKNOWN)
    module = use.scope.module
    options = tuple((each.arg, Place(use.file, *module.place(each))) for each in call.keywords if each.arg is not None)
    options = tuple(each for each in options if each[0] not in {"args", "kwargs"})
    positional, more_positional = sequence(args)
    keywords, more_keywords = mapping(kwargs)
    given = CallArguments(
        positional, keywords, more_positional or (spread and args is None), more_keywords or (spread and kwargs is None)
    )
    wrong = wrong_container(args, kwargs) if method in STRICT_METHODS else None
    return Call(None, "", method, place, UNKNOWN if wrong else given, options=options, wrong_container=wrong)


def _at(method: str, name: str) -> int:
    return POSITIONAL_PARAMETERS[method].index(name)


def _direct(call: ast.Call) -> CallArguments:
    starred = any(isinstance(each, ast.Starred) for each in call.args)
    return CallArguments(
        sum(not isinstance(each, ast.Starred) for each in call.args),
        tuple(each.arg for each in call.keywords if each.arg is not None),
        starred,
        any(each.arg is None for each in call.keywords),
    )


def _is_immutable(call: ast.Call) -> bool:
    return any(
        each.arg == "immutable" and isinstance(each.value, ast.Constant) and each.value.value is True
        for each in call.keywords
    )


def _schedules(module: SourceModule) -> Iterator[Call]:
    """Yield the entries of a beat schedule: literal dicts with a task's name and a schedule."""
    if "schedule" not in module.text.text:
        return
    for node in ast.walk(module.tree):
        found, spread = items(node)
        name = found.get("task")
        if "schedule" not in found or not isinstance(name, ast.Constant) or not isinstance(name.value, str):
            continue
        positional, more_positional = sequence(found.get("args"))
        keywords, more_keywords = mapping(found.get("kwargs"))
        # `**` may add either of them.
        given = CallArguments(positional, keywords, more_positional or spread, more_keywords or spread)
        wrong = wrong_in_schedule(found.get("args"), found.get("kwargs"))
        place = Place(module.file, *module.place(name))
        yield Call(None, name.value, "schedule", place, UNKNOWN if wrong else given, wrong_container=wrong)
