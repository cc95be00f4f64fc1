"""One file's syntax tree to its facts: every name it binds, and every call and decorator that may be one of ours."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen.files.ignores import find_ignores
from upnext_codegen.files.needles import Needles, find_needles, hands_workers
from upnext_codegen.files.source import SourceError, tree_of
from upnext_codegen.reading import facts, formals
from upnext_codegen.reading.bodies import hands_on, is_handed
from upnext_codegen.reading.expressions import Encoder, text_of
from upnext_codegen.reading.sites import calls_in, captured, hidden_by, numbered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext_codegen.files.source import Text

_Def = ast.FunctionDef | ast.AsyncFunctionDef


def read(data: bytes, *, whole: bool = False) -> facts.Facts:
    """Read a file.

    Args:
        data: Its bytes.
        whole: Whether to read the parameters of every function; all numbers are the same either way.

    Raises:
        SourceError: Python could not read it.
    """
    text, tree = tree_of(data)
    reader = _Reader(text, Encoder(text), find_needles(text.text), whole)
    reader.open_scope("module", -1, -1)
    reader.body(tree.body, 0, ())
    return reader.result()


@dataclass(slots=True)
class _Scope:
    kind: str
    parent: int
    owner: int
    bindings: list[facts.Binding] = field(default_factory=list[facts.Binding])
    attributes: list[facts.Binding] = field(default_factory=list[facts.Binding])
    stars: list[facts.Star] = field(default_factory=list[facts.Star])
    globals: set[str] = field(default_factory=set[str])
    receiver: str = ""


@dataclass(slots=True)
class _Reader:
    """What has been read so far; scopes, functions and classes refer to one another by number."""

    text: Text
    encoder: Encoder
    needles: Needles
    whole: bool
    wordless: bool = False
    imports_us: bool = False
    scopes: list[_Scope] = field(default_factory=list[_Scope])
    functions: list[facts.Function] = field(default_factory=list[facts.Function])
    classes: list[facts.Class] = field(default_factory=list[facts.Class])
    sites: list[facts.Site] = field(default_factory=list[facts.Site])
    exports: list[facts.Expr] | None = None
    returned: list[list[facts.Expr]] = field(default_factory=list[list[facts.Expr]])

    def result(self) -> facts.Facts:
        """Freeze it all."""
        scopes = tuple(
            facts.Scope(
                each.kind,
                each.parent,
                each.owner,
                tuple(each.bindings),
                tuple(each.attributes),
                tuple(each.stars),
            )
            for each in self.scopes
        )
        sites = sorted(self.sites, key=lambda site: (site.call.line, site.call.column))
        exports = None if self.exports is None else tuple(self.exports)
        ignores = find_ignores(self.text.text)
        functions, classes = tuple(self.functions), tuple(self.classes)
        return facts.Facts(
            self.imports_us, scopes, functions, classes, tuple(sites), exports, ignores, hands_workers(self.text.text)
        )

    def open_scope(self, kind: str, parent: int, owner: int) -> int:
        """Start a scope, and return its number."""
        self.scopes.append(_Scope(kind, parent, owner))
        return len(self.scopes) - 1

    def bind(self, scope: int, name: str, what: facts.What, line: int, arms: facts.Arms) -> None:
        """Note that a name is bound."""
        if name in self.scopes[scope].globals:
            # Some call of the function does it, some time: one more way the module's name can be bound.
            arms = (*arms, (line, facts.ANY_TIME))
            scope = 0
        self.scopes[scope].bindings.append(facts.Binding(name, what, line, arms))

    def body(self, statements: Sequence[ast.stmt], scope: int, arms: facts.Arms) -> None:
        """Read the statements of one block."""
        for statement in statements:
            self.statement(statement, scope, arms)

    def statement(self, node: ast.stmt, scope: int, arms: facts.Arms) -> None:
        """Read one statement."""
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.function(node, scope, arms)
            case ast.ClassDef():
                self.define_class(node, scope, arms)
            case ast.Import():
                self.import_modules(node, scope, arms)
            case ast.ImportFrom():
                self.import_names(node, scope, arms)
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                self.assignment(node, scope, arms)
            case ast.Expr() | ast.Return():
                self.expression(node, scope, arms)
            case ast.Global():
                self.scopes[scope].globals.update(node.names)
            case _:
                self.other(node, scope, arms)

    def other(self, node: ast.stmt, scope: int, arms: facts.Arms) -> None:
        """Read a statement with blocks in it, or a `type` statement."""
        match node:
            case ast.If() | ast.Try() | ast.TryStar() | ast.Match():
                self.branches(node, scope, arms)
            case ast.For() | ast.AsyncFor():
                self.search(node.iter, scope, arms)
                self.assign(node.target, facts.Element(self.encoder.encode(node.iter)), scope, arms)
                self.body([*node.body, *node.orelse], scope, arms)
            case ast.While():
                self.search(node.test, scope, arms)
                self.body([*node.body, *node.orelse], scope, arms)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    self.search(item.context_expr, scope, arms)
                    if item.optional_vars is not None:
                        self.assign(item.optional_vars, facts.Unknown(), scope, arms)
                self.body(node.body, scope, arms)
            case _ if type(node).__name__ == "TypeAlias":
                self.type_alias(node, scope, arms)
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.search(child, scope, arms)

    def type_alias(self, node: ast.stmt, scope: int, arms: facts.Arms) -> None:
        """Read `type name = value`, on a Python that has it."""
        name, value = getattr(node, "name", None), getattr(node, "value", None)
        if isinstance(name, ast.Name) and isinstance(value, ast.expr):
            what = facts.Assigned(self.encoder.encode(value), None, formals.type_parameters(self.encoder, node))
            self.bind(scope, name.id, what, node.lineno, arms)

    def branches(self, node: ast.If | ast.Try | ast.TryStar | ast.Match, scope: int, arms: facts.Arms) -> None:
        """Read the arms of a branching statement; those of an `elif` belong to the first `if`."""
        for number, block in enumerate(self.blocks(node, scope, arms)):
            self.body(block, scope, (*arms, (node.lineno, number)))
        if isinstance(node, ast.Try | ast.TryStar):
            self.body(node.finalbody, scope, arms)

    def blocks(
        self, node: ast.If | ast.Try | ast.TryStar | ast.Match, scope: int, arms: facts.Arms
    ) -> list[list[ast.stmt]]:
        """List the arms of a branching statement."""
        if isinstance(node, ast.If):
            self.search(node.test, scope, arms)
            found = [node.body]
            while len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
                node = node.orelse[0]
                self.search(node.test, scope, arms)
                found.append(node.body)
            return [*found, node.orelse]
        if isinstance(node, ast.Match):
            self.search(node.subject, scope, arms)
            for number, case in enumerate(node.cases):
                for name in captured(case.pattern):
                    self.bind(scope, name, facts.Opaque(), case.pattern.lineno, (*arms, (node.lineno, number)))
            return [case.body for case in node.cases]
        for handler in node.handlers:
            if handler.name:
                self.bind(scope, handler.name, facts.Opaque(), handler.lineno, (*arms, (node.lineno, -1)))
        return [[*node.body, *node.orelse], *[handler.body for handler in node.handlers]]

    def search(self, node: ast.expr | None, scope: int, arms: facts.Arms) -> None:
        """Look for calls, and for names bound with `:=`."""
        # At module level everything counts: an alias from elsewhere may make an event under any name.
        everywhere = self.scopes[scope].kind != "function"
        if node is None or not (everywhere or self.needles.between(node.lineno, node.end_lineno)):
            return
        for call, around in calls_in(node):
            if isinstance(call, ast.NamedExpr):
                value = facts.Assigned(self.encoder.encode(call.value))
                self.bind(scope, call.target.id, value, call.lineno, arms)
            elif everywhere or self.needles.between(call.lineno, call.end_lineno):
                encoder = Encoder(self.text, hidden_by(self.text, around))
                self.sites.append(facts.Site(encoder.call(call), scope, arms))

    def expression(self, node: ast.Expr | ast.Return, scope: int, arms: facts.Arms) -> None:
        """Read an expression that stands by itself, or is returned."""
        if isinstance(node, ast.Return):
            if not self.returned:
                # Python's parser lets it pass, and its compiler does not.
                raise SourceError("'return' outside function", node.lineno, node.col_offset + 1)
            self.returned[-1].append(self.encode(node.value))
        elif scope == 0:
            self.extend_exports(node.value)
        self.search(node.value, scope, arms)

    def encode(self, node: ast.expr | None) -> facts.Expr:
        """Encode a value; where no word of ours is near, only one that can be something of ours under its name."""
        return facts.Unknown() if self.wordless and not is_handed(node) else self.encoder.encode(node)

    def extend_exports(self, node: ast.expr) -> None:
        """Read `__all__.extend(...)` and `__all__.append(...)`."""
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="__all__"), attr=verb), args=[value]):
                added = self.encoder.encode(value)
                one = verb == "append"
                self.exports = [*(self.exports or []), facts.Display("list", (added,)) if one else added]
            case _:
                pass

    def assignment(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign, scope: int, arms: facts.Arms) -> None:
        """Read `target = value` in its three forms."""
        value = self.encode(node.value) if node.value is not None else None
        if isinstance(node, ast.Assign) and _is_exports(node.targets):
            value = Encoder(self.text, most=100_000).encode(node.value)
        self.search(node.value, scope, arms)
        if isinstance(node, ast.AnnAssign):
            self.assign(node.target, value, scope, arms, annotation=self.encoder.encode(node.annotation))
            targets: list[ast.expr] = [node.target]
        elif isinstance(node, ast.Assign):
            parameters = formals.type_parameters(self.encoder, node)
            for target in node.targets:
                self.assign(target, value, scope, arms, parameters=parameters)
            targets = node.targets
        else:
            targets = [node.target]
            if not _is_exports(targets):
                self.assign(node.target, facts.Unknown(), scope, arms)
        if scope == 0 and _is_exports(targets) and value is not None:
            earlier = (self.exports or []) if isinstance(node, ast.AugAssign) else []
            self.exports = [*earlier, value]

    def assign(
        self,
        target: ast.expr,
        value: facts.Expr | None,
        scope: int,
        arms: facts.Arms,
        *,
        annotation: facts.Expr | None = None,
        parameters: tuple[facts.TypeParameter, ...] = (),
    ) -> None:
        """Bind whatever a target names."""
        match target:
            case ast.Name(id=name):
                what = facts.Assigned(value, annotation, parameters)
                self.bind(scope, name, what, target.lineno, arms)
            case ast.Attribute():
                self.assign_attribute(target, facts.Assigned(value, annotation), scope)
            case ast.Tuple(elts=items) | ast.List(elts=items):
                for number, item in numbered(items):
                    self.assign(item, facts.Part(value or facts.Unknown(), number), scope, arms)
            case ast.Starred(value=inner):
                self.assign(inner, facts.Unknown(), scope, arms)
            case _:
                pass

    def assign_attribute(self, target: ast.Attribute, what: facts.Assigned, scope: int) -> None:
        """Note `self.attr = ...` at the class whose method this is, and `a.b = ...` at the module."""
        here = self.scopes[scope]
        owner = target.value.id if isinstance(target.value, ast.Name) else ""
        own = here.kind == "function" and here.receiver == owner and owner
        if own or isinstance(what.value, facts.Name | facts.Attr | facts.Call):
            # The value is worked out where it stands, where its names mean something.
            there = self.scopes[here.parent if own else 0]
            name = target.attr if own else text_of(self.encoder.encode(target))
            there.attributes.append(facts.Binding(name, what, target.lineno, ((scope, -2),)))

    def import_modules(self, node: ast.Import, scope: int, arms: facts.Arms) -> None:
        """Read `import a.b as c`."""
        for alias in node.names:
            self.imports_us |= alias.name.partition(".")[0] == "upnext"
            if alias.asname:
                self.bind(scope, alias.asname, facts.ImportModule(alias.name), node.lineno, arms)
            else:
                first = alias.name.partition(".")[0]
                self.bind(scope, first, facts.ImportModule(first), node.lineno, arms)

    def import_names(self, node: ast.ImportFrom, scope: int, arms: facts.Arms) -> None:
        """Read `from a import b as c`."""
        module = node.module or ""
        self.imports_us |= module.partition(".")[0] == "upnext" and not node.level
        for alias in node.names:
            if alias.name == "*":
                self.scopes[scope].stars.append(facts.Star(node.level, module, node.lineno))
            else:
                what = facts.ImportFrom(node.level, module, alias.name)
                self.bind(scope, alias.asname or alias.name, what, node.lineno, arms)

    def function(self, node: _Def, scope: int, arms: facts.Arms) -> None:
        """Read a `def`; its body only where it can matter."""
        index = len(self.functions)
        line, column = formals.name_place(self.encoder, node)
        in_class = self.scopes[scope].kind == "class"
        short = len(node.body) <= 3 and isinstance(node.body[-1], ast.Return)
        wordless = not short and not self.needles.between(node.lineno, node.end_lineno)
        matters = not wordless or hands_on(node, is_method=in_class)
        body = self.open_scope("function", scope, index) if matters else -1
        attached = any(self.needles.between(each.lineno, each.end_lineno) for each in node.decorator_list)
        brief = not (self.whole or matters or attached)
        parameters = () if brief else formals.parameters(self.encoder, node)
        function = facts.Function(
            node.name,
            line,
            column,
            scope,
            body,
            arms,
            parameters,
            formals.decorators(self.encoder, node.decorator_list),
            (),
            None if node.returns is None or brief else self.encoder.encode(node.returns),
            () if brief else formals.type_parameters(self.encoder, node),
            brief,
        )
        self.functions.append(function)
        self.bind(scope, node.name, facts.DefinedFunction(index), line, arms)
        for decorator in node.decorator_list:
            # The outermost call of a decorator is the decorator's own business; what stands inside is not.
            inner = [decorator.func, *decorator.args] if isinstance(decorator, ast.Call) else [decorator]
            for each in inner:
                self.search(each, scope, arms)
        if body >= 0:
            around, self.wordless = self.wordless, wordless
            returns = self.function_body(node, function, body)
            self.wordless = around
            self.functions[index] = function._replace(returns=returns)

    def function_body(self, node: _Def, function: facts.Function, body: int) -> tuple[facts.Expr, ...]:
        """Read the body of a function, and return what it returns."""
        receiver = self.receiver(function)
        for number, formal in enumerate(function.parameters):
            role = receiver if number == 0 else ""
            self.bind(body, formal.name, facts.Parameter(formal.annotation, role), node.lineno, ())
        if receiver and function.parameters:
            self.scopes[body].receiver = function.parameters[0].name
        self.returned.append([])
        self.body(node.body, body, ())
        return tuple(self.returned.pop())

    def receiver(self, function: facts.Function) -> str:
        """What the first parameter is: "self", "cls", or "" for none of them."""
        if self.scopes[function.scope].kind != "class":
            return ""
        names = {each.value.id for each in function.decorators if isinstance(each.value, facts.Name)}
        if "staticmethod" in names:
            return ""
        return "cls" if "classmethod" in names or function.name == "__init_subclass__" else "self"

    def define_class(self, node: ast.ClassDef, scope: int, arms: facts.Arms) -> None:
        """Read a class."""
        index = len(self.classes)
        line, column = formals.name_place(self.encoder, node)
        body = self.open_scope("class", scope, index)
        self.classes.append(
            facts.Class(
                node.name,
                line,
                column,
                scope,
                body,
                self.encoder.many(node.bases),
                tuple((each.arg or "**", self.encoder.encode(each.value)) for each in node.keywords),
                formals.decorators(self.encoder, node.decorator_list),
                formals.type_parameters(self.encoder, node),
            )
        )
        for each in (*node.decorator_list, *node.bases):
            self.search(each, scope, arms)
        self.bind(scope, node.name, facts.DefinedClass(index), line, arms)
        self.body(node.body, body, ())


def _is_exports(targets: list[ast.expr]) -> bool:
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)
