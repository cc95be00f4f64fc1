"""The symbol tables of one file: its scopes, their bindings and where they are. Built lazily from `ast`.

A module's scope is built with the module, those of classes and functions on first lookup: most function bodies are
never needed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias, cast

from upnext_codegen.names.effects import Among, Effects
from upnext_codegen.reading.source import SourceError, SourceText, tree_of
from upnext_codegen.reading.tree import children

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
BranchPath: TypeAlias = tuple[tuple[int, int], ...]
"""The branches around a statement, outermost first: the line of the branching statement and the number of the arm."""

ANY_TIME = -3
"""The number of the arm of what a `global` statement lets a function bind: some call of it may do so at any time."""
END = 1 << 60
"""A line behind all others."""

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)
_INNER_SCOPES = frozenset({ast.Lambda, *_COMPREHENSIONS})
_LEAVES = frozenset({ast.Constant, ast.Name, ast.Load, ast.Store})
_GLOBAL = re.compile(r"(?:global|nonlocal)\b")  # A pattern that begins with plain text is ten times as fast.
_INDENTED_IMPORT = re.compile(r"(?:^[ \t]+|[;:][ \t]*)(?:lazy[ \t]+)?(?:from|import)[ \t]+upnext", re.MULTILINE)
_BREAK = r"(?:[ \t\f]|\\\n)+"
_HEAD = re.compile(rf"(?:async{_BREAK})?(?:def|class){_BREAK}")


class Element(NamedTuple):
    """The item bound by a loop over `of`, or by `with of`."""

    of: Derived


class Part(NamedTuple):
    """The item `number` in an unpacking of `of`, counted from the end if negative."""

    of: Derived
    number: int


class Rest(NamedTuple):
    """The starred target in an unpacking of `of`, with so many items `before` and `behind` it."""

    of: Derived
    before: int
    behind: int


class Inside(NamedTuple):
    """Something inside `of`, as bound by a pattern or by a `:=` in a comprehension."""

    of: ast.expr


Derived: TypeAlias = "ast.expr | Element | Part | Rest | Inside"
"""An expression, or what a loop or an unpacking takes out of one."""


class ModuleImport(NamedTuple):
    """`import module` (which binds its first part) or `import module as name`."""

    module: str


class NameImport(NamedTuple):
    """`from module import name`, with the number of leading dots."""

    level: int
    module: str
    name: str


class TypeParameter(NamedTuple):
    """A type parameter in brackets (PEP 695); `bound` may be a tuple of constraints."""

    name: str
    bound: ast.expr | None
    default: ast.expr | None


class Assignment(NamedTuple):
    """A name bound to a value, or only annotated; `parameters` are those of a `type` statement."""

    value: Derived | None
    annotation: ast.expr | None = None
    parameters: tuple[TypeParameter, ...] = ()


class FunctionDefinition(NamedTuple):
    """A `def`."""

    node: FunctionNode


class ClassDefinition(NamedTuple):
    """A `class`."""

    node: ast.ClassDef


class ParameterDefinition(NamedTuple):
    """A parameter of the scope's function; `receiver` is "self" or "cls" for a method's first one."""

    annotation: ast.expr | None
    receiver: str = ""
    default: ast.expr | None = None


class Opaque(NamedTuple):
    """A binding about which nothing is known."""


Binding: TypeAlias = (
    ModuleImport | NameImport | Assignment | FunctionDefinition | ClassDefinition | ParameterDefinition | Opaque
)
"""What a name is bound to."""


@dataclass(slots=True, eq=False)
class Definition:
    """One binding of a name.

    Attributes:
        name: The name.
        binding: What it is bound to.
        scope: The scope that the statement stands in; its own names mean something there.
        line: Where it is bound.
        branches: The branches around it.
        span: The lines of the whole statement.
    """

    name: str
    binding: Binding
    scope: Scope
    line: int
    branches: BranchPath
    span: tuple[int, int]

    @property
    def file(self) -> str:
        """The file that it stands in."""
        return self.scope.module.file

    @property
    def use(self) -> Use:
        """The place of its value."""
        return Use(self.scope, self.line or self.span[0], self.branches)


class Use(NamedTuple):
    """The place of an expression, on which the meaning of its names depends."""

    scope: Scope
    line: int = END
    branches: BranchPath = ()

    @property
    def file(self) -> str:
        """The file that it stands in."""
        return self.scope.module.file


class Expression(NamedTuple):
    """An expression of a statement, with the branches around it."""

    node: ast.expr
    branches: BranchPath


@dataclass(slots=True, eq=False)
class Scope:
    """The body of a module, class or function, of a lambda or a comprehension.

    Attributes:
        module: The file.
        node: The syntax tree that it is the scope of.
        kind: "module", "class", "function" or "inline" (a lambda or comprehension).
        parent: The scope around it.
        definitions: What it binds, by name, in source order.
        stars: Its star imports.
        expressions: Those that its statements hold, without what stands in functions and classes inside.
        functions: The functions defined in it.
        classes: The classes defined in it.
        returns: What a function returns or yields.
        attributes: What its statements assign to attributes: the target, and what is assigned.
        items: What its statements assign to items, as in `HOOKS["x"] = y`.
        fed: Its statements that are a method call, as in `HOOKS.append(y)`.
        tests: For each branch the tests that lead there, and how each must come out.
    """

    module: SourceModule
    node: ast.AST
    kind: str
    parent: Scope | None
    definitions: dict[str, list[Definition]] = field(default_factory=dict[str, "list[Definition]"])
    stars: list[ast.ImportFrom] = field(default_factory=list[ast.ImportFrom])
    expressions: list[Expression] = field(default_factory=list[Expression])
    functions: list[Definition] = field(default_factory=list["Definition"])
    classes: list[Definition] = field(default_factory=list["Definition"])
    returns: list[Expression] = field(default_factory=list[Expression])
    attributes: list[tuple[ast.Attribute, Definition]] = field(default_factory=list["tuple[ast.Attribute, Definition]"])
    items: list[tuple[ast.Subscript, ast.expr, Use]] = field(
        default_factory=list["tuple[ast.Subscript, ast.expr, Use]"]
    )
    fed: list[ast.Call] = field(default_factory=list[ast.Call])
    tests: dict[tuple[int, int], list[tuple[ast.expr, bool]]] = field(
        default_factory=dict[tuple[int, int], "list[tuple[ast.expr, bool]]"]
    )
    receiver: str = ""

    def every(self) -> Iterator[Definition]:
        """All definitions."""
        for each in self.definitions.values():
            yield from each


@dataclass(slots=True, eq=False)
class SourceModule:
    """One parsed file.

    Attributes:
        file: Its path.
        text: Its text.
        tree: Its syntax tree.
        imports_upnext: Whether it imports upnext itself.
        scope: The module's own scope.
        exports: What `__all__` is made of, None without one.
        has_walrus: Whether `:=` stands anywhere in it.
        all_scopes: Its scopes, once somebody asked for all of them.
        effects: What is known of its functions and classes, by those of the names of upnext that they hold.
    """

    file: str
    text: SourceText
    tree: ast.Module
    imports_upnext: bool = False
    scope: Scope = field(init=False)
    exports: list[ast.expr] | None = None
    has_walrus: bool = False
    all_scopes: list[Scope] = field(default_factory=list[Scope])
    effects: dict[tuple[Definition, Among], Effects] = field(default_factory=dict["tuple[Definition, Among]", Effects])
    _bodies: dict[ast.AST, Scope] = field(default_factory=dict[ast.AST, Scope])

    def __post_init__(self) -> None:
        self.has_walrus = ":=" in self.text.text
        self.scope = Scope(self, self.tree, "module", None)
        _Builder(self.scope).body(self.tree.body, ())
        text = self.text.text
        if _binds_from_inside(text) or (not self.imports_upnext and "upnext" in text and _INDENTED_IMPORT.search(text)):
            # Some call of a function may bind names of the module, or import upnext.
            self.all_scopes = [*self._scopes()]
            for found in self.scope.definitions.values():
                found.sort(key=lambda each: each.line)

    def body_of(self, definition: Definition) -> Scope:
        """The scope of a function's or class's body."""
        binding = definition.binding
        assert isinstance(binding, FunctionDefinition | ClassDefinition)
        node = binding.node
        found = self._bodies.get(node)
        if found is None:
            kind = "class" if isinstance(node, ast.ClassDef) else "function"
            found = self._bodies[node] = Scope(self, node, kind, definition.scope)
            builder = _Builder(found)
            if not isinstance(node, ast.ClassDef):
                builder.parameters(node)
            builder.body(node.body, ())
        return found

    def inline(self, node: ast.AST, parent: Scope) -> Scope:
        """The scope of a lambda or comprehension."""
        found = self._bodies.get(node)
        if found is None:
            found = self._bodies[node] = Scope(self, node, "inline", parent)
            _Builder(found).inline(node)
        return found

    def scopes(self) -> list[Scope]:
        """The scopes of the module and of all its classes and functions, outer ones first."""
        if not self.all_scopes:
            self.all_scopes = [*self._scopes()]
        return self.all_scopes

    def _scopes(self) -> Iterator[Scope]:
        waiting = [self.scope]
        while waiting:
            scope = waiting.pop(0)
            yield scope
            waiting += [self.body_of(each) for each in (*scope.functions, *scope.classes)]

    def release(self) -> None:
        """Break the reference cycles between its scopes and definitions, since the cyclic collector is off."""
        for scope in (self.scope, *self._bodies.values()):
            scope.definitions.clear()
            for found in (scope.functions, scope.classes, scope.attributes, scope.items, scope.expressions, scope.fed):
                found.clear()
            scope.parent = None
        self._bodies.clear()
        self.all_scopes.clear()
        self.effects.clear()
        del self.scope

    def place(self, node: ast.expr | ast.arg | ast.stmt | ast.keyword) -> tuple[int, int]:
        """The line and column of a node, both from 1, in characters."""
        return node.lineno, self.text.column(node.lineno, node.col_offset)

    def name_place(self, node: FunctionNode | ast.ClassDef) -> tuple[int, int]:
        """The position of the name in a `def` or `class` line."""
        line, column = self.place(node)
        rest = "\n".join([self.text.lines[line - 1][column - 1 :], *self.text.lines[line : line + 3]])
        head = _HEAD.match(rest)
        if head is None:
            return line, column
        before = head[0].split("\n")
        return (line, column + len(before[0])) if len(before) == 1 else (line + len(before) - 1, len(before[-1]) + 1)


def read_module(file: str, data: bytes) -> SourceModule:
    """Parse a file.

    Raises:
        SourceError: Python could not read it.
    """
    return SourceModule(file, *tree_of(data))


def _binds_from_inside(text: str) -> bool:
    """Whether a text can contain a `global` or `nonlocal` statement, or bind module names in another way."""
    if "globals()" in text or "modules[__name__]" in text:
        return True
    for each in _GLOBAL.finditer(text):
        before = text[text.rfind("\n", 0, each.start()) + 1 : each.start()].rstrip(" \t")
        if not before or before[-1] in ";:":
            return True
    return False


def type_parameters(node: ast.AST) -> tuple[TypeParameter, ...]:
    """The type parameters in brackets, if this Python has them."""
    found = cast("list[Any]", getattr(node, "type_params", []))
    return tuple(
        TypeParameter(each.name, getattr(each, "bound", None), getattr(each, "default_value", None)) for each in found
    )


def arguments_of(node: FunctionNode | ast.Lambda) -> list[ast.arg]:
    """The parameters in the order of the signature."""
    args = node.args
    found = [*args.posonlyargs, *args.args, args.vararg, *args.kwonlyargs, args.kwarg]
    return [each for each in found if each is not None]


def inner_scopes_and_calls(
    node: ast.expr, scope: Scope
) -> Iterator[tuple[ast.Call | ast.NamedExpr | ast.Lambda, Scope]]:
    """Yield the calls, lambdas and `:=` in an expression, outer ones first, each with its scope."""
    stack: list[tuple[Any, Scope]] = [(node, scope)]  # Not by `cast`, which is a call at every node.
    while stack:
        current, around = stack.pop()
        kind: type[ast.AST] = current.__class__
        if kind is ast.Call or kind is ast.NamedExpr or kind is ast.Lambda:
            yield current, around
        if kind in _INNER_SCOPES:
            around = around.module.inline(current, around)
        # Tables of thousands of constants are common enough for `ast.iter_child_nodes` to take most of the time.
        for name in reversed(current._fields):
            child: Any = getattr(current, name, None)
            if child.__class__ is list:
                if child:
                    stack += [
                        (each, around)
                        for each in reversed(child)
                        if isinstance(each, ast.AST) and type(each) not in _LEAVES
                    ]
            elif isinstance(child, ast.AST) and type(child) not in _LEAVES:
                stack.append((child, around))


def numbered(targets: list[ast.expr]) -> Iterator[tuple[int, ast.expr]]:
    """Number the targets of an unpacking: after a starred target, from the end."""
    behind = 0
    for number, target in enumerate(targets):
        yield number - behind, target
        if isinstance(target, ast.Starred):
            behind = len(targets)


@dataclass(slots=True)
class _Builder:
    """Fills one scope."""

    scope: Scope
    globals: set[str] = field(default_factory=set[str])
    nonlocals: set[str] = field(default_factory=set[str])
    span: tuple[int, int] = (0, 0)

    def bind(self, name: str, binding: Binding, line: int, branches: BranchPath) -> Definition:
        """Record a binding of a name."""
        scope = self.scope
        definition = Definition(name, binding, scope, line, branches, self.span)
        if name in self.globals:
            # Some call of the function does it at some time: one more way to bind the module's name.
            definition.branches = (*branches, (line, ANY_TIME))
            scope = scope.module.scope
        elif name in self.nonlocals and (owner := self._owner_of(name)) is not None:
            definition.branches = (*branches, (line, ANY_TIME))
            owner.definitions[name].append(definition)
            owner.definitions[name].sort(key=lambda each: each.line)
            return definition
        scope.definitions.setdefault(name, []).append(definition)
        return definition

    def _owner_of(self, name: str) -> Scope | None:
        """The function around this one that a `nonlocal` name belongs to."""
        scope = self.scope.parent
        while scope is not None and (scope.kind != "function" or name not in scope.definitions):
            scope = scope.parent
        return scope

    def body(self, statements: Sequence[ast.stmt], branches: BranchPath) -> None:
        """Read the statements of one block."""
        for statement in statements:
            self.span = (statement.lineno, statement.end_lineno or statement.lineno)
            self.statement(statement, branches)

    def statement(self, node: ast.stmt, branches: BranchPath) -> None:
        """Read one statement."""
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.function(node, branches)
            case ast.ClassDef():
                self.define_class(node, branches)
            case ast.Import():
                self.import_modules(node, branches)
            case ast.ImportFrom():
                self.import_names(node, branches)
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                self.assignment(node, branches)
            case ast.Return(value):
                self.returned(node, value, branches)
            case ast.Global():
                self.globals.update(node.names)
            case ast.Nonlocal():
                self.nonlocals.update(node.names)
            case ast.If() | ast.Try() | ast.TryStar() | ast.Match():
                self.branching(node, branches)
            case _:
                self.other(node, branches)

    def other(self, node: ast.stmt, branches: BranchPath) -> None:
        """Read a loop, a `with`, a `type` statement, or one that only contains expressions."""
        match node:
            case ast.For() | ast.AsyncFor():
                self.expression(node.iter, branches)
                self.assign(node.target, Element(node.iter), branches)
                self.body([*node.body, *node.orelse], branches)
            case ast.While():
                self.expression(node.test, branches)
                self.body([*node.body, *node.orelse], branches)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    self.expression(item.context_expr, branches)
                    if item.optional_vars is not None:
                        self.assign(item.optional_vars, Element(item.context_expr), branches)
                self.body(node.body, branches)
            case _ if type(node).__name__ == "TypeAlias":
                self.type_alias(node, branches)
            case _:
                if isinstance(node, ast.Expr):
                    self.unused(node.value, branches)
                for child in children(node):
                    if isinstance(child, ast.expr):
                        self.expression(child, branches)

    def type_alias(self, node: ast.stmt, branches: BranchPath) -> None:
        """Read `type name = value`, on a Python that has it."""
        name, value = getattr(node, "name", None), getattr(node, "value", None)
        if isinstance(name, ast.Name) and isinstance(value, ast.expr):
            self.bind(name.id, Assignment(value, None, type_parameters(node)), node.lineno, branches)

    def unused(self, node: ast.expr, branches: BranchPath) -> None:
        """Read calls that store something: in `__all__`, by `setattr`, or by any other method."""
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="__all__"), attr=verb), args=[value]):
                if self.scope.kind == "module":
                    added = ast.List([value], ast.Load()) if verb == "append" else value
                    self.scope.module.exports = [*(self.scope.module.exports or []), added]
            case ast.Call(ast.Name("setattr"), [target, name, value], []):
                self.assign(ast.copy_location(_attribute(target, name), node), value, branches)
            case ast.Call(ast.Attribute(names, "update")) if are_own_names(names):
                self.names_of_module(node, branches)
            case ast.Call(ast.Name("exec"), [ast.Constant(str() as text)], []) if "import" in text:
                self.executed(text, node, branches)
            case ast.Call(ast.Attribute()):
                self.scope.fed.append(node)
            case _:
                pass

    def bind_in_module(self, name: str, value: Derived | None, line: int, branches: BranchPath) -> None:
        """Record that a statement binds a module name implicitly: through `globals()`, or its own module."""
        around = self.globals
        self.globals = around if self.scope.kind == "module" else {*around, name}
        self.bind(name, Assignment(value), line, branches)
        self.globals = around

    def names_of_module(self, node: ast.Call, branches: BranchPath) -> None:
        """Read `globals().update(name=value)`."""
        for each in node.keywords:
            if each.arg is not None:
                self.bind_in_module(each.arg, each.value, node.lineno, branches)
        for other in [*node.args, *(each.value for each in node.keywords if each.arg is None)]:
            self.names_of_modules(other)

    def names_of_modules(self, node: ast.expr) -> None:
        """Read `globals().update(vars(module))`, which acts like a star import."""
        for each in ast.walk(node):
            match each:
                case ast.Call(ast.Name("vars"), [ast.Name(name)]) | ast.Attribute(ast.Name(name), "__dict__"):
                    for found in self.scope.module.scope.definitions.get(name, ()):
                        match found.binding:
                            case ModuleImport(module):
                                star = ast.ImportFrom(module, [ast.alias("*")], 0)
                            case NameImport(level, module, name):
                                star = ast.ImportFrom(".".join(filter(None, (module, name))), [ast.alias("*")], level)
                            case _:
                                continue
                        self.scope.module.scope.stars.append(ast.copy_location(star, node))
                case _:
                    pass

    def executed(self, text: str, call: ast.Call, branches: BranchPath) -> None:
        """Read the imports in a text that is executed in place."""
        try:
            body = ast.parse(text).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return
        for each in body:
            if isinstance(each, ast.Import | ast.ImportFrom):
                self.body([ast.copy_location(each, call)], branches)

    def returned(self, node: ast.Return, value: ast.expr | None, branches: BranchPath) -> None:
        """Read a `return`."""
        if self.scope.kind != "function":
            # Python's parser accepts it, its compiler does not.
            raise SourceError("'return' outside function", node.lineno, node.col_offset + 1)
        nothing = ast.Constant(None, lineno=node.lineno, col_offset=node.col_offset)
        self.scope.returns.append(Expression(value or nothing, branches))
        if value is not None:
            self.expression(value, branches)

    def branching(self, node: ast.If | ast.Try | ast.TryStar | ast.Match, branches: BranchPath) -> None:
        """Read the branches of a statement; those of an `elif` belong to the first `if`."""
        for number, block in enumerate(self.arms(node, branches)):
            self.body(block, (*branches, (node.lineno, number)))
        if isinstance(node, ast.Try | ast.TryStar):
            self.body(node.finalbody, branches)

    def arms(self, node: ast.If | ast.Try | ast.TryStar | ast.Match, branches: BranchPath) -> list[list[ast.stmt]]:
        """List the branches of a statement."""
        if isinstance(node, ast.If):
            return self.arms_of_if(node, branches)
        if isinstance(node, ast.Match):
            self.expression(node.subject, branches)
            for number, case in enumerate(node.cases):
                for name, value in captured(case.pattern, node.subject):
                    self.bind(name, Assignment(value), case.pattern.lineno, (*branches, (node.lineno, number)))
                if case.guard is not None:
                    self.expression(case.guard, (*branches, (node.lineno, number)))
            return [case.body for case in node.cases]
        for handler in node.handlers:
            if handler.name:
                self.bind(handler.name, Opaque(), handler.lineno, (*branches, (node.lineno, -1)))
        return [[*node.body, *node.orelse], *[handler.body for handler in node.handlers]]

    def arms_of_if(self, node: ast.If, branches: BranchPath) -> list[list[ast.stmt]]:
        """List the branches of an `if`, with their conditions."""
        line, tests, arms = node.lineno, list[ast.expr](), list[list[ast.stmt]]()
        while True:
            self.expression(node.test, branches)
            self.scope.tests[line, len(arms)] = [*((test, False) for test in tests[-20:]), (node.test, True)]
            tests.append(node.test)
            arms.append(node.body)
            if len(node.orelse) != 1 or not isinstance(node.orelse[0], ast.If):
                break
            node = node.orelse[0]
        self.scope.tests[line, len(arms)] = [(test, False) for test in tests[-20:]]
        return [*arms, node.orelse]

    def expression(self, node: ast.expr, branches: BranchPath) -> None:
        """Record an expression, and the names that it binds with `:=`."""
        self.scope.expressions.append(Expression(node, branches))
        if self.scope.module.has_walrus and self._may_hold_walrus(node):
            loops = [each.target for each in ast.walk(node) if isinstance(each, ast.comprehension)]
            turning = {name for each in loops for name in _names_in(each)}
            for each in ast.walk(node):
                if isinstance(each, ast.NamedExpr):
                    value = each.value if turning.isdisjoint(_names_in(each.value)) else Inside(node)
                    self.bind(each.target.id, Assignment(value), each.lineno, branches)
        if isinstance(node, ast.Yield | ast.YieldFrom) and node.value is not None:
            self.scope.returns.append(Expression(node.value, branches))

    def _may_hold_walrus(self, node: ast.expr) -> bool:
        lines = self.scope.module.text.lines[node.lineno - 1 : node.end_lineno]
        return any(":=" in line for line in lines)

    def assignment(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign, branches: BranchPath) -> None:
        """Read `target = value` in its three forms."""
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if self.scope.kind == "module" and node.value is not None and any(map(_is_exports, targets)):
            earlier = (self.scope.module.exports or []) if isinstance(node, ast.AugAssign) else []
            self.scope.module.exports = [*earlier, node.value]
        if isinstance(node, ast.AugAssign):
            # Python calls a method of the target as it does for the operator alone.
            self.expression(ast.copy_location(ast.BinOp(node.target, node.op, node.value), node), branches)
        elif node.value is not None:
            self.expression(node.value, branches)
        match node:
            case ast.AnnAssign():
                self.assign(node.target, node.value, branches, annotation=node.annotation)
            case ast.Assign():
                parameters = type_parameters(node)
                for target in node.targets:
                    self.assign(target, node.value, branches, parameters=parameters)
            case ast.AugAssign():
                if not _is_exports(node.target):
                    opaque = isinstance(node.target, ast.Subscript)
                    self.assign(node.target, None if opaque else Inside(node.value), branches, opaque=opaque)

    def assign(
        self,
        target: ast.expr,
        value: Derived | None,
        branches: BranchPath,
        *,
        annotation: ast.expr | None = None,
        parameters: tuple[TypeParameter, ...] = (),
        opaque: bool = False,
    ) -> None:
        """Bind the names of a target."""
        match target:
            case ast.Name(id=name):
                binding = Opaque() if opaque else Assignment(value, annotation, parameters)
                self.bind(name, binding, target.lineno, branches)
            case ast.Attribute():
                binding = Opaque() if opaque else Assignment(value, annotation)
                definition = Definition(target.attr, binding, self.scope, target.lineno, branches, self.span)
                self.scope.attributes.append((target, definition))
                if is_own_module(target.value):
                    self.bind_in_module(target.attr, None if opaque else value, target.lineno, branches)
            case ast.Subscript() if isinstance(value, ast.expr):
                self.scope.items.append((target, value, Use(self.scope, target.lineno, branches)))
                match target:
                    case ast.Subscript(names, ast.Constant(str() as name)) if are_own_names(names):
                        self.bind_in_module(name, value, target.lineno, branches)
                    case _:
                        pass
            case ast.Tuple(elts=items) | ast.List(elts=items):
                for number, item in numbered(items):
                    part = None if value is None else _part(value, item, number, len(items))
                    self.assign(item, part, branches, opaque=opaque)
            case ast.Starred(value=inner):
                self.assign(inner, value, branches, opaque=value is None)
            case _:
                pass

    def import_modules(self, node: ast.Import, branches: BranchPath) -> None:
        """Read `import a.b as c`."""
        for alias in node.names:
            first = alias.name.partition(".")[0]
            if first == "upnext":
                self.scope.module.imports_upnext = True
            binding = ModuleImport(alias.name if alias.asname else first)
            self.bind(alias.asname or first, binding, node.lineno, branches)

    def import_names(self, node: ast.ImportFrom, branches: BranchPath) -> None:
        """Read `from a import b as c`."""
        module = node.module or ""
        if module.partition(".")[0] == "upnext" and not node.level:
            self.scope.module.imports_upnext = True
        for alias in node.names:
            if alias.name == "*":
                self.scope.stars.append(node)
            else:
                binding = NameImport(node.level, module, alias.name)
                self.bind(alias.asname or alias.name, binding, node.lineno, branches)

    def function(self, node: FunctionNode, branches: BranchPath) -> None:
        """Read a `def`, without its body."""
        first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        self.span = (first, node.end_lineno or node.lineno)
        line = self.scope.module.name_place(node)[0]
        self.scope.functions.append(self.bind(node.name, FunctionDefinition(node), line, branches))
        self.decorators(node, branches)
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.expression(default, branches)

    def decorators(self, node: FunctionNode | ast.ClassDef, branches: BranchPath) -> None:
        """Record the contents of decorators; the outermost call of each belongs to the decorator itself."""
        for each in node.decorator_list:
            parts = [each.func, *each.args, *(one.value for one in each.keywords)] if isinstance(each, ast.Call) else []
            for part in parts or [each]:
                self.expression(part, branches)

    def parameters(self, node: FunctionNode) -> None:
        """Bind the parameters."""
        receiver, defaults = _receiver(node, self.scope.parent), _defaults(node.args)
        for number, each in enumerate(arguments_of(node)):
            role = receiver if number == 0 else ""
            self.span = (each.lineno, each.end_lineno or each.lineno)
            self.bind(each.arg, ParameterDefinition(each.annotation, role, defaults.get(each.arg)), node.lineno, ())
            if role:
                self.scope.receiver = each.arg

    def define_class(self, node: ast.ClassDef, branches: BranchPath) -> None:
        """Read a class, without its body."""
        first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        self.span = (first, node.end_lineno or node.lineno)
        line = self.scope.module.name_place(node)[0]
        self.scope.classes.append(self.bind(node.name, ClassDefinition(node), line, branches))
        self.decorators(node, branches)
        for each in (*node.bases, *(one.value for one in node.keywords)):
            self.expression(each, branches)

    def inline(self, node: ast.AST) -> None:
        """Bind the parameters of a lambda, or the loop variables of a comprehension."""
        if isinstance(node, ast.Lambda):
            for each in arguments_of(node):
                self.bind(each.arg, ParameterDefinition(None), 0, ())
            self.scope.returns.append(Expression(node.body, ()))
        elif isinstance(node, _COMPREHENSIONS):
            for generator in node.generators:
                self.span = (generator.iter.lineno, generator.iter.end_lineno or generator.iter.lineno)
                self.assign(generator.target, Element(generator.iter), ())
            for definition in self.scope.every():
                definition.line = 0


def _part(value: Derived, target: ast.expr, number: int, count: int) -> Derived:
    """The part of a value bound to one target of an unpacking."""
    if isinstance(target, ast.Starred):
        return Rest(value, number, count - number - 1)
    if isinstance(target, ast.Subscript) and isinstance(value, ast.Tuple) and len(value.elts) == count:
        return value.elts[number]
    return Part(value, number)


def _attribute(owner: ast.expr, name: ast.expr) -> ast.Attribute | ast.Subscript:
    """The target of `setattr`."""
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        return ast.Attribute(owner, name.value, ast.Store())
    return ast.Subscript(ast.Attribute(owner, "__dict__", ast.Load()), name, ast.Store())


def are_own_names(expr: ast.expr) -> bool:
    """Whether an expression is the namespace of its module."""
    match expr:
        case ast.Call(ast.Name("globals"), [], []):
            return True
        case ast.Call(ast.Name("vars"), [owner]) | ast.Attribute(owner, "__dict__"):
            return is_own_module(owner)
        case _:
            return False


def is_own_module(expr: ast.expr) -> bool:
    """Whether an expression is `sys.modules[__name__]`."""
    match expr:
        case ast.Subscript(ast.Attribute(_, "modules") | ast.Name("modules"), ast.Name("__name__")):
            return True
        case _:
            return False


def _is_exports(target: ast.expr) -> bool:
    return isinstance(target, ast.Name) and target.id == "__all__"


def _defaults(args: ast.arguments) -> dict[str, ast.expr | None]:
    positional = [*args.posonlyargs, *args.args]
    found = zip(reversed(positional), reversed(args.defaults), strict=False)
    pairs = [*found, *zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    return {parameter.arg: default for parameter, default in pairs}


def _receiver(node: FunctionNode, parent: Scope | None) -> str:
    """The role of the first parameter: "self", "cls", or ""."""
    if parent is None or parent.kind != "class":
        return ""
    names = {each.id for each in node.decorator_list if isinstance(each, ast.Name)}
    if "staticmethod" in names:
        return ""
    return "cls" if "classmethod" in names or node.name == "__init_subclass__" else "self"


def captured(pattern: ast.pattern, subject: ast.expr) -> Iterator[tuple[str, Derived]]:
    """Yield the names bound by a pattern of a `match` statement, with their values: the subject or a part of it."""
    for each in ast.walk(pattern):
        name = each.rest if isinstance(each, ast.MatchMapping) else getattr(each, "name", None)
        if isinstance(name, str):
            yield name, subject if each is pattern else Inside(subject)


def _names_in(expr: ast.expr) -> set[str]:
    return {each.id for each in ast.walk(expr) if isinstance(each, ast.Name)}
