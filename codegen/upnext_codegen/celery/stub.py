"""Writes `upnext_celery.pyi`: `apply_async` and `s` of tasks, with overloads for each shape of the project's tasks.

A shape is a protocol with a type variable for each parameter. Type checkers infer these from the decorated function,
so the file contains no type of the project, and does not change while only types change. All other methods are typed
by the function itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from upnext_codegen.celery.shapes import shapes_of
from upnext_codegen.files.generated import MARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from upnext_codegen.celery.records import CeleryTask, Formal
    from upnext_codegen.celery.shapes import Shape

_MOST_BY_POSITION = 6
"""Arguments in `args` up to which each number of them is typed together with the rest in `kwargs`."""

_HEAD = f"""\
{MARK} from the tasks of Celery. Do not edit: `upnext celery gen` writes this file again.
# fmt: off
# isort: skip_file
# flake8: noqa
# ruff: noqa: PGH004
# mypy: ignore-errors
# pyright: basic, reportOverlappingOverload=false, reportIncompatibleMethodOverride=false
# pyright: reportMissingModuleSource=false, reportMissingTypeStubs=false
# pyrefly: ignore-errors
# ty: ignore[missing-override-decorator, division-by-zero, unused-ignore-comment]
from collections.abc import Callable as _Callable
from typing import Any as _Any, Concatenate as _Concatenate, Generic as _Generic, Literal as _Literal
from typing import Never as _Never, NotRequired as _NotRequired, ParamSpec as _ParamSpec, Protocol as _Protocol
from typing import TypedDict as _TypedDict, TypeVar as _TypeVar, overload as _overload

from celery import Celery as _Celery, Task as _Task
from celery.canvas import Signature as _Signature
from celery.result import AsyncResult as _AsyncResult

_P = _ParamSpec("_P")
_R = _TypeVar("_R")
_R_co = _TypeVar("_R_co", covariant=True)
"""
_DECORATOR = """
class _Anything(_Protocol[_R_co]):
    def __call__(self, /, *args: _Any, upnext_no_task_takes_this: _Any) -> _R_co: ...

class _Decorator(_Protocol):
    @_overload
    def __call__(self, function: _Callable[_P, _R], /) -> Task[_P, _R]: ...
    @_overload
    def __call__(self, /, *, bind: _Literal[True], **options: _Any) -> _BoundDecorator: ...
    @_overload
    def __call__(self, /, *, bind: bool = ..., **options: _Any) -> _PlainDecorator: ...
    @_overload
    def __call__(self, /, **options: _Any) -> _OpenDecorator: ...

class _PlainDecorator(_Protocol):
    def __call__(self, function: _Callable[_P, _R], /) -> Task[_P, _R]: ...

class _BoundDecorator(_Protocol):
    def __call__(self, function: _Callable[_Concatenate[_Any, _P], _R], /) -> Task[_P, _R]: ...

class _OpenDecorator(_Protocol):
    def __call__(self, function: _Callable[..., _R], /) -> Task[..., _R]: ...

shared_task: _Decorator

class Celery(_Celery):
    @property
    def task(self) -> _Decorator: ...  # ty: ignore[incompatible-property-override]
"""
_TASK = """
class Task(_Task[_P, _R_co], _Generic[_P, _R_co]):
    def delay_on_commit(self, /, *args: _P.args, **kwargs: _P.kwargs) -> None: ...
    def apply_async_on_commit(self, args: _Any = ..., kwargs: _Any = ..., **options: _Any) -> None: ..."""


def render(tasks: Iterable[CeleryTask]) -> str:
    """Write the stub of a project's tasks; it depends on their parameters' names, order and defaults only."""
    forms = [_Forms(each) for each in shapes_of(tasks)]
    most = max((len(each.variables) for each in forms), default=0)
    lines = _HEAD.rstrip("\n").split("\n")
    for number in range(1, most + 1):
        lines += [f'_{number} = _TypeVar("_{number}")', f'_C{number} = _TypeVar("_C{number}", contravariant=True)']
    lines += _DECORATOR.rstrip("\n").split("\n")
    for each in forms:
        lines += ["", *each.protocol(), *each.dicts()]
    lines += _TASK.split("\n")
    lines += [*_method("apply_async", "_AsyncResult[_R]", [form for each in forms for form in each.apply_async()])]
    lines += [*_method("s", "_Signature[_R]", [each.partial() for each in forms])]
    return "\n".join([*lines, ""])


def _method(name: str, result: str, forms: Sequence[str]) -> Iterator[str]:
    every = ("self: _Anything[_R], *args: _Any, **kwargs: _Any", *forms)
    for form in every:
        if forms:
            yield "    @_overload"
        # Celery's own method accepts any container; ty reports the difference at the last overload.
        narrower = "  # ty: ignore[incompatible-method-override]" if name == "apply_async" and form is every[-1] else ""
        yield f"    def {name}({form}) -> {result}: ...{narrower}"


class _Forms:
    """Writes the file's part about one shape."""

    def __init__(self, shape: Shape) -> None:
        self.name = shape.name
        self.signature = shape.signature
        self.formals = shape.signature.formals
        self.numbers = {each.name: number for number, each in enumerate(self.formals, 1)}
        # Without known parameters any argument is accepted.
        self.is_open = shape.signature.takes_args or shape.signature.takes_kwargs or not shape.is_known
        self.variables = [*self.numbers.values()]
        self.receiver = f"self: {self.name}Task[{', '.join([*(f'_{each}' for each in self.variables), '_R'])}]"

    def protocol(self) -> Iterator[str]:
        """The call signature of a task of the shape."""
        variables = ", ".join([*(f"_C{each}" for each in self.variables), "_R_co"])
        yield f"class {self.name}Task(_Protocol[{variables}]):"
        yield f"    def __call__(self{self._parameters()}) -> _R_co: ..."

    def _parameters(self) -> str:
        parts = [
            f"{each.name}: _C{self.numbers[each.name]}{'' if each.required else ' = ...'}" for each in self.formals
        ]
        by_name = [each.kind for each in self.formals].count("keyword")
        # Never, and no type variable: mypy accepts any function for one with `*args: Any`.
        if self.signature.takes_args or by_name:
            parts.insert(len(parts) - by_name, "*args: _Never" if self.signature.takes_args else "*")
        only = [each.kind for each in self.formals].count("positional")
        parts.insert(only, "/")
        if self.signature.takes_kwargs:
            parts.append("**kwargs: _Never")
        return "".join(f", {each}" for each in parts)

    def partial(self) -> str:
        """The parameters of `s`, all of them optional: a chain adds arguments before the given ones."""
        if self.is_open:
            return f"{self.receiver}, *args: _Any, **kwargs: _Any"
        named = [f"{each.name}: _{self.numbers[each.name]} = ..." for each in self.formals if each.kind != "positional"]
        return ", ".join([self.receiver, "/", "*args: _Any", *named])

    def apply_async(self) -> Iterator[str]:
        """The parameters of `apply_async`, by the number of arguments in `args`."""
        if self.is_open:
            yield f"{self.receiver}, args: _Any = ..., kwargs: _Any = ..., **options: _Any"
            return
        for count in self._counts():
            for form in self._apply_async(count):
                yield f"{self.receiver}, {form}, **options: _Any"
        # The length of a list is unknown.
        given = f"{self.name}Some" if self._rest(0) else "dict[str, _Any]"
        yield f"{self.receiver}, args: list[_Any], kwargs: {given} | None = ..., **options: _Any"

    def _apply_async(self, count: int) -> Iterator[str]:
        rest = self._rest(count)
        items = ", ".join(f"_{self.numbers[each.name]}" for each in self.signature.positional[:count])
        args = f"tuple[{items or '()'}]"
        is_needed = any(each.required for each in rest)
        kwargs = f"{self._dict(count)}{'' if is_needed else ' | None = ...'}" if rest else "None = ..."
        if count:
            yield f"args: {args}, kwargs: {kwargs}"
            return
        yield f"args: {args} | None = ..., {'*, ' if is_needed else ''}kwargs: {kwargs}"
        if is_needed:
            yield f"args: {args} | None, kwargs: {kwargs}"

    def dicts(self) -> Iterator[str]:
        """The TypedDicts of `kwargs`.

        What may be left out of one is of any type there: pyright fills in no type variable that nothing is given for.
        """
        for count in [] if self.is_open else self._counts():
            rest = self._rest(count)
            if rest:
                yield f"class {self._dict(count, definition=True)}:"
            for each in rest:
                kind = f"_{self.numbers[each.name]}" if each.required else "_NotRequired[_Any]"
                yield f"    {each.name}: {kind}"
        if not self.is_open and self._rest(0):
            yield f"class {self.name}Some(_TypedDict, total=False):"
            yield from (f"    {each.name}: _Any" for each in self._rest(0))

    def _counts(self) -> list[int]:
        """The possible numbers of arguments in `args`."""
        placed = self.signature.positional
        counts = [*range(min(len(placed), _MOST_BY_POSITION) + 1)]
        counts += [len(placed)] if len(placed) > _MOST_BY_POSITION else []
        least = sum(each.kind == "positional" and each.required for each in placed)
        return [each for each in counts if each >= least]

    def _rest(self, count: int) -> tuple[Formal, ...]:
        """The possible contents of `kwargs` after that many arguments in `args`."""
        behind = (*self.signature.positional[count:], *(each for each in self.formals if each.kind == "keyword"))
        return tuple(each for each in behind if each.kind != "positional")

    def _dict(self, count: int, *, definition: bool = False) -> str:
        needed = ", ".join(f"_{self.numbers[each.name]}" for each in self._rest(count) if each.required)
        name = f"{self.name}After{count}"
        if definition:
            return f"{name}(_TypedDict{f', _Generic[{needed}]' if needed else ''})"
        return f"{name}[{needed}]" if needed else name
