"""Importable names of a file that stand for something of upnext.

They are selected from the names that qualify by syntax (`tainted_names`): events, workers, handlers, tasks, functions
that attach or send, and whatever contains, creates or returns one of these.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

from upnext_codegen.names import values
from upnext_codegen.names.computed_imports import finding_names, importing_names, running_names
from upnext_codegen.names.evaluator import class_node, plain_arguments
from upnext_codegen.names.exported_names import (
    ALL_NAMES,
    ANY_NAME,
    ANYTHING,
    FILLED,
    MODULES,
    NOT,
    answer,
    name_of,
    own_names,
)
from upnext_codegen.names.made_up_names import MadeUp, made_up
from upnext_codegen.names.modules import UPNEXT, ExternalName, ModuleRef
from upnext_codegen.names.name_set import Interest, Names, holds, lines_of, mentions
from upnext_codegen.names.scopes import (
    Assignment,
    ClassDefinition,
    Definition,
    Derived,
    Element,
    FunctionDefinition,
    FunctionNode,
    Inside,
    ModuleImport,
    NameImport,
    Part,
    Rest,
    Scope,
    SourceModule,
    Use,
    are_own_names,
    is_own_module,
)
from upnext_codegen.names.tainted_names import (
    around_methods,
    assigned_through,
    fed_names,
    is_tainted,
    root_name,
    with_own,
)
from upnext_codegen.names.upnext_classes import is_worker_class
from upnext_codegen.reading.string_annotations import unquoted

if TYPE_CHECKING:
    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.lookup import Source

Consulted: TypeAlias = "dict[tuple[str, str], bool | frozenset[str]]"
"""Questions about the exports of files, or of a folder, whose name ends with `/`, and their answers."""
_ATTACHING = re.compile(r"\.\s*on\b")
_Known: TypeAlias = dict[tuple[Scope, str], Names]
_METHODS = "methods"
_PLAIN = ast.JoinedStr | ast.Compare | ast.UnaryOp
"""Expressions whose value is text, a number or a truth."""
_UPNEXT_VALUES = (
    values.WorkerValue
    | values.EventValue
    | values.EventTable
    | values.TaskValue
    | values.HandlerValue
    | values.Method
    | values.Attachment
    | values.TaskDecorator
    | values.Sender
    | values.PartialSend
)


class Carried(NamedTuple):
    """What a value is, contains, creates or returns.

    Attributes:
        ours: Whether something of upnext is among it.
        modules: The modules among it that lead to something of upnext.
    """

    is_upnext: bool = False
    modules: frozenset[ModuleRef] = frozenset()

    def __or__(self, other: Carried) -> Carried:
        return Carried(self.is_upnext or other.is_upnext, self.modules | other.modules)


_UPNEXT_ITSELF = Carried(is_upnext=True)


class Exported(NamedTuple):
    """What a file exports.

    Attributes:
        names: The names, with the marks of `exported_names`.
        modules: For the names that lead to modules alone, and for `ANYTHING` if that does, the files and folders.
    """

    names: frozenset[str] = frozenset()
    modules: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Exports:
    """Determines what files export.

    Attributes:
        evaluator: Works out values.
        known: What other files export, as far as that is known: what is not known yet counts as nothing.
        holds_exports: Whether a file in a folder may export anything; the folder ends with `/`.
        filled_by_others: What others put something of upnext into, of a file, as `exported_names` has it.
        everything: Whether to look at all names of all files, which changes nothing but the time it takes.
        consulted: What was asked about the exports of other files, as `answer` has it, with the answers.
    """

    evaluator: Evaluator
    known: Callable[[str], frozenset[str]]
    holds_exports: Callable[[str], bool]
    filled_by_others: Callable[[str], frozenset[str]] = lambda _: frozenset()
    everything: bool = False
    consulted: Consulted = field(default_factory=dict[tuple[str, str], "bool | frozenset[str]"])
    _interests: dict[str, Interest] = field(default_factory=dict[str, Interest])
    _names: _Known = field(default_factory=dict[tuple[Scope, str], Names])
    _evident: _Known = field(default_factory=dict[tuple[Scope, str], Names])
    _leading: dict[tuple[ModuleRef, str], bool] = field(default_factory=dict[tuple[ModuleRef, str], bool])
    _stars: dict[str, dict[str, ModuleRef | ExternalName]] = field(
        default_factory=dict[str, "dict[str, ModuleRef | ExternalName]"]
    )
    _empty: set[values.Value] = field(default_factory=set["values.Value"])

    def __post_init__(self) -> None:
        self.evaluator.may_be_upnext, self.evaluator.filled = self.may_be_upnext, self.filled

    def release(self) -> None:
        """Break the reference cycle with the evaluator, since the cyclic collector is off."""
        del self.evaluator.may_be_upnext, self.evaluator.filled
        for each in (self._interests, self._names, self._evident):
            each.clear()

    def may_be_upnext(self, scope: Scope, expr: ast.expr | ast.stmt) -> bool:
        """A cheap syntactic filter: can this expression of a scope evaluate to an upnext object?"""
        return self.everything or mentions(expr, self.names_in(scope))

    def names_in(self, scope: Scope) -> Names:
        """The names that can stand for something of upnext in a scope."""
        return self._names_in(scope, self.interest(scope.module).names, self._names)

    def _evident_in(self, scope: Scope) -> Names:
        """The same without those from a module with a computed name."""
        evident = self.interest(scope.module).evident
        return self.names_in(scope) if evident is None else self._names_in(scope, evident, self._evident)

    def _names_in(self, scope: Scope, of_module: Names, known: _Known) -> Names:
        if scope.kind == "module" or scope.parent is None:
            return of_module
        found = known.get((scope, ""))
        if found is None:
            found = known[scope, ""] = with_own(scope, self._names_around(scope, scope.parent, of_module, known))
        return found

    def _names_around(self, scope: Scope, parent: Scope, of_module: Names, known: _Known) -> Names:
        if parent.kind != "class" or parent.parent is None or scope.kind == "inline":
            return self._names_in(parent, of_module, known)
        found = known.get((parent, _METHODS))
        if found is None:
            around = self._names_around(parent, parent.parent, of_module, known)
            found = known[parent, _METHODS] = around_methods(parent, around)
        return found

    def of(self, file: str) -> frozenset[str]:
        """The names that another file exports."""
        found = self.consulted[file, ALL_NAMES] = self.known(file)
        return found

    def has(self, file: str, name: str) -> bool:
        """Whether another file exports a name, or for `ANY_NAME` one at all."""
        found = self.consulted[file, name] = answer(self.known(file), name)
        return bool(found)

    def filled(self, file: str) -> frozenset[str]:
        """The names of a file under which others store something of upnext, in the form of `exported_names`."""
        found = self.consulted[file, FILLED] = self.filled_by_others(file)
        return found

    def interest(self, module: SourceModule) -> Interest:
        """The names of a file that can stand for something of upnext."""
        found = self._interests.get(module.file)
        if found is None:
            names = Names(
                module.text, lambda source, attribute: self._leads(module.file, source, attribute), self.everything
            )
            found = self._interests[module.file] = Interest(names)
            self._fill(found, module)
        return found

    def _fill(self, interest: Interest, module: SourceModule) -> None:
        names = interest.names
        scopes = [module.scope, *self._with_imports(module)]
        for each in (one for scope in scopes for one in scope.every()):
            if isinstance(each.binding, ModuleImport | NameImport) and self.is_interesting(each):
                self._add_import(names, each.name, self._module_alone(each))
        for name, source in self._starred(module).items():
            self._add_import(names, name, self._alone_in(source, name, module.file))
        names.add(sorted({name_of(filled) for filled in self.filled(module.file)} - {ANYTHING}))
        self._spread(names, module)
        importing = importing_names(module, scopes)
        has_own = names.all and "__getattr__" not in module.scope.definitions
        running = running_names(module) if has_own else set[str]()
        running |= finding_names(module)
        if importing or running:
            interest.evident = names.copy()
            names.add(running)
            names.add_parts(importing)
            self._spread(names, module)
        if module.imports_upnext:
            # An `.on` of an unknown object is reported in files that import upnext.
            names.lines = sorted({*names.lines, *lines_of(_ATTACHING, module.text.text)})

    def _add_import(self, names: Names, name: str, alone: ModuleRef | None) -> None:
        if alone is None:
            names.add([name])
        else:
            names.add_module(name, alone)

    def _spread(self, names: Names, module: SourceModule) -> None:
        """Add the module-level names that contain one of those already there."""
        waiting = [each for each in module.scope.every() if not isinstance(each.binding, ModuleImport | NameImport)]
        while True:
            fresh = {
                each.name
                for each in waiting
                if not names.is_whole(each.name) and names.between(*each.span) and is_tainted(each, names)
            }
            fresh |= {name for name, span in assigned_through(module.scope) if names.between(*span)} - names.all
            fresh |= fed_names(module.scope, names)
            if not fresh:
                break
            names.add(fresh)

    def _with_imports(self, module: SourceModule) -> list[Scope]:
        """The scopes of functions and classes with imports."""
        lines = module.text.lines_with(["import"])
        found: list[Scope] = []
        waiting = [module.scope]
        while waiting:
            scope = waiting.pop()
            for each in (*scope.functions, *scope.classes):
                index = bisect_left(lines, each.span[0])
                if index < len(lines) and lines[index] <= each.span[1]:
                    body = module.body_of(each)
                    found.append(body)
                    waiting.append(body)
        return found

    def _starred(self, module: SourceModule) -> dict[str, ModuleRef | ExternalName]:
        """The possible upnext names brought by star imports, and their modules."""
        if module.file in self._stars:
            return self._stars[module.file]
        names = self._stars[module.file] = dict[str, "ModuleRef | ExternalName"]()
        lookup = self.evaluator.lookup
        for star in module.scope.stars:
            source = lookup.imported(module.file, star.level, star.module or "")
            if isinstance(source, ModuleRef) and source.file is not None and source.file != module.file:
                exported, is_package = {*own_names(self.of(source.file))}, self.holds_candidates(source)
                public = lookup.exports(source.file) if exported or is_package else None
                names |= {each: source for each in exported if _is_public(each, public)}
                for name in public or () if is_package else ():
                    submodule = lookup.modules.submodule(source, name, module.file)
                    if submodule is not None and self._is_exporting(submodule):
                        names[name] = source
            elif isinstance(source, ExternalName) and source.name.partition(".")[0] in UPNEXT:
                names |= dict.fromkeys(("Worker", "Event", "TypedEvent", "Task", "Api"), source)
        return names

    def _member_alone(self, file: str, name: str) -> ModuleRef | None:
        """The module behind a name of a file, None if the name can be something else as well."""
        if not self.has(file, f"{MODULES}{name}"):
            return None
        found = {*self.evaluator.lookup.member(file, name)}
        only = found.pop() if len(found) == 1 else None
        return only if isinstance(only, ModuleRef) else None

    def is_interesting(self, definition: Definition) -> bool:
        """Whether an import can bring something of upnext."""
        lookup = self.evaluator.lookup
        match definition.binding:
            case ModuleImport(module):
                source = lookup.modules.find(module, definition.file)
                return self._is_exporting(source)
            case NameImport(level, module, name):
                source = lookup.imported(definition.file, level, module)
                if not isinstance(source, ModuleRef):
                    return self._is_exporting(source)
                if source.file not in (None, definition.file) and self.has(source.file or "", name):
                    return True
                return self._is_exporting(lookup.modules.submodule(source, name, definition.file))
            case _:
                return False

    def _is_exporting(self, source: ModuleRef | ExternalName | None) -> bool:
        if isinstance(source, ExternalName):
            return source.name.partition(".")[0] in UPNEXT
        if source is None:
            return False
        if source.file is not None and self.has(source.file, ANY_NAME):
            return True
        return self.holds_candidates(source)

    def _module_alone(self, definition: Definition) -> ModuleRef | None:
        """The module to which an import binds its name, None if it can be something else as well."""
        lookup = self.evaluator.lookup
        match definition.binding:
            case ModuleImport(module):
                source = lookup.modules.find(module, definition.file)
                return source if isinstance(source, ModuleRef) else None
            case NameImport(level, module, name):
                return self._alone_in(lookup.imported(definition.file, level, module), name, definition.file)
            case _:
                return None

    def _alone_in(self, package: ModuleRef | ExternalName | None, name: str, importer: str) -> ModuleRef | None:
        """The module behind a name in a package, None if it can be something else as well."""
        if not isinstance(package, ModuleRef):
            return None
        if package.file is not None and package.file != importer and self.has(package.file, name):
            return self._member_alone(package.file, name)
        source = self.evaluator.lookup.modules.submodule(package, name, importer)
        return source if isinstance(source, ModuleRef) else None

    def _leads(self, importer: str, source: ModuleRef, attribute: str) -> bool:
        """Whether an attribute of a module can be of upnext."""
        found = self._leading.get((source, attribute))
        if found is None:
            found = source.file is not None and self.has(source.file, attribute)
            if not found:
                found = self._is_exporting(self.evaluator.lookup.modules.submodule(source, attribute, importer))
            self._leading[source, attribute] = found
        return found

    def holds_candidates(self, package: ModuleRef) -> bool:
        """Whether something in a package may export anything."""
        return any(map(self._holds, self._folders_of(package)))

    def _folders_of(self, package: ModuleRef) -> list[str]:
        """The folders that a module can be, if it is a package."""
        if package.file is not None:
            return [package.file.rpartition("/")[0]] if package.file.endswith("__init__.py") else []
        path = package.name.replace(".", "/")
        roots = self.evaluator.lookup.modules.modules.roots
        return [f"{root}/{path}" if root else path for root in sorted({*roots, ""})]

    def _holds(self, folder: str) -> bool:
        found = self.consulted[f"{folder}/", ANY_NAME] = self.holds_exports(f"{folder}/")
        return found

    def found_in(self, module: SourceModule) -> Exported:
        """Work out what a file exports."""
        made_up = self._made_up(module)
        carried = {name: self._exported(module, name) for name in self.interest(module).names.all}
        for owner in made_up.owners:
            # A name that `__getattr__` takes from another module counts like one from a star import.
            for name in {*own_names(self.of(owner.file or ""))} - module.scope.definitions.keys():
                carried.setdefault(name, self._carried_from(owner, name, module.file))
        ways = {ANYTHING: {way for each in made_up.modules for way in (self._ways_of(each) if each else "/")}}
        for name, each in carried.items():
            ways[name] = set() if each.is_upnext else {way for source in each.modules for way in self._ways_of(source)}
        names = {name for name, each in carried.items() if each.is_upnext or each.modules}
        names |= {f"{MODULES}{name}" for name in names if ways[name]}
        if made_up.modules or made_up.others:
            names |= {ANYTHING, *(f"{NOT}{name}" for name in self._bound_in(module) - names)}
        modules = sorted((name, way) for name, found in ways.items() for way in found)
        return Exported(frozenset(names), tuple(modules))

    def _bound_in(self, module: SourceModule) -> set[str]:
        """The names that a file has without calling its `__getattr__`."""
        lookup = self.evaluator.lookup
        found = self._submodules(module)
        seen, waiting = {module.file}, [module]
        while waiting:
            current = waiting.pop()
            public = None if current is module else lookup.exports(current.file)
            found |= {name for name in current.scope.definitions if current is module or _is_public(name, public)}
            for star in current.scope.stars:
                source = lookup.imported(current.file, star.level, star.module or "")
                if isinstance(source, ModuleRef) and source.file is not None and source.file not in seen:
                    seen.add(source.file)
                    starred = lookup.load(source.file)
                    waiting += [starred] if starred else []
        return found

    def _submodules(self, module: SourceModule) -> set[str]:
        """The names of the modules in the folder of a package."""
        folder, _, last = module.file.rpartition("/")
        if last != "__init__.py":
            return set()
        modules = self.evaluator.lookup.modules
        package = ModuleRef(modules.name_of(module.file), module.file)
        beside = [each[len(folder) + 1 :] for each in modules.modules.files if each.startswith(f"{folder}/")]
        names = {each.partition("/")[0].removesuffix(".py") for each in beside}
        return {name for name in names if modules.submodule(package, name, module.file)}

    def _made_up(self, module: SourceModule) -> MadeUp:
        """What of upnext the `__getattr__` of a module can return."""
        names = self.interest(module).names
        found = MadeUp()
        for each in module.scope.definitions.get("__getattr__", ()):
            is_made = not isinstance(each.binding, FunctionDefinition)
            if is_made or names.between(*each.span) or "import_module" in module.text.text:
                found |= made_up(self.evaluator, module, each)
        if ANYTHING in self.filled(module.file) or any(
            self._makes_up_names(scope, names) for scope in module.all_scopes or [module.scope]
        ):
            return MadeUp(others=True)
        has_more = any(ANYTHING in self.of(each.file or "") for each in found.owners)
        return MadeUp(others=True) if found.others or has_more else found

    def _makes_up_names(self, scope: Scope, names: Names) -> bool:
        """Whether a module replaces itself or its class by something of upnext, or binds it under a computed name."""
        found: list[tuple[ast.expr, ast.expr]] = [(target, value) for target, value, _ in scope.items]
        made = [each for each in scope.items if not isinstance(each[0].slice, ast.Constant)]
        if any(are_own_names(item.value) and mentions(value, self.names_in(scope)) for item, value, _ in made):
            return True
        for target, each in scope.attributes:
            value = each.binding.value if isinstance(each.binding, Assignment) else None
            found += [(target.value, value)] if target.attr == "__class__" and isinstance(value, ast.expr) else []
        return any(is_own_module(target) and mentions(value, names) for target, value in found)

    def _ways_of(self, source: ModuleRef) -> Iterator[str]:
        if source.file is not None:
            yield source.file
        yield from (f"{folder}/" for folder in self._folders_of(source) if self.holds_exports(f"{folder}/"))

    def _exported(self, module: SourceModule, name: str) -> Carried:
        """What a name of a file carries for its importers."""
        definitions = module.scope.definitions.get(name)
        if self._is_filled(module.file, name):
            return _UPNEXT_ITSELF
        if definitions is None:
            source = self._starred(module).get(name)
            return Carried() if source is None else self._carried_from(source, name, module.file)
        found = Carried()
        for each in definitions:
            if isinstance(each.binding, ModuleImport | NameImport):
                found |= self._imported(each)
            else:
                found |= self._defined(each)
        return found | self._filled(module, name)

    def _is_filled(self, file: str, name: str) -> bool:
        return any(name_of(each) == name for each in self.filled(file))

    def _filled(self, module: SourceModule, name: str) -> Carried:
        """What is assigned to attributes of a name's value, or passed to a method of it."""
        found = Carried()
        for target, definition in module.scope.attributes:
            if root_name(target) == name:
                found |= self._defined(definition)
        for call in module.scope.fed:
            for each in plain_arguments(call, Use(module.scope)) if root_name(call.func) == name else ():
                found |= self.carried(self.evaluator.value(each.value, each.use), module.file)
        return found

    def _imported(self, definition: Definition) -> Carried:
        """What an import carries."""
        if not self.is_interesting(definition):
            return Carried()
        lookup = self.evaluator.lookup
        match definition.binding:
            case NameImport(level, module, name):
                return self._carried_from(lookup.imported(definition.file, level, module), name, definition.file)
            case _:
                alone = self._module_alone(definition)
                return _UPNEXT_ITSELF if alone is None else Carried(modules=frozenset({alone}))

    def _carried_from(self, source: ModuleRef | ExternalName | None, name: str, importer: str) -> Carried:
        """What a name carries that is imported from a module."""
        alone = self._alone_in(source, name, importer)
        return self._passed_on(source, name) if alone is None else Carried(modules=frozenset({alone}))

    def _passed_on(self, source: ModuleRef | ExternalName | None, name: str) -> Carried:
        """What a name carries that another file exports and that is not itself a module."""
        if isinstance(source, ModuleRef) and source.file is not None and self.has(source.file, f"{MODULES}{name}"):
            return Carried(modules=frozenset({source}))
        return _UPNEXT_ITSELF

    def _defined(self, definition: Definition) -> Carried:
        """What the value of a definition carries."""
        value, binding = self.evaluator.defined((definition,)), definition.binding
        found = Carried()
        if isinstance(value, values.Unknown | values.Instance) and isinstance(binding, Assignment):
            found = self._made_from_upnext(definition, binding)
        return found if found.is_upnext else found | self.carried(value, definition.file)

    def _made_from_upnext(self, definition: Definition, binding: Assignment) -> Carried:
        """What a name of a file is made from, in a way that cannot be followed."""
        names = self._evident_in(definition.scope)
        if not names.between(*definition.span):
            return Carried()
        if binding.annotation is not None and mentions(unquoted(binding.annotation), names):
            return _UPNEXT_ITSELF
        value = binding.value
        if value is None or isinstance(value, Element):
            return Carried()  # Nothing imports what a loop leaves behind.
        return Carried(is_upnext=self._is_made(value, definition.use, set()) or _hands_modules(value, names))

    def gives_events(self, expr: Derived | None, use: Use, *, followed: bool = False) -> bool:
        """Whether an expression is, contains or returns events or workers or, unless `followed` is set, may do so."""
        while isinstance(expr, Element | Part | Rest | Inside):
            expr = expr.of
        if expr is None or isinstance(expr, _PLAIN) or not self.may_be_upnext(use.scope, expr):
            return False
        match value := self.evaluator.value(expr, use):
            case values.Unknown():
                return not followed and self._is_made(expr, use, set())
            case values.Method(_, name):
                return name in {"on", "event"}
            case values.Sender() | values.PartialSend() | values.TaskValue() | values.TaskDecorator():
                return False
            case values.Ambiguous("send"):
                return False
            case values.Instance() | values.ClassRef() | ModuleRef():
                # An object that merely has an event, like an application, goes everywhere: all of it would be suspect.
                return False
            case _:
                return self.carries(value, use.file)

    def carries(self, value: values.Value, file: str) -> bool:
        """Whether a value is, contains, creates or returns something of upnext, or a module with something of it."""
        return self.carried(value, file) != Carried()

    def has_own(self, cls: values.ClassRef) -> bool:
        """Whether a class itself has, creates or returns something of upnext, without reading any ancestor's file."""
        return any(self.carries(each, cls.file) for each in self._own_members(cls))

    def carried(self, value: values.Value, file: str) -> Carried:
        """Determine what of upnext a value of a file is, contains, creates or returns.

        Of the functions and classes of other files it is asked whether those export them: what stands in them is not
        looked at again for each file that they are used in.
        """
        seen = set[values.Value]()
        modules: set[ModuleRef] = set()
        ways = [iter((value,))]
        while ways:
            current = next(ways[-1], None)
            if current is None:
                ways.pop()
            elif current not in seen and (current is value or current not in self._empty):
                seen.add(current)
                found = self._carried_by_itself(current, file)
                if found is None:
                    ways.append(self._inside(current))
                elif found.is_upnext:
                    return found
                else:
                    modules |= found.modules
        if not modules:
            self._empty |= seen
        return Carried(modules=frozenset(modules))

    def _carried_by_itself(self, value: values.Value, file: str) -> Carried | None:
        """What a value of a file carries directly, None if it is what it contains, creates or returns."""
        match value:
            case values.FunctionRef() | values.ClassRef() if value.file != file:
                name = _outermost(value.definition).name
                source = ModuleRef(self.evaluator.lookup.modules.name_of(value.file), value.file)
                return self._passed_on(source, name) if self.has(value.file, name) else Carried()
            case ModuleRef():
                return Carried(modules=frozenset({value} if self._is_exporting(value) else ()))
            case _:
                return _UPNEXT_ITSELF if self._is_upnext(value) else None

    def _is_upnext(self, value: values.Value) -> bool:
        if isinstance(value, _UPNEXT_VALUES):
            return True
        match value:
            case values.Ambiguous(kind):
                return kind != "value"
            case values.FunctionRef():
                return bool(self.evaluator.attaching_calls(value)) or self._returns_unknown(value)
            case values.LambdaRef():
                return bool(self.evaluator.attaching_calls(value))
            case values.ClassRef():
                return is_worker_class(self.evaluator, value)
            case ExternalName():
                return self._is_exporting(value)
            case _:
                return False

    def _inside(self, value: values.Value) -> Iterator[values.Value]:
        """What a value contains, creates or returns."""
        match value:
            case values.ContainerValue(node, use):
                yield from self.evaluator.items(value)
                # A loop over it also takes its keys.
                keys = node.keys if isinstance(node, ast.Dict) else []
                yield from (self.evaluator.value(each, use) for each in keys if self._may_be_key(use.scope, each))
            case values.Namespace(items):
                yield items
            case values.FunctionRef():
                if self._can_return_upnext(value):
                    yield self.evaluator.returned(value)
            case values.LambdaRef():
                yield self.evaluator.returned(value)
            case values.PartialFunction(function, bindings):
                yield function
                yield from (each for _, each in bindings)
            case values.Instance(cls):
                yield cls
            case values.ClassRef():
                yield from self._members(value)
            case _:
                return

    def _may_be_key(self, scope: Scope, key: ast.expr | None) -> bool:
        return key is not None and not isinstance(key, ast.Constant) and self.may_be_upnext(scope, key)

    def _members(self, cls: values.ClassRef) -> Iterator[values.Value]:
        """The members of a class and its objects: methods, attributes, assignments in methods, and inherited ones."""
        evaluator = self.evaluator
        if class_node(cls).keywords:
            yield from evaluator.metaclasses([cls])
        for each in evaluator.ancestors(cls):
            if not isinstance(each, values.ClassRef):
                continue
            if each.file == cls.file:
                yield from self._own_members(each)
            else:
                yield each

    def _own_members(self, cls: values.ClassRef) -> Iterator[values.Value]:
        """The members of a class and its objects, without inherited ones."""
        evaluator = self.evaluator
        body = evaluator.body_of(cls)
        names = self.interest(body.module).names
        for definition in body.every():
            is_member = isinstance(definition.binding, FunctionDefinition | Assignment)
            if is_member and names.between(*definition.span) and self._can_be_upnext(definition, names):
                yield evaluator.defined((definition,))
        assigned = evaluator.assigned_by_methods(cls) if names.between(*cls.definition.span) else {}
        for definition in (each for found in assigned.values() for each in found):
            if self.names_in(definition.scope).between(*definition.span):
                yield evaluator.defined((definition,))

    def _can_be_upnext(self, definition: Definition, names: Names) -> bool:
        """Whether a method names anything that can be of upnext; assigned values are examined in any case."""
        binding = definition.binding
        return self.everything or not isinstance(binding, FunctionDefinition) or holds(binding.node, names)

    def _can_return_upnext(self, function: values.FunctionRef) -> bool:
        """Whether what a function returns, or is declared to return, can be of upnext."""
        body = self.evaluator.body_of(function)
        annotation = cast("FunctionNode", body.node).returns
        given = [each.node for each in body.returns]
        return any(self.may_be_upnext(body, each) for each in given) or (
            annotation is not None and self.may_be_upnext(function.definition.scope, unquoted(annotation))
        )

    def _returns_unknown(self, function: values.FunctionRef) -> bool:
        """Whether a function returns something made from upnext objects in a way that cannot be followed."""
        body = self.evaluator.body_of(function)
        names = self._evident_in(body)
        for each in body.returns:
            if isinstance(each.node, _PLAIN) or not mentions(each.node, names) or _is_awaited_send(each.node):
                continue
            use = Use(body, each.node.lineno, each.branches)
            is_made = self._is_made(each.node, use, set()) or _takes_by_name(each.node, names)
            if is_made and isinstance(self.evaluator.value(each.node, use), values.Unknown):
                return True
        return False

    def _is_made(self, expr: Derived, use: Use, seen: set[Definition]) -> bool:
        """Whether an expression that cannot be followed contains something of upnext, also through other names."""
        if isinstance(expr, Element | Part | Rest | Inside):
            return self._is_made(expr.of, use, seen)
        names = self._evident_in(use.scope)
        if not mentions(expr, names):
            return False
        for each in ast.walk(expr):
            if isinstance(each, ast.Name):
                sources = self.evaluator.lookup.name(use, each.id)
            elif (
                isinstance(each, ast.Attribute)
                and isinstance(each.value, ast.Name)
                and each.value.id in names.receivers
            ):
                sources = tuple(self._members_named(each, use))
            elif isinstance(each, ast.Attribute) and self._is_direct(self.evaluator.value(each, use)):
                return True
            else:
                continue
            if any(self._is_of_upnext(source, seen) for source in sources):
                return True
        return False

    def _is_of_upnext(self, source: Source, seen: set[Definition]) -> bool:
        found = self.evaluator.defined((source,))
        if (
            isinstance(source, Definition)
            and source.scope.kind == "module"
            and self._is_filled(source.file, source.name)
        ):
            return True
        if not isinstance(found, values.Unknown):
            return self._is_direct(found)
        if not isinstance(source, Definition) or source in seen or not isinstance(source.binding, Assignment):
            return False
        seen.add(source)
        value = source.binding.value
        return value is not None and self._is_made(value, source.use, seen)

    def _is_direct(self, value: values.Value) -> bool:
        """Whether a value is of upnext, or literally composed of such values."""
        items = self.evaluator.items(value) if isinstance(value, values.ContainerValue) else [value]
        return any(isinstance(each, _UPNEXT_VALUES) for each in items)

    def _members_named(self, attribute: ast.Attribute, use: Use) -> list[Source]:
        """What a class assigns to an attribute of its objects."""
        owner = self.evaluator.value(attribute.value, use)
        cls = owner.cls if isinstance(owner, values.Instance) else owner
        if not isinstance(cls, values.ClassRef):
            return []
        return [
            *self.evaluator.body_of(cls).definitions.get(attribute.attr, ()),
            *self.evaluator.assigned_by_methods(cls).get(attribute.attr, ()),
        ]


def _hands_modules(expr: Derived, names: Names) -> bool:
    """Whether an expression passes a whole module that has something of upnext to a call."""
    if isinstance(expr, Element | Part | Rest | Inside):
        return _hands_modules(expr.of, names)
    given = [each for call in ast.walk(expr) if isinstance(call, ast.Call) for each in call.args]
    return any(isinstance(each, ast.Name) and each.id in names.modules for each in given)


def _takes_by_name(expr: ast.expr, names: Names) -> bool:
    """Whether an expression takes attributes by `getattr` from a module that has something of upnext."""
    calls = [each for each in ast.walk(expr) if isinstance(each, ast.Call)]
    return any(
        isinstance(call.func, ast.Name) and call.func.id == "getattr" and _hands_modules(call, names) for call in calls
    )


def _is_awaited_send(node: ast.expr) -> bool:
    return isinstance(node, ast.Await)


def _outermost(definition: Definition) -> Definition:
    """The top-level function or class around a definition, or the definition itself."""
    scope = definition.scope
    while scope.parent is not None:
        owners = [each for each in (*scope.parent.functions, *scope.parent.classes) if _node(each) is scope.node]
        definition = owners[0] if owners else definition
        scope = scope.parent
    return definition


def _node(definition: Definition) -> ast.AST | None:
    match definition.binding:
        case FunctionDefinition(node) | ClassDefinition(node):
            return node
        case _:
            return None


def _is_public(name: str, exported: frozenset[str] | None) -> bool:
    """Whether a star import brings a name."""
    return not name.startswith("_") if exported is None else name in exported
