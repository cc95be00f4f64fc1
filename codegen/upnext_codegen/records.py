"""What a scan finds in the sources, before anything is merged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.contract import Upcast
from upnext_codegen.project import IMPORTS_LOCK
from upnext_codegen.types import ANY, ClassFacts, Type

if TYPE_CHECKING:
    from upnext_codegen.findings import Finding


class Place(NamedTuple):
    """A place in a source file.

    Attributes:
        file: Path relative to the project root, with `/` on every system.
        line: From 1.
        column: From 1, in characters.
    """

    file: str
    line: int
    column: int


def is_elsewhere(place: Place) -> bool:
    """Return whether a place is outside the sources: that of a handler of another project."""
    return place.file == IMPORTS_LOCK


def own_first(place: Place) -> tuple[bool, Place]:
    """Return a sort key for places: those in the sources first, then those of other projects."""
    return is_elsewhere(place), place


class Reached(NamedTuple):
    """A function that another one calls, directly or indirectly.

    Attributes:
        place: Where its name stands in its `def` line; only the file counts where that was not read for this.
        always: Whether every run of the first one gets there.
        name: Its dotted name where the file was not read, else "".
    """

    place: Place
    always: bool
    name: str = ""


class Parameter(NamedTuple):
    """A parameter of a handler that an event's field fills.

    Attributes:
        name: The field's name.
        type: What the annotation says, `ANY` without one.
        annotated: Whether there is an annotation.
        required: Whether the handler has no default for it.
        place: Where its name stands.
        formerly: The names that the field had before, under which a payload may still give it.
        is_filled: Whether a payload without the field is taken all the same, by `Annotated[int, Field(default=3)]`.
        is_converted: Whether code of the user makes its type of others, as `Annotated[str, BeforeValidator(str)]` does.
    """

    name: str
    type: Type
    annotated: bool
    required: bool
    place: Place
    formerly: tuple[str, ...] = ()
    is_filled: bool = False
    is_converted: bool = False


class Handler(NamedTuple):
    """A function attached to an event.

    Attributes:
        event: The event's name.
        worker: The name of the worker that the event was declared on.
        name: `name=` of the decorator, or the function's name.
        module: The module that defines the function.
        parameters: Its fields in the order of the signature; Context parameters are left out, `Unpack[TypedDict]`
            is expanded into its keys.
        extras: What `**kwargs` takes (`ANY` without an annotation), or None for a closed handler.
        extras_place: Where the name of `**kwargs` stands.
        place: Where the function's name stands in its `def` line.
        options: The options that are known statically, for the table of `upnext gen` ("retries", ...).
        arms: The branches that it depends on: file and line of each branching statement, and the number of the arm.
            Two handlers with one identity in different arms of one statement are one handler (`are_arms`).
        attached: The decorator or call that attaches it, None for the handler of another project.
        reached: The functions of the project that it certainly calls.
        unused: The fields that its body certainly makes no use of, "**" for those that `**kwargs` takes.
        returns: What the JSON of its results is read as, `ANY` where that cannot be said.
    """

    event: str
    worker: str
    name: str
    module: str
    parameters: tuple[Parameter, ...]
    extras: Type | None
    extras_place: Place | None
    place: Place
    options: tuple[tuple[str, float], ...] = ()
    arms: tuple[tuple[str, int, int], ...] = ()
    attached: Place | None = None
    reached: tuple[Reached, ...] = ()
    unused: tuple[str, ...] = ()
    returns: Type = ANY

    @property
    def identity(self) -> str:
        """Worker and name in one text, as `contract.Receiver` has it."""
        return f"{self.worker} {self.name}"

    @property
    def attached_in(self) -> str:
        """The file that attaches it, "" for a handler of another project."""
        return "" if self.attached is None else self.attached.file


def in_reading_order(handler: Handler) -> tuple[tuple[bool, Place], bool, Place]:
    """Return a sort key for handlers: by function, then by what attaches it, its own file first."""
    attached = handler.attached or handler.place
    return own_first(handler.place), attached.file != handler.place.file, attached


class Task(NamedTuple):
    """A function that `worker.task` decorates.

    Attributes:
        name: `name=` of the decorator, or the function's name.
        worker: The name of the worker, "" where it cannot be known.
        module: The module that defines the function.
        place: Where the function's name stands in its `def` line.
        reached: The functions of the project that it certainly calls.
        parameters: Its fields, as `Handler.parameters` has them. Type checkers know most of what is wrong.
        extras: What `**kwargs` takes, None if it takes no further fields.
        extras_place: Where the name of `**kwargs` stands.
    """

    name: str
    worker: str
    module: str
    place: Place
    reached: tuple[Reached, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    extras: Type | None = None
    extras_place: Place | None = None


class Declaration(NamedTuple):
    """One `worker.event(name)` call.

    Attributes:
        event: The event's name.
        worker: The worker's name.
        extra: "allow", "forbid" or None where `extra=` is not given.
        place: The call.
        formerly: The names that the event had before.
    """

    event: str
    worker: str
    extra: str | None
    place: Place
    formerly: tuple[str, ...] = ()


class Upcaster(NamedTuple):
    """A function passed to `event.upcast`.

    Attributes:
        event: The event's name.
        upcast: What it makes of what.
        place: Where its name stands in its `def` line.
    """

    event: str
    upcast: Upcast
    place: Place


IN_TRANSACTION = "within()"
"""Among the options of a send: it counts only once a transaction has been committed."""


class Send(NamedTuple):
    """A call that sends an event or submits a task, or that receives something that does.

    Attributes:
        kind: "event" or "task".
        names: The names of the event or task: none where it cannot be known, several where it is one of them.
        worker: The name of the worker that the event or task was declared on, "" where it cannot be known.
        method: "send", "submit_sync" and the like.
        place: The call.
        function: The dotted name of the function around it, "" outside of any.
        function_place: Where the name of that function stands in its `def` line, as `Handler.place` has it.
        fields: The names of the fields that it gives.
        unknown_fields: Whether it may give others, as `**fields` does.
        options: What `options(...)` is given before it, `IN_TRANSACTION` for `within(...)`, "*" for what is unknown.
        always: Whether every run of the function gets there.
        followed: Whether something that can fail follows it in the function.
        lost: What becomes of the coroutine that it makes, "" where that is awaited, or may be.
    """

    kind: str
    names: tuple[str, ...]
    worker: str
    method: str
    place: Place
    function: str
    function_place: Place | None
    fields: tuple[str, ...]
    unknown_fields: bool
    options: tuple[str, ...] = ()
    always: bool = False
    followed: bool = False
    lost: str = ""


class Resolved(NamedTuple):
    """One file's part of a scan, with everything it depends on besides the file itself.

    Attributes:
        declarations: All `worker.event(...)` calls in it whose names are known.
        handlers: What it attaches.
        sends: What it sends.
        tasks: The tasks that it makes.
        hidden: Events that it may have sent where that cannot be seen, "" for any, and, as the text of a `FilePart`,
            those that are declared or handled there.
        refused: Events a handler of which was refused.
        findings: What is wrong.
        workers: The names of the workers that it makes, "" if it does anything else with workers.
        classes: Facts of the classes that its fields mention, and of their bases.
        exports: The names by which other files can reach something of upnext, sorted.
        modules: What those of them lead to that stand for modules alone: the name, and a file, or a folder with a `/`.
        read: The files that were read for it, sorted.
        answers: The modules that were looked for, and what was found, as JSON: it is read only where modules changed.
        upcasters: The functions that it makes upcasters.
        fills: What it puts something of upnext into: files, and of each a name, as `exported_names` has it.
    """

    declarations: tuple[Declaration, ...]
    handlers: tuple[Handler, ...]
    sends: tuple[Send, ...]
    tasks: tuple[Task, ...]
    hidden: frozenset[str]
    refused: frozenset[str]
    findings: tuple[Finding, ...]
    workers: tuple[str, ...]
    classes: dict[str, ClassFacts]
    exports: tuple[str, ...]
    modules: tuple[tuple[str, str], ...]
    read: tuple[str, ...]
    answers: str
    upcasters: tuple[Upcaster, ...] = ()
    fills: tuple[tuple[str, str], ...] = ()

    @property
    def has_content(self) -> bool:
        """Whether it says anything about events, besides what it passes on to other files."""
        return any(
            (
                self.declarations,
                self.handlers,
                self.sends,
                self.tasks,
                self.hidden,
                self.refused,
                self.findings,
                self.workers,
                self.upcasters,
            )
        )

    @property
    def comes_without_event(self) -> bool:
        """Whether everything in it can be found without knowing an event, in a file that does not have to be read."""
        found = self.findings or self.hidden or self.workers or any(not each.names for each in self.sends)
        return bool(found) and not self.handlers


class FileModels(NamedTuple):
    """The models of one file, with everything they depend on besides the file itself.

    Attributes:
        asked: The classes of the file that somebody asked for, by "module:qualname".
        classes: Facts of those of them that there are, and of those of the file that they hold.
        read: The files that were read for it.
        answers: The modules that were looked for, and what was found, as JSON.
    """

    asked: frozenset[str]
    classes: dict[str, ClassFacts]
    read: tuple[str, ...]
    answers: str


@dataclass(frozen=True, slots=True)
class Scan:
    """Everything that was read from a project.

    Attributes:
        declarations: All `worker.event(...)` calls whose names are known, sorted by place.
        handlers: All handlers, sorted by place.
        refused: Events one of whose handlers was refused by a finding (UPN109 and the like): no UPN003 for them.
        workers: The names of all workers, if each is made by a statement of its own (`worker = upnext.Worker("name")`)
            at the top of a module and nothing says `Worker` otherwise, so that a type checker can tell them apart.
        classes: Facts of every class that a field mentions, and of all their bases, by "module:qualname".
        importable: For each import root, the modules that it (or an installed package) can import and that fields use.
        shared: What modules are imported as that fields use under another name, because several import roots have one
            of that name.
        files_scanned: How many files were looked at.
        files_parsed: How many of them had to be parsed for what they define; a look at the syntax alone does not count.
        ignores: For each file with `# upnext: ignore` comments, their lines and codes (None for all codes).
        state: A digest of all that this was read from, "" if files changed meanwhile.
        sends: All sends, sorted by place. They are not part of any generated file.
        tasks: All tasks, sorted by place; no part of any generated file either.
        hidden: Events that may be sent where that cannot be seen, as `Resolved.hidden`.
        imported: For each entry file in the settings the files that running it imports, None where that cannot be
            known.
        read: The files that were read for what they define, now or for the cache.
        generated: The files that upnext has generated, but for the lock of the project root.
        upcasters: All upcasters, sorted by place.
    """

    declarations: tuple[Declaration, ...]
    handlers: tuple[Handler, ...]
    refused: frozenset[str] = frozenset()
    workers: frozenset[str] = frozenset()
    classes: dict[str, ClassFacts] = field(default_factory=dict[str, ClassFacts])
    importable: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    shared: dict[str, str] = field(default_factory=dict[str, str])
    files_scanned: int = 0
    files_parsed: int = 0
    ignores: dict[str, dict[int, frozenset[str] | None]] = field(
        default_factory=dict[str, dict[int, frozenset[str] | None]]
    )
    state: str = ""
    sends: tuple[Send, ...] = ()
    tasks: tuple[Task, ...] = ()
    hidden: frozenset[str] = frozenset()
    imported: dict[str, frozenset[str] | None] = field(default_factory=dict[str, "frozenset[str] | None"])
    read: frozenset[str] = frozenset()
    generated: tuple[str, ...] = ()
    upcasters: tuple[Upcaster, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the sources use nothing of upnext."""
        found = (self.declarations, self.handlers, self.workers, self.tasks, self.sends, self.upcasters)
        return not any((*found, self.refused, self.hidden))

    @property
    def upcasts(self) -> dict[str, tuple[Upcast, ...]]:
        """The upcasters of each event, also under its former names."""
        found: dict[str, tuple[Upcast, ...]] = {}
        for each in self.upcasters:
            former = [name for one in self.declarations if one.event == each.event for name in one.formerly]
            for name in dict.fromkeys((each.event, *former)):
                found[name] = (*found.get(name, ()), each.upcast)
        return found

    @property
    def former_names(self) -> frozenset[str]:
        """The former names of events."""
        return frozenset(name for each in self.declarations for name in each.formerly)

    @property
    def received(self) -> tuple[Handler, ...]:
        """The handlers, those of a renamed event also under each former name, as in the runtime."""
        former: dict[tuple[str, str], dict[str, None]] = {}
        for each in self.declarations:
            if each.formerly:
                former.setdefault((each.worker, each.event), {}).update(dict.fromkeys(each.formerly))
        if not former:
            return self.handlers
        again = [
            handler._replace(event=name)
            for handler in self.handlers
            for name in former.get((handler.worker, handler.event), ())
        ]
        return (*self.handlers, *again)


def are_arms(first: Handler, second: Handler) -> bool:
    """Whether two handlers are in different branches of one if/else or try/except, so that only one of them exists."""
    arms = {(file, line): number for file, line, number in first.arms}
    return any(arms.get((file, line), number) != number for file, line, number in second.arms)
