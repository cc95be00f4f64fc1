"""Names to where they are defined: through scopes, imports, star imports and re-exports."""

from __future__ import annotations

import builtins
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from upnext_codegen.names.modules import ModuleRef, Outside
from upnext_codegen.names.stars import STARS
from upnext_codegen.reading import facts
from upnext_codegen.reading.facts import ANY_TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from upnext_codegen.names.modules import Asked

_END = 1 << 60
_FARTHEST = 150
"""Modules that a name is followed through; behind that it is not known, before Python runs out of its stack."""
_BUILTINS = frozenset(dir(builtins))


class Spot(NamedTuple):
    """Where an expression stands: what its names mean depends on it."""

    file: str
    scope: int
    line: int = _END
    arms: facts.Arms = ()


class Bound(NamedTuple):
    """A name bound by something other than an import."""

    file: str
    scope: int
    binding: facts.Binding


Definition: TypeAlias = Bound | ModuleRef | Outside
"""Where the way of a name ends."""


@dataclass(slots=True)
class Lookup:
    """Looks names up, and keeps what it found.

    Attributes:
        modules: The project's module names.
        load: Reads the facts of a file, None where it cannot be read.
        whole: Reads them with the parameters of every function.
    """

    modules: Asked
    load: Callable[[str], facts.Facts | None]
    whole: Callable[[str], facts.Facts | None]
    _tables: dict[tuple[str, int], dict[str, list[facts.Binding]]] = field(
        default_factory=dict[tuple[str, int], dict[str, list[facts.Binding]]]
    )
    _members: dict[tuple[str, str], tuple[Definition, ...]] = field(
        default_factory=dict[tuple[str, str], tuple[Definition, ...]]
    )
    _active: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    def function(self, file: str, index: int) -> facts.Function | None:
        """A function with all that is known of it."""
        known = self.load(file)
        if known is not None and known.functions[index].brief:
            known = self.whole(file)
        return None if known is None else known.functions[index]

    def name(self, spot: Spot, name: str, without: facts.Binding | None = None) -> tuple[Definition, ...]:
        """Find what a name means at a spot: several definitions where branches bind it.

        Args:
            spot: Where it is used.
            name: The name.
            without: A binding that does not count: in `str = str` the name on the right is not bound by that statement.
        """
        known = self.load(spot.file)
        if known is None:
            return ()
        number = spot.scope
        while number >= 0:
            scope = known.scopes[number]
            own = number == spot.scope
            if own or scope.kind != "class":
                found = self._in_scope(spot, number, name, without if own else None)
                if found is not None:
                    return found
            number = scope.parent
        return (Outside(f"builtins.{name}"),) if name in _BUILTINS else ()

    def _in_scope(
        self, spot: Spot, number: int, name: str, without: facts.Binding | None
    ) -> tuple[Definition, ...] | None:
        bindings = [each for each in self.bindings(spot.file, number, name) if each is not without]
        line, arms = (spot.line, spot.arms) if number == spot.scope else (_END, ())
        reached = reaching(bindings, line, arms)
        if reached:
            return tuple(one for each in reached for one in self.follow(spot.file, number, each))
        return self._starred(spot.file, name) if number == 0 else None

    def bindings(self, file: str, scope: int, name: str) -> Sequence[facts.Binding]:
        """List the bindings of a name in one scope, in source order."""
        table = self._tables.get((file, scope))
        if table is None:
            table = dict[str, list[facts.Binding]]()
            known = self.load(file)
            for binding in known.scopes[scope].bindings if known else ():
                table.setdefault(binding.name, []).append(binding)
            self._tables[file, scope] = table
        return table.get(name, ())

    def member(self, file: str, name: str) -> tuple[Definition, ...]:
        """Find what a module has under a name."""
        key = (file, name)
        if key in self._members:
            return self._members[key]
        if key in self._active or len(self._active) >= _FARTHEST:
            return ()
        self._active.add(key)
        try:
            found = self._member(file, name)
        finally:
            self._active.discard(key)
        if not self._active:
            # Inside a cycle of imports an empty answer may only mean that the question is still open.
            self._members[key] = found
        return found

    def _member(self, file: str, name: str) -> tuple[Definition, ...]:
        reached = reaching(self.bindings(file, 0, name), _END, ())
        found = tuple(one for each in reached for one in self.follow(file, 0, each))
        if found:
            return found
        starred = self._starred(file, name)
        if starred:
            return starred
        submodule = self.modules.submodule(ModuleRef(self.modules.name_of(file), file), name, file)
        return (submodule,) if submodule else ()

    def is_dynamic(self, file: str) -> bool:
        """Whether a module makes up names as it is asked for them."""
        return bool(self.bindings(file, 0, "__getattr__"))

    def _starred(self, file: str, name: str) -> tuple[Definition, ...] | None:
        known = self.load(file)
        for star in reversed(known.scopes[0].stars) if known else ():
            source = self.imported(file, star.level, star.module)
            if isinstance(source, Outside) and name in STARS.get(source.name, ()):
                return (Outside(f"{source.name}.{name}"),)
            if not isinstance(source, ModuleRef) or source.file is None:
                continue
            exported = self.exports(source.file)
            if name in exported if exported is not None else not name.startswith("_"):
                found = self.member(source.file, name)
                if found:
                    return found
        return None

    def unseen_star(self, file: str) -> str:
        """A module outside the project whose star import may bring any name into a file, "" where there is none."""
        waiting, seen = [file], set[str]()
        while waiting:
            current = waiting.pop()
            seen.add(current)
            known = self.load(current)
            for star in reversed(known.scopes[0].stars) if known else ():
                source = self.imported(current, star.level, star.module)
                if isinstance(source, Outside) and source.name not in STARS:
                    return source.name
                if isinstance(source, ModuleRef) and source.file is not None and source.file not in seen:
                    waiting.insert(0, source.file)
        return ""

    def exports(self, file: str) -> frozenset[str] | None:
        """The names in a module's `__all__`, None without one or where it cannot be known."""
        known = self.load(file)
        if known is None or known.exports is None:
            return None
        names: set[str] = set()
        for expr in known.exports:
            added = self._strings(file, expr)
            if added is None:
                return None
            names |= added
        return frozenset(names)

    def _strings(self, file: str, expr: facts.Expr) -> set[str] | None:
        match expr:
            case facts.Const(str() as text):
                return {text}
            case facts.Display(_, items):
                parts = [self._strings(file, item) for item in items]
            case facts.Binary("+", left, right):
                parts = [self._strings(file, left), self._strings(file, right)]
            case facts.Starred(value):
                parts = [self._strings(file, value)]
            case facts.Attr(base, "__all__"):
                parts = [self._all_of(file, base)]
            case _:
                return None
        return None if None in parts else {name for part in parts for name in part or ()}

    def _all_of(self, file: str, base: facts.Expr) -> set[str] | None:
        for found in self.path(Spot(file, 0), base):
            if isinstance(found, ModuleRef) and found.file is not None and found.file != file:
                names = self.exports(found.file)
                return None if names is None else set(names)
        return None

    def path(self, spot: Spot, expr: facts.Expr) -> tuple[Definition, ...]:
        """Find what a dotted name means, as long as it leads through modules."""
        match expr:
            case facts.Name(name):
                return self.name(spot, name)
            case facts.Attr(value, attr):
                return tuple(one for each in self.path(spot, value) for one in self.attribute(each, attr, spot.file))
            case _:
                return ()

    def attribute(self, owner: Definition, attr: str, user: str) -> tuple[Definition, ...]:
        """Find an attribute of a module."""
        match owner:
            case Outside(name):
                return (Outside(f"{name}.{attr}"),)
            case ModuleRef(_, None):
                found = self.modules.submodule(owner, attr, user)
                return (found,) if found else ()
            case ModuleRef(_, file) if file is not None:
                return self.member(file, attr)
            case _:
                return ()

    def follow(self, file: str, scope: int, binding: facts.Binding) -> tuple[Definition, ...]:
        """Find what a binding binds its name to, through imports."""
        match binding.what:
            case facts.ImportModule(module):
                found = self.modules.find(module, file)
                return (found,) if found else ()
            case facts.ImportFrom(level, module, name):
                return self._imported_name(file, level, module, name)
            case _:
                return (Bound(file, scope, binding),)

    def _imported_name(self, file: str, level: int, module: str, name: str) -> tuple[Definition, ...]:
        source = self.imported(file, level, module)
        match source:
            case Outside(full):
                return (Outside(f"{full}.{name}"),)
            case ModuleRef(_, None):
                found = self.modules.submodule(source, name, file)
                return (found,) if found else ()
            case ModuleRef(_, path) if path is not None and path != file:
                return self.member(path, name)
            case ModuleRef():
                # A package that imports from itself means its own submodule.
                found = self.modules.submodule(source, name, file)
                return (found,) if found else ()
            case _:
                return ()

    def imported(self, file: str, level: int, module: str) -> ModuleRef | Outside | None:
        """Find the module that a `from` names."""
        return self.modules.relative(level, module, file) if level else self.modules.find(module, file)


def reaching(bindings: Sequence[facts.Binding], line: int, arms: facts.Arms) -> list[facts.Binding]:
    """Choose the bindings that a use at a line inside some arms can see, in source order."""
    found = _before(bindings, line - 1, arms)
    found = found or (_before(bindings, line, arms) if line != _END else [])
    return [*found, *(each for each in bindings if each.arms and each.arms[-1][1] == ANY_TIME and each not in found)]


def _before(bindings: Sequence[facts.Binding], line: int, arms: facts.Arms) -> list[facts.Binding]:
    found: list[facts.Binding] = []
    for binding in reversed(bindings):
        if binding.line > line or excludes(binding.arms, arms):
            continue
        found.append(binding)
        if arms[: len(binding.arms)] == binding.arms:
            break
    return found[::-1]


def excludes(first: facts.Arms, second: facts.Arms) -> bool:
    """Whether two statements stand in different arms of one branching statement."""
    for one, other in zip(first, second, strict=False):
        if one != other:
            return one[0] == other[0]
    return False
