"""Renaming the function of a handler or task: its identity stays, and with it every job that is queued for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from upnext_codegen.errors import ConfigurationError
from upnext_codegen.graph.selection import module_of
from upnext_codegen.records import Place
from upnext_codegen.renames import references
from upnext_codegen.renames.edits import Edits, respelt, text_of
from upnext_codegen.renames.mentions import texts_in
from upnext_codegen.renames.plan import Rename, Sources, Undecided, near, unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext_codegen.records import Handler, Task

_WORD = re.compile(rb"[^\W\d]\w*")
_OPTION = "name"
_ATTACHING = frozenset({"on", "task", "cron"})


class _Function(NamedTuple):
    """A function with the handlers and tasks that are made of it."""

    name: str
    made: tuple[Handler | Task, ...]

    @property
    def dotted(self) -> str:
        return f"{self.made[0].module}.{self.name}"

    @property
    def place(self) -> Place:
        return self.made[0].place


def rename_handler(sources: Sources, old: str, new: str) -> Rename:
    """Work out what renaming the function of a handler or task changes; nothing is written.

    The function gets the new name wherever it is named. What it is called on the server stays, by `name=`: jobs that
    are queued, workers of the earlier release and results know no other. Renamed back, `name=` goes.

    Args:
        sources: The project.
        old: The function's name, or its dotted name.
        new: The name that it is to have.

    Raises:
        ConfigurationError: If there is no such function, or several, or the new name cannot be used.
    """
    function = _find(sources, old, new)
    files, half_read = _files(sources, function)
    blocked: list[Undecided] = []
    names = references.names_of(function.dotted, files)
    for module, file in files:
        if file.file == function.place.file:
            blocked += _define(file, function, new)
        renamed, is_bare = _rename_uses(file, module, names, function.name, new)
        if is_bare and (clash := references.meaning(file, new, renamed)):
            reason = f"{new!r} has a meaning in this file already: choose another name"
            blocked.append(Undecided(Place(file.file, *file.place_of(clash)), reason))
    changed = {file.file: (file.before, after) for _, file in files if (after := file.after) != file.before}
    reason = f"this text is {function.name!r}: if it means the function, change it by hand"
    undecided = [
        Undecided(Place(name, line, column), reason)
        for name, data in sources.holding(function.name)
        for line, column in texts_in(
            changed[name][1] if name in changed else data, function.name, but_in=(_OPTION,)
        ).places
    ]
    undecided += [each for _, file in files for each in _through_stars(file, function.name)]
    return Rename(changed, tuple(undecided), tuple(sorted(blocked)), tuple(half_read))


def _find(sources: Sources, old: str, new: str) -> _Function:
    if not new.isidentifier():
        raise ConfigurationError(f"{new!r} cannot name a function.")
    by_place: dict[Place, list[Handler | Task]] = {}
    attached: list[Handler | Task] = [*sources.scan.handlers, *sources.scan.tasks]
    for each in attached:
        by_place.setdefault(each.place, []).append(each)
    functions = [_Function(_name_at(sources, place), tuple(each)) for place, each in by_place.items()]
    found = [each for each in functions if old in (each.name, each.dotted)]
    if not found:
        named = [each for each in functions if any(made.name == old for made in each.made)]
        if named:
            raise ConfigurationError(
                f"{old!r} is what {named[0].dotted!r} is called on the server, which jobs and results know: "
                "that stays. Give the function's name to rename it."
            )
        hint = near(old, {each.name for each in functions}, "`upnext graph` lists all handlers and tasks.")
        raise ConfigurationError(f"No function of a handler or task is called {old!r}; {hint}")
    if len(found) > 1:
        names = " or ".join(repr(each.dotted) for each in found)
        raise ConfigurationError(f"Several functions of handlers or tasks are called {old!r}: say {names}.")
    if found[0].name == new:
        raise ConfigurationError(f"The function is called {new!r} already.")
    return found[0]


def _name_at(sources: Sources, place: Place) -> str:
    """Return the name that stands at a place, "" for what is no function of these sources."""
    try:
        line = (sources.root / place.file).read_bytes().splitlines()[place.line - 1].decode()
    except (OSError, IndexError, UnicodeError):
        return ""
    found = re.match(r"[^\W\d]\w*", line[place.column - 1 :])
    return found[0] if found else ""


def _files(sources: Sources, function: _Function) -> tuple[list[tuple[str, Edits]], list[Undecided]]:
    """Return the modules that hold the name, and what of them cannot be read."""
    found: list[tuple[str, Edits]] = []
    half_read: list[Undecided] = []
    for name, data in sources.holding(function.name):
        if function.name.encode() not in _WORD.findall(data):
            continue
        file = Edits.read(name, data)
        if file is None:
            half_read.append(unreadable(name, function.name))
        else:
            found.append((module_of(name, sources.roots), file))
    if all(file.file != function.place.file for _, file in found):
        raise ConfigurationError(f"{function.place.file} defines the function, and libcst cannot read its syntax.")
    return found, half_read


def _rename_uses(file: Edits, module: str, names: set[str], old: str, new: str) -> tuple[set[cst.CSTNode], bool]:
    """Rename what names the function in a file.

    Returns:
        The names that are renamed, and whether the function has its name in that file.
    """
    renamed: set[cst.CSTNode] = set()
    is_bare = f"{module}.{old}" in names
    for source, alias in references.imported(file, module):
        if alias.evaluated_name == old and f"{source}.{old}" in names:
            file.replace(alias.name, new)
            is_bare = is_bare or alias.asname is None
    for node, is_attribute in references.uses(file, module, names):
        file.replace(node, new)
        if not is_attribute:
            renamed.add(node)
    for text, before in references.texts(file, module, names):
        file.replace(text, respelt(text, f"{before}{new}"))
    return renamed, is_bare or bool(renamed)


def _define(file: Edits, function: _Function, new: str) -> list[Undecided]:
    """Rename the definition, and keep its identities; returns what stands in the way."""
    defined = file.function(function.place)
    if defined is None:
        return [Undecided(function.place, "this is no function that can be renamed: change it by hand")]
    file.replace(defined.name, new)
    decorators = [each.decorator for each in defined.decorators if _attaches(each.decorator)]
    if len(decorators) != len(function.made):
        if all(each.name != function.name for each in function.made):
            return []  # each is given its name where it is attached
        reason = f"it is attached elsewhere: give it name={function.name!r} there first"
        return [Undecided(function.place, reason)]
    for each in decorators:
        _keep_name(file, each, function.name, new)
    return []


def _attaches(decorator: cst.BaseExpression) -> bool:
    called = decorator.func if isinstance(decorator, cst.Call) else decorator
    return isinstance(called, cst.Attribute) and called.attr.value in _ATTACHING


def _keep_name(file: Edits, decorator: cst.BaseExpression, old: str, new: str) -> None:
    """Let `name=` say what the server knows it by, or leave it out where the function is called that."""
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
        # The comma tells it from a decorator that was not called.
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


def _through_stars(file: Edits, old: str) -> Sequence[Undecided]:
    """List the names that a file may have by `from ... import *`."""
    if not any(isinstance(node, cst.ImportStar) for node in file.nodes):
        return []
    left = [
        node
        for node, qualified in file.qualified_names.items()
        if isinstance(node, cst.Name) and node.value == old and not list(qualified)
    ]
    reason = f"this name may be {old!r} by `import *`: if it is, change it by hand"
    return [Undecided(Place(file.file, *file.place_of(node)), reason) for node in left]
