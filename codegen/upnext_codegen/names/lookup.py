"""Resolves names to their definitions, through scopes, imports, star imports and re-exports."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from upnext_codegen.limits import MAX_NAME_MODULES
from upnext_codegen.names.modules import ExternalName, ModuleRef
from upnext_codegen.names.scopes import ANY_TIME, END, BranchPath, Definition, ModuleImport, NameImport, Use
from upnext_codegen.names.star_exports import STARS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from upnext_codegen.names.modules import RecordedModules
    from upnext_codegen.names.scopes import Scope, SourceModule

_BUILTINS = frozenset(dir(builtins))


class DynamicMember(NamedTuple):
    """A name that a module only has through its `__getattr__`."""

    file: str
    name: str


Source: TypeAlias = Definition | ModuleRef | ExternalName | DynamicMember
"""Where the way of a name ends."""


@dataclass(slots=True)
class Lookup:
    """Resolves names, and caches the results.

    Attributes:
        modules: The project's module names.
        load: Parses a file, None where it cannot be read.
    """

    modules: RecordedModules
    load: Callable[[str], SourceModule | None]
    _members: dict[tuple[str, str], tuple[Source, ...]] = field(
        default_factory=dict[tuple[str, str], "tuple[Source, ...]"]
    )
    _active: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    _empty: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    _star_names: dict[str, tuple[set[str], list[ModuleRef]]] = field(
        default_factory=dict[str, "tuple[set[str], list[ModuleRef]]"]
    )

    def name(self, use: Use, name: str, without: Definition | None = None) -> tuple[Source, ...]:
        """Find the definitions of a name at a place: several if branches bind it.

        Args:
            use: Where it is used.
            name: The name.
            without: A definition that does not count: in `str = str` the name on the right is not bound by that
                statement.
        """
        scope: Scope | None = use.scope
        own = True
        while scope is not None:
            if own or scope.kind != "class":
                found = self._in_scope(use if own else Use(scope), scope, name, without if own else None)
                if found is not None:
                    return found
            # A lambda or comprehension uses its own position in the scope around it.
            own = own and scope.kind == "inline"
            scope = scope.parent
        return (ExternalName(f"builtins.{name}"),) if name in _BUILTINS else ()

    def _in_scope(self, use: Use, scope: Scope, name: str, without: Definition | None) -> tuple[Source, ...] | None:
        definitions = scope.definitions.get(name, ())
        if without is not None:
            definitions = [each for each in definitions if each is not without]
        reached = reaching_definitions(definitions, use.line, use.branches) if definitions else ()
        if reached:
            return tuple(one for each in reached for one in self.follow(each))
        return self._starred(scope.module.file, name) if scope.kind == "module" else None

    def member(self, file: str, name: str) -> tuple[Source, ...]:
        """Find the definitions of a module's name."""
        key = (file, name)
        if key in self._members:
            return self._members[key]
        if key in self._active or key in self._empty or len(self._active) >= MAX_NAME_MODULES:
            return ()
        self._active.add(key)
        try:
            found = self._member(file, name)
        finally:
            self._active.discard(key)
        if not self._active:
            # Inside a cycle of imports an empty answer may only mean that the question is still open.
            self._members[key] = found
            self._empty.clear()
        elif not found:
            # Tried once per question all the same: among modules that all import one another there are as many ways
            # round as orders of them.
            self._empty.add(key)
        return found

    def _member(self, file: str, name: str) -> tuple[Source, ...]:
        module = self.load(file)
        definitions = module.scope.definitions if module else {}
        reached = reaching_definitions(definitions.get(name, ()), END, ())
        found = tuple(one for each in reached for one in self.follow(each))
        if found:
            return found
        starred = self._starred(file, name)
        if starred:
            return starred
        submodule = self.modules.submodule(ModuleRef(self.modules.name_of(file), file), name, file)
        if submodule:
            return (submodule,)
        return (DynamicMember(file, name),) if "__getattr__" in definitions else ()

    def _starred(self, file: str, name: str) -> tuple[Source, ...] | None:
        module = self.load(file)
        if module is None or not module.scope.stars or (not self._active and not self._may_be_starred(file, name)):
            return None
        for star in reversed(module.scope.stars):
            source = self.imported(file, star.level, star.module or "")
            if isinstance(source, ExternalName) and name in STARS.get(source.name, ()):
                return (ExternalName(f"{source.name}.{name}"),)
            if not isinstance(source, ModuleRef) or source.file is None:
                continue
            exported = self.exports(source.file)
            if name in exported if exported is not None else not name.startswith("_"):
                found = tuple(one for one in self.member(source.file, name) if not isinstance(one, DynamicMember))
                if found:
                    return found
        return None

    def _may_be_starred(self, file: str, name: str) -> bool:
        """Whether star imports of a file, and those that they lead to, can bring a name.

        Most names come from elsewhere, and the modules are gone through once for all of these, not for each.
        """
        if file not in self._star_names:
            self._star_names[file] = self._brought_to(file)
        names, packages = self._star_names[file]
        return name in names or any(self.modules.submodule(each, name, each.file or "") for each in packages)

    def _brought_to(self, file: str) -> tuple[set[str], list[ModuleRef]]:
        """The names in all modules that star imports of a file lead to, and which of them are packages."""
        names, packages = set[str](), list[ModuleRef]()
        waiting, seen = [file], {file}
        while waiting:
            current = waiting.pop()
            module = self.load(current)
            for star in module.scope.stars if module else ():
                source = self.imported(current, star.level, star.module or "")
                if isinstance(source, ExternalName):
                    names.update(STARS.get(source.name, ()))
                elif isinstance(source, ModuleRef) and source.file is not None and source.file not in seen:
                    seen.add(source.file)
                    waiting.append(source.file)
                    starred = self.load(source.file)
                    names.update(starred.scope.definitions if starred else ())
                    if source.file.endswith("__init__.py"):
                        packages.append(ModuleRef(self.modules.name_of(source.file), source.file))
        return names, packages

    def unseen_star(self, file: str) -> str:
        """An external module whose star import may bring any name into a file, "" if there is none."""
        waiting, seen = [file], set[str]()
        while waiting:
            current = waiting.pop()
            seen.add(current)
            module = self.load(current)
            for star in reversed(module.scope.stars) if module else ():
                source = self.imported(current, star.level, star.module or "")
                if isinstance(source, ExternalName) and source.name not in STARS:
                    return source.name
                if isinstance(source, ModuleRef) and source.file is not None and source.file not in seen:
                    waiting.insert(0, source.file)
        return ""

    def exports(self, file: str) -> frozenset[str] | None:
        """The names in a module's `__all__`, None without one or if unknown."""
        module = self.load(file)
        values = module.exports if module is not None else None
        if values is None:
            return None
        names: set[str] = set()
        for each in values:
            added = self._strings(file, each)
            if added is None:
                return None
            names |= added
        return frozenset(names)

    def _strings(self, file: str, expr: ast.expr) -> set[str] | None:
        match expr:
            case ast.Constant(str() as text):
                return {text}
            case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items):
                parts = [self._strings(file, item) for item in items]
            case ast.BinOp(left, ast.Add(), right):
                parts = [self._strings(file, left), self._strings(file, right)]
            case ast.Starred(value):
                parts = [self._strings(file, value)]
            case ast.Attribute(base, "__all__"):
                parts = [self._all_of(file, base)]
            case _:
                return None
        return None if None in parts else {name for part in parts for name in part or ()}

    def _all_of(self, file: str, base: ast.expr) -> set[str] | None:
        module = self.load(file)
        for found in self.path(Use(module.scope), base) if module else ():
            if isinstance(found, ModuleRef) and found.file is not None and found.file != file:
                names = self.exports(found.file)
                return None if names is None else set(names)
        return None

    def path(self, use: Use, expr: ast.expr) -> tuple[Source, ...]:
        """Resolve a dotted name, as long as it leads through modules."""
        match expr:
            case ast.Name(name):
                return self.name(use, name)
            case ast.Attribute(value, attr):
                return tuple(one for each in self.path(use, value) for one in self.attribute(each, attr, use.file))
            case _:
                return ()

    def attribute(self, owner: Source, attr: str, user: str) -> tuple[Source, ...]:
        """Find an attribute of a module."""
        match owner:
            case ExternalName(name):
                return (ExternalName(f"{name}.{attr}"),)
            case ModuleRef(_, None):
                found = self.modules.submodule(owner, attr, user)
                return (found,) if found else ()
            case ModuleRef(_, file) if file is not None:
                return self.member(file, attr)
            case _:
                return ()

    def follow(self, definition: Definition) -> tuple[Source, ...]:
        """Follow a definition through imports."""
        match definition.binding:
            case ModuleImport(module):
                found = self.modules.find(module, definition.file)
                return (found,) if found else ()
            case NameImport(level, module, name):
                return self._imported_name(definition.file, level, module, name)
            case _:
                return (definition,)

    def _imported_name(self, file: str, level: int, module: str, name: str) -> tuple[Source, ...]:
        source = self.imported(file, level, module)
        match source:
            case ExternalName(full):
                return (ExternalName(f"{full}.{name}"),)
            case ModuleRef(_, path) if path is not None and path != file:
                return self.member(path, name)
            case ModuleRef():
                # A package that imports from itself means its own submodule.
                found = self.modules.submodule(source, name, file)
                return (found,) if found else ()
            case _:
                return ()

    def imported(self, file: str, level: int, module: str) -> ModuleRef | ExternalName | None:
        """Find the module that a `from` names."""
        return self.modules.relative(level, module, file) if level else self.modules.find(module, file)


def reaching_definitions(definitions: Sequence[Definition], line: int, branches: BranchPath) -> list[Definition]:
    """Select the definitions that a use at a line inside some branches can see, in source order."""
    if len(definitions) == 1 and definitions[0].line < line and not definitions[0].branches:
        return [definitions[0]]
    found = _before(definitions, line - 1, branches)
    found = found or (_before(definitions, line, branches) if line != END else [])
    return [
        *found,
        *(each for each in definitions if each.branches and each.branches[-1][1] == ANY_TIME and each not in found),
    ]


def _before(definitions: Sequence[Definition], line: int, branches: BranchPath) -> list[Definition]:
    found: list[Definition] = []
    for each in reversed(definitions):
        if each.line > line or excludes(each.branches, branches):
            continue
        found.append(each)
        if branches[: len(each.branches)] == each.branches:
            break
    return found[::-1]


def excludes(first: BranchPath, second: BranchPath) -> bool:
    """Whether two statements are in different branches of one statement."""
    for one, other in zip(first, second, strict=False):
        if one != other:
            return one[0] == other[0]
    return False
