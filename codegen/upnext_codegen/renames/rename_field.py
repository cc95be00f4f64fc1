"""Renames a field of an event: its parameters, their uses, and the arguments of sends."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst

from upnext_codegen.errors import ConfigurationError
from upnext_codegen.graph.selection import module_of
from upnext_codegen.records import Place, is_elsewhere
from upnext_codegen.renames.edits import Edits
from upnext_codegen.renames.former_field import FormerNames
from upnext_codegen.renames.mentions import texts_in
from upnext_codegen.renames.parameters import body_of, keys_in, naming_options, other_uses, parameter, respell
from upnext_codegen.renames.plan import ProjectSources, Rename, Undecided, near, unreadable
from upnext_codegen.renames.sends import calls_of, names_for
from upnext_codegen.renames.typed_dict import TypedDictClass, typed_dict_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.records import Handler, Send, Task

_BY_HAND = "change it by hand first"


def rename_field(sources: ProjectSources, event: str, old: str, new: str) -> Rename:
    """Plan the rename of an event's field; nothing is written.

    Each handler that names the field takes it under the new name, also in its body, and under the old one by
    `Formerly`, so that jobs and senders of an earlier release go on; if the new name is the latest former one, the
    rename is taken back instead. Sends, and calls of the handlers, give the new name.

    Args:
        sources: The project.
        event: The event's name.
        old: The name that the field has.
        new: The name that it is to have.

    Raises:
        ConfigurationError: If there is no such field, the new name cannot be used or is taken, or a file that has to be
            changed cannot be read.
    """
    work = _Work(sources, event, old, new)
    handlers = [each for each in sources.scan.handlers if each.event == event]
    work.check(handlers)
    for handler in {each.place: each for each in handlers}.values():
        work.handler(handler)
    for handler in handlers:
        work.options(handler)
    for send in sources.scan.sends:
        if send.kind == "event" and work.names & set(send.names):
            work.send(send)
    work.calls(handlers)
    return work.result()


@dataclass(slots=True)
class _Work:
    """A rename in progress."""

    sources: ProjectSources
    event: str
    old: str
    new: str
    files: dict[str, Edits] = field(default_factory=dict[str, Edits])
    former: dict[str, FormerNames] = field(default_factory=dict[str, FormerNames])
    undecided: list[Undecided] = field(default_factory=list[Undecided])
    blocked: list[Undecided] = field(default_factory=list[Undecided])
    half_read: list[Undecided] = field(default_factory=list[Undecided])
    searched_files: set[str] = field(default_factory=set[str])
    taken_back: bool = False
    askers: set[Place] = field(default_factory=set[Place])

    @property
    def names(self) -> frozenset[str]:
        """The current and former names of the event."""
        return self.sources.names_of(self.event)

    def check(self, handlers: list[Handler]) -> None:
        """Raise ConfigurationError for invalid names."""
        events = {each.event for each in self.sources.scan.handlers}
        if not handlers:
            hint = near(self.event, events, "`upnext graph` lists all events.")
            raise ConfigurationError(f"No event with handlers is called {self.event!r}; {hint}")
        fields = {each.name for handler in handlers for each in handler.parameters}
        if self.old not in fields:
            hint = near(self.old, fields, "`upnext gen` shows its fields.")
            raise ConfigurationError(f"No handler of {self.event!r} names a field {self.old!r}; {hint}")
        if not self.new.isidentifier() or keyword.iskeyword(self.new):
            raise ConfigurationError(f"{self.new!r} cannot name a field of a handler.")
        if self.new == self.old:
            raise ConfigurationError(f"The field is called {self.new!r} already.")
        former = {name for handler in handlers for each in handler.parameters for name in each.formerly}
        own = {
            name
            for handler in handlers
            for each in handler.parameters
            if each.name == self.old
            for name in each.formerly
        }
        if self.new in fields or self.new in former - own:
            raise ConfigurationError(f"{self.event!r} has a field {self.new!r} already: choose another name.")

    def handler(self, handler: Handler) -> None:
        """Change a handler if it names the field."""
        named = next((each for each in handler.parameters if each.name == self.old), None)
        if is_elsewhere(handler.place):
            if named is not None:
                self._block(
                    handler.place, f"handler {handler.name!r} of another project names {self.old!r}: rename it there"
                )
            return
        self.searched_files.add(handler.place.file)
        if named is None:
            file = self._readable(handler.place.file)
            function = None if file is None else file.function(handler.place)
            if file is not None and function is not None:
                self._further_fields(file, function)
            return
        others = sorted(
            {each.event for each in self.sources.scan.handlers if each.place == handler.place} - {self.event}
        )
        if others:
            self._block(handler.place, f"this function handles {others[0]!r} as well: give each event its own first")
            return
        file = self._file(handler.place.file)
        function = file.function(handler.place)
        if function is None:
            self._block(handler.place, f"this is not a function that can be changed: {_BY_HAND}")
            return
        param = parameter(function, self.old)
        if param is None:
            self._key(file, function, handler, former=named.formerly)
        elif named.place != Place(file.file, *file.place_of(param.name)):
            self._block(named.place, f"a decorator of {handler.name!r} names {self.old!r} here: {_BY_HAND}")
        else:
            self._parameter(file, function, param, former=named.formerly)

    def options(self, handler: Handler) -> None:
        """Change the options of a handler that name the field, in its decorators and the attaching call."""
        if any(each.name == self.old for each in handler.parameters):
            for place in (handler.place, handler.attached):
                file = None if place is None or is_elsewhere(place) else self._readable(place.file)
                if file is not None and place is not None:
                    for text in naming_options(file.function(place), file.calls_at(place), self.old):
                        respell(file, text, self.new)

    def _parameter(self, file: Edits, function: cst.FunctionDef, param: cst.Param, *, former: tuple[str, ...]) -> None:
        place = Place(file.file, *file.place_of(param.name))
        if param.annotation is None:
            self._block(place, f"{self.old!r} has no annotation, which is to name {self.old!r}: annotate it first")
            return
        body = body_of(file, function, self.old, self.new)
        self.undecided += body.undecided
        self.blocked += body.blocked
        for node in (param.name, *body.names):
            file.replace(node, self.new)
        self._note(file, param.annotation, place, former=former)

    def _key(self, file: Edits, function: cst.FunctionDef, handler: Handler, *, former: tuple[str, ...]) -> None:
        """Change the key of a TypedDict in `**fields: Unpack[...]`."""
        further = function.params.star_kwarg
        found = None if further is None else typed_dict_of(self.sources, self._readable, file, further)
        key = None if found is None else found.key(self.old)
        if further is None or found is None or key is None or not isinstance(key.target, cst.Name):
            self._block(handler.place, f"the TypedDict that has {self.old!r} cannot be found: {_BY_HAND}")
            return
        for sharing in self._sharing(found):
            self._block(sharing, f"this takes {self.old!r} from {found.name} as well: give each its own first")
        found.file.replace(key.target, self.new)
        for text in keys_in(function, further.name.value, self.old):
            respell(file, text, self.new)
        self._further_fields(file, function)
        place = Place(found.file.file, *found.file.place_of(key.target))
        self._note(found.file, key.annotation, place, former=former)
        self.askers.add(Place(file.file, *file.place_of(found.asker)))
        reason = f"this may be a {found.name}, whose key {self.old!r} is renamed: see whether it has it"
        for path, _ in self.sources.holding(found.name):
            other = self._readable(path)
            if other is None:
                self.half_read.append(unreadable(path, found.name))
            else:
                self.undecided += [Undecided(each, reason) for each in found.other_uses(other, self.sources.roots)]

    def _further_fields(self, file: Edits, function: cst.FunctionDef) -> None:
        """List what a function does with a `**` parameter that receives the field, if that may depend on its name."""
        further = function.params.star_kwarg
        if further is not None:
            reason = f"{further.name.value!r} has {self.new!r} in place of {self.old!r} then: see what this does"
            for name in other_uses(function, further.name.value):
                self.undecided.append(Undecided(Place(file.file, *file.place_of(name)), reason))

    def _sharing(self, found: TypedDictClass) -> Iterator[Place]:
        """Yield the handlers of other events, and the tasks, that take the fields of a TypedDict."""
        scan = self.sources.scan
        own = {each.place for each in scan.handlers if each.event == self.event}
        others: list[Handler | Task] = [*scan.handlers, *scan.tasks]
        for place in sorted({each.place for each in others if not is_elsewhere(each.place)} - own):
            file = self._readable(place.file)
            function = None if file is None else file.function(place)
            further = None if function is None else function.params.star_kwarg
            if file is not None and further is not None:
                other = typed_dict_of(self.sources, self._readable, file, further)
                if other is not None and other.node is found.node:
                    yield place

    def _note(self, file: Edits, written: cst.Annotation, place: Place, *, former: tuple[str, ...]) -> None:
        self.taken_back = self.taken_back or former[:1] == (self.new,)
        names = self.former.setdefault(file.file, FormerNames(file))
        if not names.change(written, self.old, self.new, former=former):
            self._block(place, f"{self.new!r} is a former name, and not written out here: {_BY_HAND}")

    def send(self, send: Send) -> None:
        """Change the arguments of a send."""
        self.searched_files.add(send.place.file)
        if not set(send.names) <= self.names:
            if self.old in send.fields:
                self._block(send.place, f"this may send another event as well: {_BY_HAND}")
            return
        if send.unknown_fields:
            self.undecided.append(
                Undecided(send.place, f"this gives fields that cannot be seen here: {self.old!r} too?")
            )
        if self.old not in send.fields:
            return
        file = self._file(send.place.file)
        given = [
            (call, each.keyword)
            for call in file.calls_at(send.place)
            for each in call.args
            if each.keyword is not None and each.keyword.value == self.old
        ]
        if len(given) != 1:
            self._block(send.place, f"what this gives as {self.old!r} is not written here: {_BY_HAND}")
            return
        self._give(file, *given[0])

    def _give(self, file: Edits, call: cst.Call, keyword: cst.Name) -> None:
        """Make a call pass the field under its new name."""
        file.replace(keyword, self.new)
        if any(each.keyword is not None and each.keyword.value == self.new for each in call.args):
            place = Place(file.file, *file.place_of(keyword))
            self._block(place, f"this gives a {self.new!r} as well: choose another name")

    def calls(self, handlers: list[Handler]) -> None:
        """Change the arguments of calls of the handlers, and of sends in tests, which a scan leaves out."""
        names = names_for(self.sources, self.names, handlers, self._readable)
        last = sorted({name.rpartition(".")[2] for name in (*names.functions, *names.events)})
        words = re.compile(
            rb"(?<!\w)(?:%s)(?!\w)" % b"|".join(re.escape(name.encode()) for name in (*last, *names.keys))
        )
        for path, data in self.sources.holding(self.old):
            if words.search(data) is None:
                continue
            self.searched_files.add(path)
            file = self._readable(path)
            if file is None:
                self.half_read.append(unreadable(path, self.old))
                continue
            sends = [each for each in self.sources.scan.sends if each.place.file == path]
            known = {each.place[1:] for each in sends if each.names}
            for given in calls_of(file, module_of(path, self.sources.roots), names, self.old, known):
                if given.is_certain:
                    self._give(file, given.call, given.keyword)
                else:
                    reason = f"this gives {self.old!r}: if it is for {self.event!r}, change it by hand"
                    place = Place(path, *file.place_of(given.keyword))
                    self.undecided.append(Undecided(place, reason))

    def result(self) -> Rename:
        """Return the changes, with the texts equal to the old name, in files that involve the event."""
        changed: dict[str, tuple[bytes, bytes]] = {}
        for path, file in self.files.items():
            after = self.former[path].after() if path in self.former else file.after
            if after != file.before:
                changed[path] = file.before, after
        reason = f"this text is {self.old!r}: if it means the field, change it by hand"
        undecided = {self._after(each) for each in self.undecided if each.place not in self.askers}
        for path in self.searched_files:
            data = changed[path][1] if path in changed else self.sources.read(path)
            places = texts_in(data, self.old, but_in=("Formerly",)).places
            undecided |= {Undecided(Place(path, *place), reason) for place in places}
        blocked = tuple(sorted(self.blocked))
        return Rename(changed, tuple(sorted(undecided)), blocked, tuple(self.half_read), self.taken_back)

    def _after(self, each: Undecided) -> Undecided:
        """Return the place of something in its file after the changes."""
        file = self.files.get(each.place.file)
        return each if file is None else each._replace(place=Place(file.file, *file.place_after(*each.place[1:])))

    def _readable(self, path: str) -> Edits | None:
        """Return a file, None if its syntax cannot be read."""
        if path not in self.files:
            file = Edits.read(path, self.sources.read(path))
            if file is None:
                return None
            self.files[path] = file
        return self.files[path]

    def _file(self, path: str) -> Edits:
        """Return a file that has to be changed."""
        file = self._readable(path)
        if file is None:
            raise ConfigurationError(f"{path} has to be changed, and libcst cannot read its syntax.")
        return file

    def _block(self, place: Place, reason: str) -> None:
        self.blocked.append(Undecided(place, reason))
