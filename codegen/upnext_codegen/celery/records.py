"""The Celery tasks of a project, and the calls that have a worker run one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from upnext_codegen.names.scopes import BranchPath
    from upnext_codegen.records import Place

SHARED = "shared"
"""The app of a task that `shared_task` makes: every app of the process has it."""


class Formal(NamedTuple):
    """A parameter of a task.

    Attributes:
        name: Its name.
        kind: "positional" (positional-only), "any" or "keyword".
        required: Whether it has no default.
    """

    name: str
    kind: str
    required: bool


class TaskSignature(NamedTuple):
    """The parameters of a task, without the `self` of a bound one.

    Attributes:
        formals: Its parameters, in the order of the `def`.
        takes_args: Whether it has `*args`.
        takes_kwargs: Whether it has `**kwargs`.
    """

    formals: tuple[Formal, ...]
    takes_args: bool = False
    takes_kwargs: bool = False

    @property
    def positional(self) -> tuple[Formal, ...]:
        """The parameters that can be given by position."""
        return tuple(each for each in self.formals if each.kind != "keyword")

    @property
    def keywords(self) -> tuple[str, ...]:
        """The names of the parameters that can be given by name."""
        return tuple(each.name for each in self.formals if each.kind != "positional")

    def __str__(self) -> str:
        """Write it like a `def`, without types."""
        parts = [f"{each.name}{'' if each.required else '=...'}" for each in self.formals]
        behind = [number for number, each in enumerate(self.formals) if each.kind == "positional"]
        if behind:
            parts.insert(behind[-1] + 1, "/")
        by_name = [each.kind for each in self.formals].count("keyword")
        if self.takes_args or by_name:
            parts.insert(len(parts) - by_name, "*args" if self.takes_args else "*")
        return f"({', '.join([*parts, *(['**kwargs'] if self.takes_kwargs else [])])})"


class CeleryTask(NamedTuple):
    """What Celery runs: a function, or the `run` of a class.

    Attributes:
        function: The name that the function or the class has in its module.
        name: The name that it is registered by, None where that cannot be known.
        app: The file and line of the app that has it, `SHARED` for all of them, "" where that cannot be known.
        place: Where that name stands in its `def` or `class` line.
        branches: The branches around it.
        signature: What it takes, None where that cannot be known: a decorator may change it.
        written: What its `def` takes, which is what type checkers know of it.
        is_bound: Whether it is given itself as `self`.
        is_class: Whether it is a class.
    """

    function: str
    name: str | None
    app: str
    place: Place
    branches: BranchPath
    signature: TaskSignature | None
    written: TaskSignature
    is_bound: bool = False
    is_class: bool = False


class CallArguments(NamedTuple):
    """The arguments of a task in a call.

    Attributes:
        positional: How many stand there by position.
        keywords: The names of those that stand there by name.
        more_positional: Whether there may be more by position, as after `*args`.
        more_keywords: Whether there may be more by name, as after `**kwargs`.
    """

    positional: int = 0
    keywords: tuple[str, ...] = ()
    more_positional: bool = False
    more_keywords: bool = False


UNKNOWN = CallArguments(more_positional=True, more_keywords=True)
"""Arguments of which nothing is known."""


class WrongContainer(NamedTuple):
    """An invalid value for `args` or `kwargs`.

    Attributes:
        text: What a task "is called with" then.
        way_out: What to do about it.
    """

    text: str
    way_out: str


class Call(NamedTuple):
    """A call that has a worker run a task, or makes a signature of one.

    Attributes:
        task: The task, None where it is called by name.
        name: The name that it is called by, "" where the task itself is.
        method: "delay", "apply_async", "send_task" and the like.
        place: Where it stands.
        given: The arguments.
        is_partial: Whether others can be added to them later, as to a signature in a chain.
        options: The names of the options beside them.
        wrong_container: What Celery refuses of its `args` or `kwargs`, whatever they hold.
        results: How many of the arguments by position are results of tasks before it, which Celery adds in front.
    """

    task: CeleryTask | None
    name: str
    method: str
    place: Place
    given: CallArguments
    is_partial: bool = False
    options: tuple[tuple[str, Place], ...] = ()
    wrong_container: WrongContainer | None = None
    results: int = 0


class CeleryScan(NamedTuple):
    """Everything read about Celery.

    Attributes:
        tasks: The tasks, sorted by place.
        calls: The calls of tasks, sorted by place.
        wants_types: Whether the project names the module that `upnext celery gen` types.
        files_with_apps: How many files make an app.
        supposed: The names of what may be tasks: what a decorator makes that is called after them, and is not known.
            None among them is a name that is not known either.
        read: The files that were parsed.
        files: How many files were looked at.
    """

    tasks: tuple[CeleryTask, ...]
    calls: tuple[Call, ...]
    wants_types: bool
    files_with_apps: int
    supposed: frozenset[str | None]
    read: frozenset[str]
    files: int
