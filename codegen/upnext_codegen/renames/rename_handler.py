"""Renames the function of a handler or task, whose identity and queued jobs stay the same."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from upnext_codegen.errors import ConfigurationError
from upnext_codegen.fixes.source import requoted
from upnext_codegen.graph.selection import module_of
from upnext_codegen.records import Handler, Place
from upnext_codegen.renames import references
from upnext_codegen.renames.edits import Edits, text_of
from upnext_codegen.renames.mentions import texts_in
from upnext_codegen.renames.plan import ProjectSources, Rename, Undecided, near, unreadable
from upnext_codegen.renames.unresolved import is_handed_on, unresolved

if TYPE_CHECKING:
    from upnext_codegen.records import Scan, Task

_WORD = re.compile(rb"[^\W\d]\w*")
_OPTION = "name"
_ATTACHING = frozenset({"on", "task", "cron"})
_SERVED = ("event", "events", "formerly", _OPTION)
"""What is given the names that things have on the server."""


class _Function(NamedTuple):
    """A function with the handlers and tasks made from it.

    Attributes:
        module: The module that it is in.
        qualname: Its name in there: "confirm", or "Mails.confirm" in a class.
        made: The handlers and tasks; of several definitions, as in the two arms of an `if`, those of each.
    """

    module: str
    qualname: str
    made: tuple[Handler | Task, ...]

    @property
    def name(self) -> str:
        return self.qualname.rpartition(".")[2]

    @property
    def dotted(self) -> str:
        return f"{self.module}.{self.qualname}"

    @property
    def places(self) -> list[Place]:
        return sorted({each.place for each in self.made})

    @property
    def file(self) -> str:
        return self.made[0].place.file


@dataclass(slots=True)
class _Files:
    """The files of a project, each read once.

    Attributes:
        sources: The project.
        words: The words of what is looked for, without which functions and classes are left out; None to read all.
    """

    sources: ProjectSources
    words: tuple[str, ...] | None = None
    _read: dict[str, Edits | None] = field(default_factory=dict[str, "Edits | None"])

    def read(self, path: str) -> Edits | None:
        """Return a file, None if it cannot be read to its end."""
        if path not in self._read:
            data = self.sources.read(path)
            self._read[path] = (
                Edits.read(path, data) if self.words is None else Edits.read_about(path, data, self.words)
            )
        return self._read[path]


def rename_handler(sources: ProjectSources, old: str, new: str) -> Rename:
    """Plan the rename of a handler's or task's function; nothing is written.

    The function gets the new name wherever it is named. What it is called on the server stays, by `name=`: jobs that
    are queued, workers of the earlier release and results know no other. Renamed back, `name=` goes.

    Args:
        sources: The project.
        old: The function's name, or its dotted name.
        new: The name that it is to have.

    Raises:
        ConfigurationError: If there is no such function, or several, or the new name cannot be used.
    """
    whole = _Files(sources)
    function = _find(whole, old, new)
    # Members of a class can be reached through any alias of it, anywhere.
    reader = whole if "." in function.qualname else _Files(sources, (function.name, new))
    files, half_read = _files(reader, function)
    blocked: list[Undecided] = []
    names = references.names_of(function.module, function.qualname, sources, reader.read, aliased=False)
    undecided: list[Undecided] = []
    served = _served(sources.scan)
    last = function.module.rpartition(".")[2]
    anywhere = is_handed_on({each.rpartition(".")[0] for each in names}, sources)
    for module, file in files:
        if file.file == function.file:
            blocked += [each for place in function.places for each in _define(file, whole, function, place, new)]
        renamed, is_bare = _rename_uses(file, module, names, function.name, new)
        bare = {node for node, is_attribute in renamed.items() if not is_attribute}
        if is_bare and (clash := references.meaning(file, new, bare)):
            reason = f"{new!r} has a meaning in this file already: choose another name"
            blocked.append(Undecided(Place(file.file, *file.place_of(clash)), reason))
        for literal, spelt in references.texts(file, module, names, new, but=served):
            file.replace(literal, requoted(literal, spelt).value)
        undecided += unresolved(file, function.qualname, last, renamed, anywhere=anywhere)
    changed = {file.file: (file.before, after) for _, file in files if (after := file.after) != file.before}
    for text, but_in in [(function.name, (_OPTION,)), *((name, _SERVED) for name in sorted(names & served))]:
        reason = f"this text is {text!r}: if it means the function, change it by hand"
        undecided += [
            Undecided(Place(name, line, column), reason)
            for name, data in sources.holding(text)
            for line, column in texts_in(changed[name][1] if name in changed else data, text, but_in=but_in).places
        ]
    return Rename(changed, tuple(undecided), tuple(sorted(blocked)), tuple(half_read))


def _served(scan: Scan) -> set[str]:
    """Return the names that things have on the server, which are not names of functions even if they are equal."""
    made: list[Handler | Task] = [*scan.handlers, *scan.tasks]
    events = {each.event for each in scan.declarations} | {each.event for each in scan.handlers}
    return events | set(scan.former_names) | {each.name for each in made} | scan.workers


def _find(files: _Files, old: str, new: str) -> _Function:
    if not new.isidentifier() or keyword.iskeyword(new):
        raise ConfigurationError(f"{new!r} cannot name a function.")
    scanned = files.sources.scan
    made: list[Handler | Task] = [*scanned.handlers, *scanned.tasks]
    attached = {each: _name_at(files.sources, each.place) for each in made}
    found: dict[str, list[Handler | Task]] = {}
    for each, name in attached.items():
        if name and name == old.rpartition(".")[2]:
            qualname = _qualname(files, each.place, name)
            if old in (name, qualname, f"{each.module}.{name}", f"{each.module}.{qualname}"):
                found.setdefault(qualname, []).append(each)
    functions = [
        _Function(module, qualname, tuple(each for each in alike if each.module == module))
        for qualname, alike in found.items()
        for module in dict.fromkeys(each.module for each in alike)
    ]
    if not functions:
        named = [(each, name) for each, name in attached.items() if each.name == old and name]
        if named:
            known = f"{named[0][0].module}.{named[0][1]}"
            raise ConfigurationError(
                f"{old!r} is what {known!r} is called on the server, which jobs and results know: "
                "that stays. Give the function's name to rename it."
            )
        hint = near(old, {name for name in attached.values() if name}, "`upnext graph` lists all handlers and tasks.")
        raise ConfigurationError(f"No function of a handler or task is called {old!r}; {hint}")
    if len(functions) > 1:
        names = " or ".join(repr(each.dotted) for each in functions)
        raise ConfigurationError(f"Several functions of handlers or tasks are called {old!r}: say {names}.")
    if functions[0].name == new:
        raise ConfigurationError(f"The function is called {new!r} already.")
    return functions[0]


def _name_at(sources: ProjectSources, place: Place) -> str:
    """Return the name at a place, "" if it is not a function of these sources."""
    try:
        line = sources.lines(place.file)[place.line - 1]
    except (ConfigurationError, IndexError):
        return ""
    found = re.match(r"[^\W\d]\w*", line[place.column - 1 :])
    return found[0] if found else ""


def _qualname(files: _Files, place: Place, name: str) -> str:
    """Return the name of a function in its module, with its class."""
    file = files.read(place.file)
    defined = None if file is None else file.function(place)
    return name if file is None or defined is None else file.qualname(defined)


def _files(reader: _Files, function: _Function) -> tuple[list[tuple[str, Edits]], list[Undecided]]:
    """Return the modules that contain the name, and those that cannot be read."""
    found: list[tuple[str, Edits]] = []
    half_read: list[Undecided] = []
    for name, data in reader.sources.holding(function.name):
        if function.name.encode() not in _WORD.findall(data):
            continue
        file = reader.read(name)
        if file is None:
            half_read.append(unreadable(name, function.name))
        else:
            found.append((module_of(name, reader.sources.roots), file))
    if all(file.file != function.file for _, file in found):
        raise ConfigurationError(f"{function.file} defines the function, and libcst cannot read its syntax.")
    return found, half_read


def _rename_uses(file: Edits, module: str, names: set[str], old: str, new: str) -> tuple[dict[cst.Name, bool], bool]:
    """Rename references to the function in the code of a file.

    Returns:
        The names that are renamed, each with whether it is an attribute, and whether the function has its name in that
        file.
    """
    renamed: dict[cst.Name, bool] = {}
    is_bare = f"{module}.{old}" in names
    for source, alias in references.imported(file, module):
        if alias.evaluated_name == old and f"{source}.{old}" in names:
            file.replace(alias.name, new)
            # `import confirm as confirm` gives the function its own name: the uses are renamed, and so is that.
            keeps_name = (alias.evaluated_alias or old) == old
            if alias.asname is not None and keeps_name:
                file.replace(alias.asname.name, new)
            is_bare = is_bare or keeps_name
    for node, is_attribute in references.uses(file, module, names):
        file.replace(node, new)
        renamed[node] = is_attribute
        is_bare = is_bare or not is_attribute
    if is_bare:
        for node in references.declared_global(file, old):
            file.replace(node, new)
    return renamed, is_bare


def _define(file: Edits, whole: _Files, function: _Function, place: Place, new: str) -> list[Undecided]:
    """Rename a definition, keeping its identities; returns what prevents that."""
    defined = file.function(place)
    if defined is None:
        return [Undecided(place, "this is not a function that can be renamed: change it by hand")]
    file.replace(defined.name, new)
    made = [each for each in function.made if each.place == place]
    decorators = [each.decorator for each in defined.decorators if _attaches(each.decorator)]
    called = [each for each in made if isinstance(each, Handler) and _is_named_where_called(whole, each)]
    if len(decorators) + len(called) != len(made):
        if all(each.name != function.name for each in made):
            return []  # each gets its name where it is attached
        reason = f"it is attached elsewhere: give it name={function.name!r} there first"
        return [Undecided(place, reason)]
    for each in decorators:
        _keep_name(file, each, function.name, new)
    return [
        Undecided(Place(file.file, *file.place_of(each)), f"its class has a {new!r} already: choose another name")
        for each in references.siblings(file, defined, new)
    ]


def _is_named_where_called(reader: _Files, handler: Handler) -> bool:
    """Whether a call attaches a handler under an explicit name: `placed.on(name="confirm")(confirm)`."""
    file = None if handler.attached is None else reader.read(handler.attached.file)
    calls = [] if file is None or handler.attached is None else file.calls_at(handler.attached)
    names = [each for call in calls for each in call.args if each.keyword is not None and each.keyword.value == _OPTION]
    is_called = any(isinstance(call.func, cst.Call) for call in calls)
    return is_called and any(text_of(each.value) == handler.name for each in names)


def _attaches(decorator: cst.BaseExpression) -> bool:
    called = decorator.func if isinstance(decorator, cst.Call) else decorator
    return isinstance(called, cst.Attribute) and called.attr.value in _ATTACHING


def _keep_name(file: Edits, decorator: cst.BaseExpression, old: str, new: str) -> None:
    """Set `name=` to the server's name, or remove it if the function has that name."""
    _, end = file.span(decorator)
    if not isinstance(decorator, cst.Call):
        file.put(end, end, f'({_OPTION}="{old}")')
        return
    given = next((each for each in decorator.args if each.keyword and each.keyword.value == _OPTION), None)
    if given is None:
        _add_name(file, decorator, end, old)
    elif text_of(given.value) == new:
        _drop_name(file, decorator, given)


def _add_name(file: Edits, decorator: cst.Call, end: int, old: str) -> None:
    if decorator.args:
        _, last = file.span(decorator.args[-1])
        file.put(last, last, f', {_OPTION}="{old}"')
    else:
        # The comma distinguishes it from a decorator that was not called.
        file.put(end - 1, end - 1, f'{_OPTION}="{old}",')


def _drop_name(file: Edits, decorator: cst.Call, given: cst.Arg) -> None:
    place = decorator.args.index(given)
    start, end = file.span(given)
    if place > 0:
        _, start = file.span(decorator.args[place - 1])
    elif len(decorator.args) > 1:
        end, _ = file.span(decorator.args[1])
    elif isinstance(given.comma, cst.Comma):
        _, end = file.span(decorator)
        end -= 1
    else:
        _, start = file.span(decorator.func)
        _, end = file.span(decorator)
    file.put(start, end, "")
