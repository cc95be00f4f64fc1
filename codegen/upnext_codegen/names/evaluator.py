"""Evaluates expressions without running them: which event, worker, string or function one stands for.

This is one file on purpose: names, attributes, calls, containers, classes and functions are mutually recursive.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from upnext_codegen.limits import MAX_EXPRESSION_DEPTH
from upnext_codegen.names import values
from upnext_codegen.names.constant_folding import calculated, formatted, joined, literal, negated, strung
from upnext_codegen.names.contained import contained
from upnext_codegen.names.exported_names import HELD
from upnext_codegen.names.lookup import DynamicMember, Lookup, Source, reaching_definitions
from upnext_codegen.names.modules import ExternalName, ModuleRef
from upnext_codegen.names.opaque_builtins import OPAQUE
from upnext_codegen.names.scopes import (
    END,
    Assignment,
    ClassDefinition,
    Definition,
    Derived,
    Element,
    FunctionDefinition,
    ParameterDefinition,
    Part,
    Rest,
    Scope,
    Use,
    arguments_of,
    inner_scopes_and_calls,
)
from upnext_codegen.names.upnext_classes import is_event_class, is_task_class, is_worker_class, public_name
from upnext_codegen.names.values import NOT_UPNEXT, UNKNOWN, Value, events_of, merged
from upnext_codegen.reading.string_annotations import unquoted
from upnext_codegen.reading.tree import walk

Bindings: TypeAlias = tuple[tuple[str, Value], ...]
"""What the parameters of a function are in one call, as far as that matters."""

WORKER_METHODS = frozenset({"event", "task", "cron"})
SENDS = frozenset({"send", "send_sync"})
SUBMITS = frozenset({"submit", "submit_sync", "wait", "wait_sync"})
_DECLARING = frozenset({"on", "upcast"})
_EVENT_METHODS = SENDS | _DECLARING | {"options", "within"}
_TASK_METHODS = SUBMITS | {"options", "within"}

_DEEPEST_CALL = 20
_DEEPEST_LOOP = 10
_MOST_TURNS = 1000
"""Turns of loops in one another."""
_MOST_ITEMS = 2000
"""Items of a container that are looked at."""
_ENUMS = frozenset({"enum.Enum", "enum.IntEnum", "enum.StrEnum", "enum.Flag", "enum.IntFlag", "enum.ReprEnum"})
_ANYTHING = frozenset({"builtins.object", "typing.Any", "typing_extensions.Any"})
"""Annotations of what may well be an upnext object."""
_TRANSPARENT = frozenset({"Annotated", "Final", "ClassVar", "Optional", "Required", "NotRequired"})
_COPIES = frozenset(
    [
        "builtins.dict",
        "builtins.frozenset",
        "builtins.list",
        "builtins.set",
        "builtins.tuple",
        "copy.copy",
        "copy.deepcopy",
        "types.MappingProxyType",
    ]
)
_PLAIN = frozenset(f"builtins.{name}" for name in ("bool", "hash", "id", "int", "len", "repr", "str"))
"""What makes a text, a number or a truth of whatever it is given."""
_LOADERS = frozenset(
    {
        "django.utils.module_loading.import_string",
        "pkgutil.resolve_name",
        "pydoc.locate",
        "werkzeug.utils.import_string",
    }
)
_WORTH_KEEPING = (ast.Attribute, ast.BinOp, ast.BoolOp, ast.Call, ast.IfExp, ast.JoinedStr, ast.Subscript)
_CHANGING = frozenset({"add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "update"})
_TAKING = frozenset({"copy", "pop", "popitem", "popleft"})
_ITEM_METHODS = frozenset({"get", "pop", "setdefault", "__getitem__"})


class Argument(NamedTuple):
    """An argument of a call.

    Attributes:
        keyword: "" for a positional one, "*" or "**" where it cannot be known what is unpacked.
        value: The argument; what is unpacked is not starred any more.
        use: Where `value` stands.
        node: What stands in the call.
    """

    keyword: str
    value: ast.expr
    use: Use
    node: ast.expr


def plain_arguments(call: ast.Call, use: Use) -> list[Argument]:
    """List the arguments of a call as written."""
    found: list[Argument] = []
    for each in call.args:
        if isinstance(each, ast.Starred):
            found.append(Argument("*", each.value, use, each))
        else:
            found.append(Argument("", each, use, each))
    return [*found, *(Argument(each.arg or "**", each.value, use, each.value) for each in call.keywords)]


def argument(call: ast.Call, use: Use, name: str, position: int = 0) -> Argument | None:
    """The argument for a parameter, None if there is none, or if unpacking hides it."""
    positional: list[Argument] = []
    unpacked = False
    for each in plain_arguments(call, use):
        if each.keyword == name:
            return each
        unpacked = unpacked or each.keyword == "*"
        if each.keyword == "" and not unpacked:
            positional.append(each)
    return positional[position] if position < len(positional) else None


def is_none(expr: object) -> bool:
    """Whether an expression is literally `None`."""
    return isinstance(expr, ast.Constant) and expr.value is None


@dataclass(slots=True)
class Evaluator:
    """Evaluates expressions, and caches the values of definitions.

    Attributes:
        lookup: Finds names.
        may_be_upnext: A cheap syntactic filter: can this expression of a scope evaluate to an upnext object?
        filled: What others put something of upnext into, of a file: its names, as `exported_names` has it.
    """

    lookup: Lookup
    may_be_upnext: Callable[[Scope, ast.expr | ast.stmt], bool] = lambda _, __: True
    filled: Callable[[str], frozenset[str]] = lambda _: frozenset()
    _values: dict[tuple[Definition, Bindings], Value] = field(default_factory=dict[tuple[Definition, Bindings], Value])
    _active: set[tuple[Definition, Bindings]] = field(default_factory=set[tuple[Definition, Bindings]])
    _ancestors: dict[Value, list[Value]] = field(default_factory=dict["Value", "list[Value]"])
    _bases: dict[values.ClassRef, list[Value]] = field(default_factory=dict[values.ClassRef, "list[Value]"])
    _returned: dict[tuple[Value, Bindings], Value] = field(default_factory=dict[tuple["Value", Bindings], "Value"])
    _frames: dict[Scope, Bindings] = field(default_factory=dict[Scope, Bindings])
    _attaching: dict[Scope, list[tuple[values.EventValue, ast.Call, Use]]] = field(
        default_factory=dict[Scope, "list[tuple[values.EventValue, ast.Call, Use]]"]
    )
    _by_methods: dict[Value, dict[str, list[Definition]]] = field(
        default_factory=dict["Value", "dict[str, list[Definition]]"]
    )
    _changing: dict[Definition, bool] = field(default_factory=dict[Definition, bool])
    _expressions: dict[tuple[Derived, Use, Bindings], Value] = field(
        default_factory=dict["tuple[Derived, Use, Bindings]", "Value"]
    )
    _items_of: dict[tuple[values.ContainerValue, Value | None, Bindings], list[Value]] = field(
        default_factory=dict["tuple[values.ContainerValue, Value | None, Bindings]", "list[Value]"]
    )
    _keyed_items: dict[tuple[values.ContainerValue, Bindings], dict[Value, list[tuple[ast.expr, Use]]]] = field(
        default_factory=dict["tuple[values.ContainerValue, Bindings]", "dict[Value, list[tuple[ast.expr, Use]]]"]
    )
    _named_attributes: dict[Definition, dict[str, list[Definition]]] = field(
        default_factory=dict["Definition", "dict[str, list[Definition]]"]
    )
    _open_calls: set[tuple[Value, Bindings]] = field(default_factory=set["tuple[Value, Bindings]"])
    _cuts: int = 0
    _depth: int = 0

    # Expressions

    def value(self, expr: Derived | None, use: Use) -> Value:
        """Evaluate an expression."""
        if expr is None:
            return UNKNOWN
        if not isinstance(expr, _WORTH_KEEPING):
            return self._deeper(expr, use)
        # Cached: each call evaluates its receiver more than once, and so on down a chain of calls.
        key = (expr, use, self._frame_of(use.scope) if self._frames else ())
        if key not in self._expressions:
            cuts = self._cuts
            found = self._deeper(expr, use)
            if self._cuts != cuts:  # it is part of a cycle, and has another value if the cycle is entered elsewhere
                return found
            self._expressions[key] = found
        return self._expressions[key]

    def _deeper(self, expr: Derived, use: Use) -> Value:
        if self._depth > MAX_EXPRESSION_DEPTH:
            return self._cut()
        self._depth += 1
        try:
            return self._value(expr, use)
        finally:
            self._depth -= 1

    def _cut(self) -> Value:
        """The result for an expression whose evaluation needs itself."""
        self._cuts += 1
        return UNKNOWN

    def _value(self, expr: Derived, use: Use) -> Value:
        match expr:
            case ast.Name(name):
                return self.defined(self.lookup.name(use, name))
            case ast.Attribute(base, attr):
                return self._attribute_of(base, attr, use)
            case ast.Constant(value):
                return literal(value)
            case ast.Call():
                return self.call(expr, use)
            case ast.Subscript(base, index):
                return self.subscript(self.value(base, use), index, use)
            case ast.JoinedStr(parts):
                return joined([self._formatted(part, use) for part in parts])
            case ast.BinOp(left, operator, right):
                if isinstance(operator, ast.BitOr):
                    return UNKNOWN
                return calculated(operator, self.value(left, use), self.value(right, use))
            case _:
                return self._composite(expr, use)

    def _composite(self, expr: Derived, use: Use) -> Value:
        match expr:
            case ast.IfExp(_, first, second):
                return merged([self.value(first, use), self.value(second, use)])
            case ast.BoolOp(_, parts):
                return merged([self.value(part, use) for part in parts])
            case ast.Tuple() | ast.List() | ast.Set() | ast.Dict():
                return values.ContainerValue(expr, use)
            case ast.UnaryOp(ast.USub(), operand):
                return negated(self.value(operand, use))
            case ast.UnaryOp(ast.UAdd(), operand):
                return self.value(operand, use)
            case ast.NamedExpr(_, inner) | ast.Await(inner):
                return self.value(inner, use)
            case ast.Lambda():
                return values.LambdaRef(expr, use)
            case Element() | Part():
                return self._in_turn(expr, use)
            case Rest():
                return self._rest(expr, use)
            case _:
                return UNKNOWN

    def _formatted(self, part: ast.expr, use: Use) -> Value:
        match part:
            case ast.FormattedValue(inner, conversion, None) if conversion in {-1, ord("s")}:
                return self._printed(self.value(inner, use))
            case ast.FormattedValue():
                return UNKNOWN
            case _:
                return self.value(part, use)

    # Names

    def defined(self, sources: tuple[Source, ...]) -> Value:
        """The value of a name with these definitions."""
        if len(sources) == 1:
            return self._source(sources[0])
        # If there is a value, a branch that only annotates the name adds nothing.
        valued = [each for each in sources if not _only_annotates(each)] or list(sources)
        return merged([self._source(each) for each in valued]) if valued else UNKNOWN

    def _source(self, source: Source) -> Value:
        if isinstance(source, DynamicMember):
            return self._dynamic(source)
        if not isinstance(source, Definition):
            return source
        key = (source, self._frame_of(source.scope) if self._frames else ())
        if key in self._values:
            return self._values[key]
        if key in self._active:
            return self._cut()
        self._active.add(key)
        try:
            found = self._binding(source)
        finally:
            self._active.discard(key)
        if isinstance(found, values.ContainerValue) and found.definition is None:
            found = replace(found, definition=source)
        elif found == NOT_UPNEXT and (self._is_fed(source) or self.is_filled(source, HELD)):
            found = UNKNOWN
        if self.is_filled(source):
            found = UNKNOWN
        self._values[key] = found
        return found

    def is_filled(self, definition: Definition, part: str = "") -> bool:
        """Whether another file stores something of upnext under a module's name, or in a part of it."""
        return definition.scope.kind == "module" and f"{definition.name}{part}" in self.filled(definition.file)

    def _is_fed(self, definition: Definition) -> bool:
        """Whether a method of a name's value receives something that can be of upnext, and may keep it."""
        scope = definition.scope
        calls = [each for each in scope.fed if _root(each.func) == definition.name]
        return any(self.may_be_upnext(scope, each.value) for one in calls for each in plain_arguments(one, Use(scope)))

    def _frame_of(self, scope: Scope | None) -> Bindings:
        found: list[tuple[str, Value]] = []
        while scope is not None:
            found += self._frames.get(scope, ())
            scope = scope.parent
        return tuple(found)

    def _dynamic(self, member: DynamicMember) -> Value:
        """What a module's `__getattr__` returns for a name."""
        module = self.lookup.load(member.file)
        for each in module.scope.definitions.get("__getattr__", ()) if module else ():
            found = self.defined((each,))
            if isinstance(found, values.FunctionRef | values.LambdaRef):
                return self.returned(found, self._bound(found, [values.Constant(member.name)], {}))
        return UNKNOWN

    def _binding(self, definition: Definition) -> Value:
        use = definition.use
        match definition.binding:
            case Assignment(ast.Name(name), _) if name == definition.name:
                return self.defined(self.lookup.name(use, name, without=definition))
            case Assignment(value, annotation):
                found = UNKNOWN if value is None else self.value(value, use)
                vague = isinstance(found, values.Unknown | values.NotUpnext) or found == values.Constant(None)
                annotated = self.typed(annotation, use) if vague and annotation is not None else UNKNOWN
                return found if annotated == UNKNOWN else annotated
            case FunctionDefinition():
                return self._decorated(values.FunctionRef(definition))
            case ClassDefinition():
                return values.ClassRef(definition)
            case ParameterDefinition(annotation, receiver):
                return self._parameter(definition, annotation, receiver)
            case _:
                return UNKNOWN

    def _parameter(self, definition: Definition, annotation: ast.expr | None, receiver: str) -> Value:
        scope = definition.scope
        bound = dict(self._frames.get(scope, ())).get(definition.name)
        if bound is not None:
            return bound
        if receiver and scope.parent is not None:
            owner = self.class_of(scope.parent)
            if owner is not None:
                return values.Instance(owner, is_self=True) if receiver == "self" else owner
        if annotation is None or scope.parent is None:
            return UNKNOWN
        return self.typed(annotation, Use(scope.parent))

    def class_of(self, scope: Scope) -> values.ClassRef | None:
        """The class whose body a scope is."""
        for each in scope.parent.classes if scope.parent is not None else ():
            if isinstance(each.binding, ClassDefinition) and each.binding.node is scope.node:
                return values.ClassRef(each)
        return None

    # Annotations

    def typed(self, annotation: ast.expr | None, use: Use) -> Value:
        """What is known about a name only by its annotation."""
        annotation = None if annotation is None else unquoted(annotation)
        match annotation:
            case ast.BinOp(_, ast.BitOr(), _):
                return self._either(alternatives(annotation), use)
            case ast.Subscript(base, index):
                return self._generic(base, index, use)
            case ast.Constant() | None:
                return UNKNOWN
            case _:
                cls = self.value(annotation, use)
                return UNKNOWN if public_name(cls) in _ANYTHING else self.made(cls)

    def _either(self, sides: list[ast.expr], use: Use) -> Value:
        return merged([self.typed(side, use) for side in sides if not is_none(side)])

    def _generic(self, base: ast.expr, index: ast.expr, use: Use) -> Value:
        found = self.value(base, use)
        name = found.name.rpartition(".")[2] if isinstance(found, ExternalName) else ""
        items = list(index.elts) if isinstance(index, ast.Tuple) else [index]
        if name in _TRANSPARENT:
            return self.typed(items[0], use) if items else UNKNOWN
        return self._either(items, use) if name == "Union" else self.made(found)

    def made(self, cls: Value) -> Value:
        """The value of an object of a class, when nothing else is known about it."""
        if is_worker_class(self, cls):
            return values.WorkerValue(None, cls if isinstance(cls, values.ClassRef) else None)
        if is_event_class(self, cls):
            return values.EventValue(None)
        if is_task_class(self, cls):
            return values.TaskValue(None)
        if isinstance(cls, values.ClassRef):
            return values.Instance(cls)
        return NOT_UPNEXT if isinstance(cls, ExternalName) else UNKNOWN

    # Attributes

    def attribute(self, owner: Value, attr: str, use: Use) -> Value:
        """The value of `owner.attr`."""
        match owner:
            case ModuleRef() | ExternalName():
                if attr == "__dict__" and isinstance(owner, ModuleRef):
                    return owner
                return self.defined(self.lookup.attribute(owner, attr, use.file))
            case values.ClassRef():
                return self._described(self.class_attribute(owner, attr))
            case values.Instance(cls):
                found = self._instance_attribute(owner, attr)
                if found == NOT_UPNEXT:
                    asked = self._asked(cls, "__getattr__", values.Constant(attr))
                    return asked or (UNKNOWN if self._has(self.ancestors(cls), "__getattr__") else found)
                return self._inherited(cls, attr, use) if isinstance(found, values.Unknown) else found
            case values.MemberValue(_, name, value):
                return {"value": value, "_value_": value, "name": values.Constant(name)}.get(attr, UNKNOWN)
            case values.Namespace(items):
                return self.item(items, values.Constant(attr))
            case values.NotUpnext() | values.Constant() | values.FunctionRef() | values.ContainerValue():
                # None is only a placeholder for a later value.
                return UNKNOWN if owner == values.Constant(None) else NOT_UPNEXT
            case _:
                return self._upnext_attribute(owner, attr)

    def _described(self, found: Value) -> Value:
        """The result of a class attribute with a `__get__`."""
        if not isinstance(found, values.Instance):
            return found
        return self._asked(found.cls, "__get__") or found

    def _asked(self, cls: values.ClassRef, method: str, *given: Value) -> Value | None:
        """The result of a special method of a class, None if there is none."""
        function = self._method(cls, method)
        if function is None:
            return None
        found = self.returned(function, self._bound(function, list(given), {}))
        # Which event it is depends on the object.
        return values.EventValue(None) if isinstance(found, values.EventValue) else found

    def _method(self, cls: values.ClassRef, name: str) -> values.FunctionRef | None:
        for each in self.ancestors(cls):
            found = self._own_attribute(each, name) if isinstance(each, values.ClassRef) else None
            if found is not None:
                return found if isinstance(found, values.FunctionRef) else None
        return None

    def _attribute_of(self, base: ast.expr, attr: str, use: Use) -> Value:
        owner = self.value(base, use)
        found = self.attribute(owner, attr, use)
        if found != NOT_UPNEXT:
            return found
        if any(self.is_filled(each, part) for each in self._named(base, owner, use) for part in (f".{attr}", HELD)):
            return UNKNOWN
        return self._assigned_to(base, attr, use)

    def _named(self, base: ast.expr, owner: Value, use: Use, depth: int = 0) -> Iterator[Definition]:
        """The definitions behind an expression, also under other names, and those of its classes."""
        for each in self.lookup.path(use, base):
            if isinstance(each, Definition):
                yield each
                value = each.binding.value if isinstance(each.binding, Assignment) else None
                if isinstance(value, ast.Name | ast.Attribute) and depth < _DEEPEST_LOOP:
                    yield from self._named(value, UNKNOWN, each.use, depth + 1)
        cls = owner.cls if isinstance(owner, values.Instance) else owner
        above = self.ancestors(cls) if isinstance(cls, values.ClassRef) else []
        yield from (one.definition for one in above if isinstance(one, values.ClassRef))

    def _assigned_to(self, base: ast.expr, attr: str, use: Use) -> Value:
        """What the defining file assigns to an attribute of a name, as far as it matters; which one is unknown."""
        found: list[Definition] = []
        for source in self.lookup.path(use, base):
            if isinstance(source, Definition):
                if source not in self._named_attributes:
                    self._named_attributes[source] = assigned_by_name(source)
                found += self._named_attributes[source].get(attr, ())
        if not found:
            return NOT_UPNEXT
        value = self._abstract(self.defined(tuple(found)))
        return UNKNOWN if isinstance(value, values.EventValue) else value

    def _upnext_attribute(self, owner: Value, attr: str) -> Value:
        match owner:
            case values.Sender(inner):
                methods = _EVENT_METHODS - _DECLARING if isinstance(inner, values.EventValue) else _TASK_METHODS
                return values.Method(inner, attr) if attr in methods else NOT_UPNEXT
            case values.Ambiguous("event" | "worker", events):
                if attr in _EVENT_METHODS - _DECLARING:
                    return values.Ambiguous("send", events)
                return owner if attr in {"on", "event"} else NOT_UPNEXT
            case values.WorkerValue(_, cls):
                if attr == "events":
                    return values.EventTable(owner)
                overriding = NOT_UPNEXT if cls is None else self._own(cls, attr)
                if attr in WORKER_METHODS and not isinstance(overriding, values.FunctionRef):
                    return values.Method(owner, attr)
                return overriding
            case values.TaskValue():
                return values.Method(owner, attr) if attr in _TASK_METHODS else NOT_UPNEXT
            case (values.EventValue() as event) | values.HandlerValue(event):
                return values.Method(event, attr) if attr in _EVENT_METHODS else NOT_UPNEXT
            case values.Method() | values.Attachment() if attr == "__call__":
                return owner
            case _:
                return UNKNOWN

    def _inherited(self, cls: values.ClassRef, attr: str, use: Use) -> Value:
        """What an external base class may have put into an object: nothing that makes it an event."""
        if is_worker_class(self, cls):
            return self.attribute(values.WorkerValue(None), attr, use)
        return NOT_UPNEXT if attr == "on" else UNKNOWN

    def _own(self, cls: values.ClassRef, attr: str) -> Value:
        found = self._instance_attribute(values.Instance(cls), attr)
        return NOT_UPNEXT if isinstance(found, values.Unknown) else found

    def class_attribute(self, cls: values.ClassRef, attr: str) -> Value:
        """The value of `Class.attr`."""
        ancestors = self.ancestors(cls)
        is_enum = any(public_name(each) in _ENUMS for each in ancestors)
        for owner in ancestors:
            if not isinstance(owner, values.ClassRef):
                continue
            found = self._own_attribute(owner, attr)
            if found is None:
                continue
            plain = values.FunctionRef | values.HandlerValue | values.ClassRef | values.MemberValue
            if is_enum and not isinstance(found, plain):
                made = self._has(ancestors, "__new__")
                value = UNKNOWN if made else self._member_value(owner, attr, found, ancestors)
                return values.MemberValue(owner, attr, value)
            return found
        closed = all(
            isinstance(each, values.ClassRef) or public_name(each).startswith("builtins.") for each in ancestors
        )
        return self._by_metaclass(ancestors, attr) if closed else UNKNOWN

    def _by_metaclass(self, ancestors: list[Value], attr: str) -> Value:
        """The value of an attribute or item of a class that a metaclass of the project has or makes up."""
        for each in self.metaclasses([each for each in ancestors if isinstance(each, values.ClassRef)]):
            if self._has(self.ancestors(each), attr):
                return NOT_UPNEXT
            name = values.Constant(attr)
            asked = self._asked(each, "__getattr__", name) or self._asked(each, "__getitem__", name)
            if asked is not None:
                return asked
        return NOT_UPNEXT

    def metaclasses(self, classes: list[values.ClassRef]) -> Iterator[values.ClassRef]:
        """Yield the project's metaclasses of classes."""
        for each in classes:
            for keyword in class_node(each).keywords:
                found = self.value(keyword.value, Use(each.definition.scope, keyword.value.lineno))
                if keyword.arg == "metaclass" and isinstance(found, values.ClassRef):
                    yield found

    def _own_attribute(self, cls: values.ClassRef, attr: str) -> Value | None:
        body = self.body_of(cls)
        if not reaching_definitions(body.definitions.get(attr, ()), END, ()):
            return None
        return self.defined(self.lookup.name(Use(body), attr))

    def _has(self, ancestors: list[Value], *names: str) -> bool:
        """Whether one of the project's own classes among these defines one of these names."""
        own = [each for each in ancestors if isinstance(each, values.ClassRef)]
        return any(self._own_attribute(each, name) is not None for each in own for name in names)

    def _instance_attribute(self, owner: values.Instance, attr: str) -> Value:
        """The value of `self.attr` or `object.attr`: of upnext, but unknown, if a method assigns it."""
        for each in self.ancestors(owner.cls):
            assigned = self._assigned(each, attr) if isinstance(each, values.ClassRef) else None
            if isinstance(assigned, values.EventValue | values.HandlerValue):
                return values.EventValue(None)
            if assigned is not None:
                return assigned
        found = self._described(self.class_attribute(owner.cls, attr))
        if isinstance(found, values.FunctionRef) and _is_property(found):
            found = self.returned(found)
            return values.EventValue(None) if isinstance(found, values.EventValue) else found
        if isinstance(found, values.EventValue) and owner.is_self:
            return values.EventValue(None)  # A subclass may override it.
        return found

    def _assigned(self, cls: values.ClassRef, attr: str) -> Value | None:
        found = self.assigned_by_methods(cls).get(attr)
        return self.defined(tuple(found)) if found else None

    def assigned_by_methods(self, cls: values.ClassRef) -> dict[str, list[Definition]]:
        """What the methods of a class assign to attributes of their objects."""
        found = self._by_methods.get(cls)
        if found is None:
            found = self._by_methods[cls] = {}
            for name, definition in self._method_assignments(self.body_of(cls)):
                found.setdefault(name, []).append(definition)
        return found

    def _method_assignments(self, body: Scope) -> Iterator[tuple[str, Definition]]:
        for function in body.functions:
            scope = body.module.body_of(function)
            for target, definition in scope.attributes:
                if scope.receiver and isinstance(target.value, ast.Name) and target.value.id == scope.receiver:
                    yield target.attr, definition

    def _member_value(self, cls: values.ClassRef, attr: str, found: Value, ancestors: list[Value]) -> Value:
        definitions = self.body_of(cls).definitions.get(attr, ())
        binding = definitions[-1].binding if definitions else None
        if isinstance(binding, Assignment) and isinstance(binding.value, ast.Call):
            func = self.value(binding.value.func, Use(self.body_of(cls)))
            if isinstance(func, ExternalName) and func.name == "enum.auto":
                own = self._has(ancestors, "_generate_next_value_")
                textual = not own and any(public_name(each) == "enum.StrEnum" for each in ancestors)
                return values.Constant(attr.lower()) if textual else UNKNOWN
        return found

    # Classes

    def body_of(self, ref: values.ClassRef | values.FunctionRef) -> Scope:
        """The scope of a class's or function's body."""
        return ref.definition.scope.module.body_of(ref.definition)

    def ancestors(self, cls: Value) -> list[Value]:
        """A class and all of its ancestors, each once, nearest first."""
        if cls not in self._ancestors:
            self._ancestors[cls] = self._above(cls)
        return self._ancestors[cls]

    def _above(self, cls: Value) -> list[Value]:
        found: dict[Value, None] = {}
        waiting = [cls]
        while waiting:
            current = waiting.pop()
            if current in found:
                continue
            found[current] = None
            if isinstance(current, values.ClassRef):
                waiting += reversed(self._bases_of(current))
        return list(found)

    def _bases_of(self, cls: values.ClassRef) -> list[Value]:
        found = self._bases.get(cls)
        if found is None:
            use = Use(cls.definition.scope, cls.definition.line)
            found = [self.value(base, use) for base in class_node(cls).bases]
            if not self._active:  # Within a cycle of definitions, the value of a name is not known yet.
                self._bases[cls] = found
        return found

    # Strings

    def text(self, given: Argument | None) -> str | None:
        """The known text of an argument (also of a member of an enum of strings)."""
        if given is None:
            return None
        found = self._as_text(self.value(given.value, given.use))
        value = found.value if isinstance(found, values.Constant) else None
        return value if isinstance(value, str) else None

    def _as_text(self, value: Value) -> Value:
        """A value as a string: a member of an enum of strings is its own value."""
        if not isinstance(value, values.MemberValue):
            return value
        textual = {"builtins.str", "enum.StrEnum"} & {public_name(each) for each in self.ancestors(value.cls)}
        return value.value if textual else UNKNOWN

    def _printed(self, value: Value) -> Value:
        """The formatted form of a value: a member of an enum is its value only where every Python agrees."""
        if not isinstance(value, values.MemberValue):
            return value
        ancestors = self.ancestors(value.cls)
        changed = self._has(ancestors, "__str__", "__format__")
        textual = {"enum.StrEnum", "enum.ReprEnum"} & {public_name(each) for each in ancestors}
        return value.value if textual and not changed else UNKNOWN

    def _text_call(self, func: ast.Attribute, call: ast.Call, use: Use) -> Value | None:
        """The result of `"...".format(...)` or `"...".join(...)`, None for any other call."""
        base = self.value(func.value, use)
        if not isinstance(base, values.Constant) or not isinstance(base.value, str):
            return None
        rule = self._format if func.attr == "format" else self._join
        return rule(base.value, call, use)

    def _format(self, template: str, call: ast.Call, use: Use) -> Value:
        parts = [(each.keyword, self._printed(self.value(each.value, use))) for each in plain_arguments(call, use)]
        named = {keyword: part for keyword, part in parts if keyword}
        if named.keys() & {"*", "**"}:
            return UNKNOWN
        return formatted(template, [part for keyword, part in parts if not keyword], named)

    def _join(self, separator: str, call: ast.Call, use: Use) -> Value:
        given = plain_arguments(call, use)
        found = self.value(given[0].value, use) if [each.keyword for each in given] == [""] else UNKNOWN
        if not isinstance(found, values.ContainerValue) or not isinstance(found.node, ast.List | ast.Tuple):
            return UNKNOWN
        items = found.node.elts[:_MOST_ITEMS]
        return strung(separator, [self._as_text(self.value(item, found.use)) for item in items])

    # Calls

    def call(self, call: ast.Call, use: Use) -> Value:
        """The result of a call."""
        func = call.func
        if isinstance(func, ast.Attribute):
            if func.attr in {"format", "join"}:
                text = self._text_call(func, call, use)
                if text is not None:
                    return text
            elif func.attr in _ITEM_METHODS and call.args:
                base = self.value(func.value, use)
                if isinstance(base, values.ContainerValue):
                    return self.item(base, self.value(call.args[0], use))
                if isinstance(base, ModuleRef) or base == ExternalName("sys.modules"):  # of a module, its `__dict__`
                    return self.subscript(base, call.args[0], use)
        if isinstance(func, ast.Call) and len(call.args) == 1 and (named := self._gotten(func, call.args[0], use)):
            return named
        found = self.value(func, use)
        return self._called(self.called_function(found) if isinstance(found, values.Instance) else found, call, use)

    def _gotten(self, getter: ast.Call, owner: ast.expr, use: Use) -> Value | None:
        """The result of `attrgetter("name")(owner)` or `itemgetter(key)(owner)`, None for any other call."""
        if len(getter.args) != 1 or getter.keywords:
            return None
        match self.value(getter.func, use):
            case ExternalName("operator.itemgetter"):
                return self.subscript(self.value(owner, use), getter.args[0], use)
            case ExternalName("operator.attrgetter"):
                path = self._as_text(self.value(getter.args[0], use))
                found = self.value(owner, use)
                if not isinstance(path, values.Constant) or not isinstance(path.value, str):
                    return UNKNOWN
                for attr in path.value.split("."):
                    found = self.attribute(found, attr, use)
                return found
            case _:
                return None

    def _called(self, func: Value, call: ast.Call, use: Use) -> Value:
        match func:
            case values.Method(owner, name):
                return self._method_called(owner, name, call, use)
            case values.TaskDecorator(owner, options):
                return self._task(owner, options, call, use)
            case values.Attachment(event):
                # Without a handler yet: `partial(event.on, retries=2)()`.
                return self._handler(event, call, use) or func
            case values.PartialSend() | values.Ambiguous("send") | values.NotUpnext():
                return UNKNOWN if self._is_given_event(call, use) else NOT_UPNEXT
            case values.FunctionRef() | values.LambdaRef() | values.PartialFunction():
                return self._of_own_worker(self._result(func, call, use), call, use)
            case values.HandlerValue(_, values.FunctionRef() as function):
                return self.returned(function)
            case values.Ambiguous("event" | "worker"):
                makes = func.kind == "worker" and isinstance(call.func, ast.Attribute) and call.func.attr == "event"
                return values.EventValue(None, reported=True) if makes else func
            case _ if is_worker_class(self, func):
                own = func if isinstance(func, values.ClassRef) else None
                return values.WorkerValue(self.worker_name(call, func, use), own)
            case ExternalName(name):
                return self._external(name, call, use)
            case _:
                return self.made(func)

    def _of_own_worker(self, made: Value, call: ast.Call, use: Use) -> Value:
        """The result of a worker class's own `event`: an event of the worker that it is called on."""
        func = call.func
        if not isinstance(made, values.EventValue) or not isinstance(func, ast.Attribute) or func.attr != "event":
            return made
        owner = self.value(func.value, use)
        return replace(made, worker=owner.name or "") if isinstance(owner, values.WorkerValue) else made

    def _method_called(
        self, owner: values.WorkerValue | values.EventValue | values.TaskValue, name: str, call: ast.Call, use: Use
    ) -> Value:
        if isinstance(owner, values.WorkerValue):
            if name == "cron":  # its first argument is not a function
                return values.TaskDecorator(owner, call, use)
            return self.event(owner, call, use) if name == "event" else self._task(owner, call, call, use)
        if name in {"options", "within"}:
            return values.Sender(owner)
        if name == "on" and isinstance(owner, values.EventValue):
            return self._handler(owner, call, use) or values.Attachment(owner, call, use)
        return NOT_UPNEXT

    def _handler(self, event: values.EventValue, call: ast.Call, use: Use) -> Value | None:
        given = self.handler_of(call, use)
        if given is None:
            return None
        return values.HandlerValue(event, function_of(self.value(given.value, given.use)))

    def _task(self, worker: values.WorkerValue, options: ast.Call, call: ast.Call, use: Use) -> Value:
        given = self.handler_of(call, use)
        if given is None:
            return values.TaskDecorator(worker, options, use)
        target = function_of(self.value(given.value, given.use))
        return values.TaskValue(self.task_name(options, use, target), worker.name or "", target)

    def task_name(self, options: ast.Call | None, use: Use, target: Value) -> str | None:
        """The name of a task: the given one, or the function's."""
        given = argument(options, use, "name", END) if options is not None else None
        if given is not None and not is_none(given.value):
            return self.text(given)
        return target.definition.name if isinstance(target, values.FunctionRef) else None

    def event(self, worker: values.WorkerValue, call: ast.Call, use: Use) -> values.EventValue:
        """The result of `worker.event(...)`."""
        name = self.text(argument(call, use, "name"))
        return values.EventValue(name, worker.name or "", reported=name is None)

    def worker_name(self, call: ast.Call, cls: Value, use: Use) -> str | None:
        """The name in `Worker(...)`, or the one that a subclass sets."""
        if isinstance(cls, values.ClassRef):
            return self._own_name(call, cls, use)
        return self.text(argument(call, use, "name"))

    def _own_name(self, call: ast.Call, cls: values.ClassRef, use: Use) -> str | None:
        body = self.body_of(cls)
        init = next((each for each in body.functions if each.name == "__init__"), None)
        if init is None or not isinstance(init.binding, FunctionDefinition):
            return self._inherited_name(call, cls, use)
        scope = body.module.body_of(init)
        calls = (each for one in scope.expressions for each, _ in inner_scopes_and_calls(one.node, scope))
        upward = next((each for each in calls if isinstance(each, ast.Call) and _is_super(each)), None)
        passed = None if upward is None else argument(upward, Use(scope), "name")
        if passed is None:
            return None
        parameters = [each.arg for each in arguments_of(init.binding.node)]
        if isinstance(passed.value, ast.Name) and passed.value.id in parameters[1:]:
            return self.text(argument(call, use, passed.value.id, parameters.index(passed.value.id) - 1))
        return self.text(passed)

    def _inherited_name(self, call: ast.Call, cls: values.ClassRef, use: Use) -> str | None:
        bases = (self.value(base, Use(cls.definition.scope, cls.definition.line)) for base in class_node(cls).bases)
        workers = (each for each in bases if is_worker_class(self, each))
        return next((self.worker_name(call, each, use) for each in workers), None)

    def _external(self, name: str, call: ast.Call, use: Use) -> Value:
        args = [each.value for each in plain_arguments(call, use) if each.keyword == ""]
        match name:
            case "builtins.getattr" if len(args) >= 2:
                attr = self._as_text(self.value(args[1], use))
                text = attr.value if isinstance(attr, values.Constant) else None
                return self._attribute_of(args[0], text, use) if isinstance(text, str) else UNKNOWN
            case "builtins.super" if not args:
                return self._above_receiver(use)
            case "builtins.type" if len(args) == 1 and isinstance(self.value(args[0], use), values.EventValue):
                return ExternalName("upnext.Event")
            case "builtins.globals" | "builtins.locals" | "builtins.vars" if not args and (
                name == "builtins.globals" or use.scope.kind == "module"
            ):
                return ModuleRef(self.lookup.modules.name_of(use.file), use.file)
            case "builtins.eval" if args:
                return self._evaluated(args[0], use)
            case "builtins.staticmethod" | "builtins.vars" | "enum.member" | "enum.nonmember" if args:
                return self.value(args[0], use)
            case "importlib.import_module" | "builtins.__import__" | "importlib.__import__":
                return self._imported(name, call, use)
            case "types.SimpleNamespace" | "builtins.dict" if call.keywords and not args:
                return self._keyed(name, call, use)
            case "dataclasses.field":
                return self._default(call, use)
            case _:
                return self._made_from(name, args, call, use)

    def _evaluated(self, given: ast.expr, use: Use) -> Value:
        """The result of `eval` of a known text."""
        text = self._as_text(self.value(given, use))
        if not isinstance(text, values.Constant) or not isinstance(text.value, str):
            return UNKNOWN
        try:
            found = ast.parse(text.value.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return UNKNOWN
        return self.value(found, use) if isinstance(found, ast.Name | ast.Attribute) else UNKNOWN

    def _made_from(self, name: str, args: list[ast.expr], call: ast.Call, use: Use) -> Value:
        """What external functions and classes make of their arguments."""
        last = name.rpartition(".")[2]
        match name:
            case _ if name in _LOADERS and args:
                return self._at_path(args[0], use)
            case _ if name in _COPIES and len(args) == 1 and not call.keywords:
                found = self.value(args[0], use)
                return found if isinstance(found, values.ContainerValue) else UNKNOWN
            case _ if last in {"cast", "partial"} and len(args) >= (2 if last == "cast" else 1):
                return self.value(args[1], use) if last == "cast" else self._partial(args[0], call, use)
            case _:
                opaque = name in OPAQUE or (name not in _PLAIN and self._is_given_event(call, use))
                return UNKNOWN if opaque else self.made(ExternalName(name))

    def _is_given_event(self, call: ast.Call, use: Use) -> bool:
        """Whether a call receives an event, or what attaches to one: its result may well be that or contain it."""
        given = [each for each in plain_arguments(call, use) if self.may_be_upnext(use.scope, each.value)]
        return any(self._holds_event(self.value(each.value, each.use)) for each in given) or self._is_taken(call, use)

    def _is_taken(self, call: ast.Call, use: Use) -> bool:
        """Whether a call is a method of a container with an event, such as `events.pop()`."""
        func = call.func
        if not isinstance(func, ast.Attribute) or func.attr not in _TAKING:
            return False
        if not self.may_be_upnext(use.scope, func.value):
            return False
        owner = self.value(func.value, use)
        return isinstance(owner, values.ContainerValue) and self._holds_event(owner)

    def _holds_event(self, value: Value) -> bool:
        return any(map(_is_of_event, contained(value, self.items)))

    def _default(self, call: ast.Call, use: Use) -> Value:
        """The value of a dataclass field if nothing else is given for it."""
        given = {each.keyword: self.value(each.value, use) for each in plain_arguments(call, use)}
        factory = given.get("default_factory", UNKNOWN)
        if isinstance(factory, values.FunctionRef | values.LambdaRef):
            return self.returned(factory)
        return given.get("default", UNKNOWN)

    def _above_receiver(self, use: Use) -> Value:
        """The value of `super()`, as far as it matters: the plain worker behind an object of a subclass."""
        scope = use.scope
        owner = self.class_of(scope.parent) if scope.receiver and scope.parent is not None else None
        return values.WorkerValue(None) if owner is not None and is_worker_class(self, owner) else NOT_UPNEXT

    def _imported(self, by: str, call: ast.Call, use: Use) -> Value:
        module = self.text(argument(call, use, "name"))
        if not module:
            return UNKNOWN
        rest = module.lstrip(".")
        if by.endswith("__import__") and argument(call, use, "fromlist", 3) is None:
            rest = rest.partition(".")[0]
        found = self.lookup.imported(use.file, len(module) - len(module.lstrip(".")), rest)
        return found or UNKNOWN

    def _at_path(self, given: ast.expr, use: Use) -> Value:
        """The value at a path in a text: `shop.bus:placed`, or `shop.bus.placed`."""
        text = self._as_text(self.value(given, use))
        path = text.value if isinstance(text, values.Constant) and isinstance(text.value, str) else ""
        module, _, rest = path.partition(":") if ":" in path else path.partition(".")
        found: Value = (self.lookup.imported(use.file, 0, module) if module else None) or UNKNOWN
        for attr in rest.split(".") if rest else ():
            found = self.attribute(found, attr, use)
        return found

    def _keyed(self, name: str, call: ast.Call, use: Use) -> Value:
        if any(each.arg is None for each in call.keywords):
            return UNKNOWN
        keys: list[ast.expr | None] = [ast.Constant(each.arg) for each in call.keywords]
        items = values.ContainerValue(ast.Dict(keys, [each.value for each in call.keywords]), use)
        return values.Namespace(items) if name == "types.SimpleNamespace" else items

    def _partial(self, target: ast.expr, call: ast.Call, use: Use) -> Value:
        inner = self.value(target, use)
        rest = ast.Call(call.func, call.args[1:], call.keywords, lineno=call.lineno, col_offset=call.col_offset)
        match inner:
            case values.Method(values.EventValue() as event, "on"):
                return values.Attachment(event, rest, use)
            case values.Method(_, attr) if attr in SENDS | SUBMITS:
                return values.PartialSend(inner, rest, use)
            case values.Method(values.WorkerValue(), "event") if not rest.args:
                return inner
            case values.FunctionRef() | values.LambdaRef():
                return values.PartialFunction(inner, self._bindings(inner, rest, use))
            case _:
                return UNKNOWN

    # Arguments

    def arguments(self, call: ast.Call, use: Use) -> tuple[Argument, ...]:
        """List the arguments of a call; unpacked ones count item by item where known."""
        found: list[Argument] = []
        for each in plain_arguments(call, use):
            items = self._unpacked(each) if each.keyword in {"*", "**"} else None
            found += [each] if items is None else items
        return tuple(found)

    def handler_of(self, call: ast.Call, use: Use) -> Argument | None:
        """The handler passed to `on`, or to its result; `None` counts as nothing."""
        given = next((each for each in self.arguments(call, use) if each.keyword in {"", "*"}), None)
        return None if given is None or is_none(given.value) else given

    def _unpacked(self, given: Argument) -> list[Argument] | None:
        found = self.value(given.value, given.use)
        if not isinstance(found, values.ContainerValue):
            return None
        match found.node:
            case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items) if given.keyword == "*":
                # A list under a name may have grown since.
                fixed = isinstance(found.node, ast.Tuple) or isinstance(given.value, ast.List | ast.Set)
                known = fixed and not any(isinstance(item, ast.Starred) for item in items)
                return [Argument("", item, found.use, given.node) for item in items] if known else None
            case ast.Dict(keys, items) if given.keyword == "**":
                names = [key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
                both = zip(names, items, strict=False)
                known = len(names) == len(keys)
                return [Argument(name, item, found.use, given.node) for name, item in both] if known else None
            case _:
                return None

    # Functions

    def _decorated(self, function: values.FunctionRef) -> Value:
        """The value of a decorated function's name: a handler of the outermost decorator's event, else the function.

        What another decorator makes of a handler is not known, so the event is not known then.
        """
        definition = function.definition
        for number, each in enumerate(function_node(function).decorator_list):
            if not self.may_be_upnext(definition.scope, each):
                continue
            found = self.value(each, Use(definition.scope, each.lineno, definition.branches))
            event = self.attached_by(found)
            if event is not None:
                return values.HandlerValue(event if number == 0 else values.EventValue(None), function)
            match found:
                case values.Method(values.WorkerValue() as worker, "task"):
                    return values.TaskValue(definition.name, worker.name or "", function)
                case values.TaskDecorator(worker, options, use):
                    return values.TaskValue(self.task_name(options, use, function), worker.name or "", function)
                case _:
                    pass
        return function

    def attached_by(self, decorator: Value) -> values.EventValue | None:
        """The event to which a decorator attaches functions, None if it attaches nothing."""
        match decorator:
            case values.Method(values.EventValue() as event, "on") | values.Attachment(event):
                return event
            case values.FunctionRef() | values.LambdaRef():
                found = self.attaching_calls(decorator)
                return found[0][0] if len(found) == 1 else None
            case values.Instance() | values.ClassRef():
                called = self.called_function(decorator)
                return None if called == decorator else self.attached_by(called)
            case _:
                return None

    def called_function(self, value: Value) -> Value:
        """What a call of a class, object or partial runs: `__init__`, `__call__`, the function; others themselves."""
        match value:
            case values.PartialFunction(function):
                return function
            case values.Instance(cls):
                found = self.class_attribute(cls, "__call__")
            case values.ClassRef():
                found = self.class_attribute(value, "__init__")
            case _:
                return value
        return found if isinstance(found, values.FunctionRef) else value

    def attaching_calls(
        self, function: values.FunctionRef | values.LambdaRef
    ) -> list[tuple[values.EventValue, ast.Call, Use]]:
        """The calls in a function that attach its parameter to an event, as in `def hook(f): return placed.on(f)`.

        Each comes with the call that holds the options.
        """
        scope = self._scope_of(function)
        if scope not in self._attaching:
            self._attaching[scope] = []  # A recursive call attaches nothing more.
            self._attaching[scope] = self._attaching_calls(scope)
        return self._attaching[scope]

    def _attaching_calls(self, scope: Scope) -> list[tuple[values.EventValue, ast.Call, Use]]:
        parameters = {
            name
            for name, found in scope.definitions.items()
            if isinstance(found[0].binding, ParameterDefinition) and not found[0].binding.receiver
        }
        result: list[tuple[values.EventValue, ast.Call, Use]] = []
        expressions = scope.expressions or scope.returns
        for each in expressions:
            for call, inner in inner_scopes_and_calls(each.node, scope):
                if not isinstance(call, ast.Call) or inner is not scope or not call.args:
                    continue
                if not isinstance(call.args[0], ast.Name) or call.args[0].id not in parameters:
                    continue
                use = Use(scope, call.lineno, each.branches)
                match self.value(call.func, use) if self.may_be_upnext(scope, call.func) else UNKNOWN:
                    case values.Method(values.EventValue() as event, "on"):
                        result.append((event, call, use))
                    case values.Attachment(event, options, made):
                        result.append((event, options, made))
                    case _:
                        pass
        return result

    def _scope_of(self, function: values.FunctionRef | values.LambdaRef) -> Scope:
        if isinstance(function, values.FunctionRef):
            return self.body_of(function)
        return function.use.scope.module.inline(function.node, function.use.scope)

    def _result(
        self, func: values.FunctionRef | values.LambdaRef | values.PartialFunction, call: ast.Call, use: Use
    ) -> Value:
        if isinstance(func, values.PartialFunction):
            later = self._bindings(func.function, call, use, {name for name, _ in func.bindings})
            return self.returned(func.function, _sorted({**dict(func.bindings), **dict(later)}))
        return self.returned(func, self._bindings(func, call, use))

    def _bindings(
        self,
        function: values.FunctionRef | values.LambdaRef,
        call: ast.Call,
        use: Use,
        taken: set[str] | frozenset[str] = frozenset(),
    ) -> Bindings:
        given = plain_arguments(call, use)
        if not given:
            return ()
        positional = [self._abstract(self.value(each.value, use)) for each in given if each.keyword == ""]
        named = {each.keyword: self._abstract(self.value(each.value, use)) for each in given if each.keyword}
        return self._bound(function, positional, named, taken)

    def _abstract(self, value: Value) -> Value:
        """The relevant part of an argument: which event a function receives is unknown, since it may receive others."""
        match value:
            case values.EventValue() | values.HandlerValue():
                return values.EventValue(None)
            case values.Method(values.EventValue(), name):
                return values.Method(values.EventValue(None), name)
            case values.Attachment(_, call, use):
                return values.Attachment(values.EventValue(None), call, use)
            case values.Constant() | values.WorkerValue() | values.MemberValue() | values.Method():
                return value
            case _:
                return UNKNOWN

    def _bound(
        self,
        function: values.FunctionRef | values.LambdaRef,
        positional: list[Value],
        named: dict[str, Value],
        taken: set[str] | frozenset[str] = frozenset(),
    ) -> Bindings:
        node = function.node if isinstance(function, values.LambdaRef) else function_node(function)
        scope = self._scope_of(function)
        names = [
            each.arg
            for each in (*node.args.posonlyargs, *node.args.args)
            if each.arg not in taken and each.arg != scope.receiver
        ]
        found = dict(zip(names, positional, strict=False)) | named
        known = {each.arg for each in arguments_of(node)}
        return _sorted({name: value for name, value in found.items() if value != UNKNOWN and name in known})

    def returned(self, function: values.FunctionRef | values.LambdaRef, bindings: Bindings = ()) -> Value:
        """The result of a function call, by its `return` statements or else its annotation."""
        key = (function, bindings)
        if key in self._open_calls:
            return self._cut()
        if key not in self._returned:
            # Functions that call one another in a cycle are each evaluated once: there are as many ways round as
            # choices at every turn.
            self._returned[key] = UNKNOWN
            if len(self._frames) < _DEEPEST_CALL:
                self._open_calls.add(key)
                self._returned[key] = self._worked_out(function, bindings)
                self._open_calls.discard(key)
        return self._returned[key]

    def _worked_out(self, function: values.FunctionRef | values.LambdaRef, bindings: Bindings) -> Value:
        scope = self._scope_of(function)
        earlier = self._frames.get(scope)
        if bindings:
            self._frames[scope] = bindings
        try:
            result = self._returns(scope, decide=bool(bindings))
        finally:
            if earlier is not None:
                self._frames[scope] = earlier
            else:
                self._frames.pop(scope, None)
        if isinstance(result, values.Unknown) and isinstance(function, values.FunctionRef):
            node = function_node(function)
            if node.returns is not None:
                return self.typed(node.returns, Use(function.definition.scope))
        return result

    def _returns(self, scope: Scope, *, decide: bool) -> Value:
        found: list[Value] = []
        for each in scope.returns:
            reached = self._is_reached(scope, each.branches) if decide else None
            if reached is False:
                continue
            found.append(self.value(each.node, Use(scope, each.node.lineno if decide else END, each.branches)))
            if reached:
                break
        return merged(found) if found else UNKNOWN

    def _is_reached(self, scope: Scope, branches: tuple[tuple[int, int], ...]) -> bool | None:
        """Whether the branches of a function are taken, None if unknown."""
        verdicts: list[bool | None] = []
        for branch in branches:
            for test, wanted in scope.tests.get(branch, [(ast.Name("?"), True)]):
                truth = self._truth(test, Use(scope, test.lineno)) if branch in scope.tests else None
                verdicts.append(None if truth is None else truth is wanted)
        if False in verdicts:
            return False
        return None if None in verdicts else True

    def _truth(self, test: ast.expr, use: Use) -> bool | None:
        match test:
            case ast.Compare(left, [ast.Eq() | ast.NotEq() as operator], [right]):
                one, other = self.value(left, use), self.value(right, use)
                if isinstance(one, values.Constant) and isinstance(other, values.Constant):
                    return (one == other) is isinstance(operator, ast.Eq)
                return None
            case ast.Compare(left, [ast.In() | ast.NotIn() as operator], [right]):
                one, container = self.value(left, use), self.value(right, use)
                if not isinstance(one, values.Constant) or not isinstance(container, values.ContainerValue):
                    return None
                keys = [self.value(key, container.use) for key in _keys(container.node)]
                if one in keys:
                    return isinstance(operator, ast.In)
                return None if values.UNKNOWN in keys else isinstance(operator, ast.NotIn)
            case ast.UnaryOp(ast.Not(), operand):
                truth = self._truth(operand, use)
                return None if truth is None else not truth
            case _:
                return None

    # Containers and loops

    def subscript(self, base: Value, index: ast.expr, use: Use) -> Value:
        """The value of `base[index]`."""
        match base:
            case values.ContainerValue():
                return self.item(base, self.value(index, use))
            case values.EventTable(worker):
                name = self._as_text(self.value(index, use))
                text = name.value if isinstance(name, values.Constant) else None
                return values.EventValue(text if isinstance(text, str) else None, worker.name or "")
            case ModuleRef():
                return self._keyed_attribute(base, index, use)
            case values.ClassRef() if isinstance(index, ast.Constant):
                made = self._asked(base, "__class_getitem__", self.value(index, use))
                return self._keyed_attribute(base, index, use) if made is None else made
            case ExternalName("sys.modules"):
                return self._module_named(self._as_text(self.value(index, use)), use)
            case values.Instance(cls):
                return self._asked(cls, "__getitem__", self.value(index, use)) or UNKNOWN
            case ExternalName() | values.ClassRef():
                return base
            case _:
                return base if isinstance(base, values.NotUpnext) else UNKNOWN

    def _module_named(self, name: Value, use: Use) -> Value:
        """The value of `sys.modules[name]`."""
        if isinstance(name, values.Constant) and isinstance(name.value, str) and name.value:
            return self.lookup.imported(use.file, 0, name.value) or UNKNOWN
        return UNKNOWN

    def _keyed_attribute(self, base: Value, index: ast.expr, use: Use) -> Value:
        name = self.value(index, use)
        text = name.value if isinstance(name, values.Constant) else None
        return self.attribute(base, text, use) if isinstance(text, str) else base

    def item(self, container: values.ContainerValue, key: Value) -> Value:
        """The value at an index or key; one of several if unknown."""
        return self._asked_once(container, key, lambda: [self._item(container, key)])[0]

    def _asked_once(
        self, container: values.ContainerValue, key: Value | None, work_out: Callable[[], list[Value]]
    ) -> list[Value]:
        """Evaluate the contents of a container, or one of its keys, once.

        Of `found["a"] = make(found["b"])` and so on in a cycle each is asked once, as functions are.
        """
        asked = (container, key, self._frame_of(container.use.scope) if self._frames else ())
        if asked not in self._items_of:
            self._items_of[asked] = [UNKNOWN]
            self._items_of[asked] = work_out()
        return self._items_of[asked]

    def _item(self, container: values.ContainerValue, key: Value) -> Value:
        node, use = container.node, container.use
        if isinstance(key, values.Constant | values.MemberValue):
            plain = key.value if isinstance(key, values.MemberValue) else key
            if not isinstance(node, ast.Dict):
                number = plain.value if isinstance(plain, values.Constant) else None
                found = _numbered(node, number)
                return UNKNOWN if found is None else self.value(found, use)
            keyed = self._by_key(container)
            found_under = [one for each in dict.fromkeys((key, plain)) for one in keyed.get(each, ())]
            if found_under:
                return merged([self.value(*each) for each in found_under])
        events = events_of(self.items(container))
        return values.Ambiguous("event", events) if events else UNKNOWN

    def _by_key(self, container: values.ContainerValue) -> dict[Value, list[tuple[ast.expr, Use]]]:
        """The value of each key of a dict: assigned later, or else in the literal."""
        asked = (container, self._frame_of(container.use.scope) if self._frames else ())
        if asked not in self._keyed_items:
            found = self._keyed_items[asked] = dict[Value, "list[tuple[ast.expr, Use]]"]()
            assigned: dict[Value, list[tuple[ast.expr, Use]]] = {}
            for target, value, at in self._assigned_items(container):
                assigned.setdefault(self.value(target.slice, at), []).append((value, at))
            node = container.node
            pairs = list(zip(node.keys, node.values, strict=True))[:_MOST_ITEMS] if isinstance(node, ast.Dict) else ()
            written = [(self.value(key, container.use), value) for key, value in pairs if key is not None]
            found.update({key: [(value, container.use)] for key, value in written} | assigned)
        return self._keyed_items[asked]

    def items(self, container: values.ContainerValue) -> list[Value]:
        """All known contents of a container."""

        def work_out() -> list[Value]:
            items = container.node.values if isinstance(container.node, ast.Dict) else container.node.elts
            found = [self.value(item, container.use) for item in items[:_MOST_ITEMS]]
            return [*found, *(self.value(value, at) for _, value, at in self._assigned_items(container))]

        return self._asked_once(container, None, work_out)

    def _assigned_items(self, container: values.ContainerValue) -> Iterator[tuple[ast.Subscript, ast.expr, Use]]:
        """Values assigned to items of a container by its name, anywhere in the file that binds it."""
        definition = container.definition
        if definition is None:
            return
        module = definition.scope.module
        if not re.search(rf"{re.escape(definition.name)}\s*\[", module.text.text):
            return
        for scope in module.scopes():
            for target, value, use in scope.items:
                if isinstance(target.value, ast.Name) and target.value.id == definition.name:
                    yield target, value, use

    def _in_turn(self, expr: Element | Part, use: Use) -> Value:
        """The value bound by a loop or an unpacking; unknown if it differs between iterations."""
        found = [self.value(*each) for each in self.turns(expr, use) if each != (expr, use)]
        value = merged(found)
        vague = value in {UNKNOWN, NOT_UPNEXT} or isinstance(value, values.Ambiguous)
        return value if vague or len(set(found)) == 1 else UNKNOWN

    def turns(self, expr: Derived, use: Use, depth: int = 0) -> list[tuple[Derived, Use]]:
        """The values of an expression in the iterations of the loop that binds it.

        It is the expression itself where there is no loop, or where it cannot be known what the loop goes through.
        """
        itself: list[tuple[Derived, Use]] = [(expr, use)]
        if depth > _DEEPEST_LOOP:
            return itself
        match expr:
            case ast.Name(name):
                found = self.lookup.name(use, name)
                definition = found[0] if len(found) == 1 else None
                binding = definition.binding if isinstance(definition, Definition) else None
                value = binding.value if isinstance(binding, Assignment) else None
                if not isinstance(definition, Definition) or not isinstance(value, Element | Part | ast.Name):
                    return itself
                result = self.turns(value, definition.use, depth + 1)
                return itself if result == [(value, definition.use)] else result
            case Element(of):
                items = self._looped(of, use, depth + 1)
                return [one for each in items for one in self.turns(*each, depth + 1)][:_MOST_TURNS] or itself
            case Part(of, number):
                parts = [self._part(*each, number) for each in self.turns(of, use, depth + 1)]
                return [each or (_NOTHING, use) for each in parts] if any(parts) else itself
            case _:
                return itself

    def _part(self, expr: Derived, use: Use, number: int) -> tuple[Derived, Use] | None:
        found = self.value(expr, use)
        if not isinstance(found, values.ContainerValue) or isinstance(found.node, ast.Dict):
            return None
        item = _numbered(found.node, number)
        return None if item is None else (item, found.use)

    def _looped(self, of: Derived, use: Use, depth: int) -> list[tuple[Derived, Use]]:
        """The iterated values of a loop, nothing if unknown."""
        match of:
            case ast.Call(ast.Attribute(base, "items" | "keys" | "values" as part), [], []):
                of = base
            case _:
                part = "keys"
        found: list[tuple[Derived, Use]] = []
        for each in self.turns(of, use, depth):
            container = self.value(*each)
            if not isinstance(container, values.ContainerValue) or self._changes(container):
                return []
            found += self._looped_items(container, part, depth)
        return found

    def _looped_items(self, container: values.ContainerValue, part: str, depth: int) -> list[tuple[Derived, Use]]:
        node, use = container.node, container.use
        if isinstance(node, ast.Dict):
            pairs = [(key, value) for key, value in zip(node.keys, node.values, strict=True) if key is not None]
            return [({"keys": key, "values": value}.get(part, _pair(key, value)), use) for key, value in pairs]
        found: list[tuple[Derived, Use]] = []
        for each in node.elts:
            if isinstance(each, ast.Starred):
                found += self._looped(each.value, use, depth + 1) or [(_NOTHING, use)]
            else:
                found.append((each, use))
        return found

    def _changes(self, container: values.ContainerValue) -> bool:
        """Whether something is bound to a name to which more is added."""
        definition = container.definition
        if definition is None or isinstance(container.node, ast.Tuple):
            return False
        if definition not in self._changing:
            self._changing[definition] = self.is_filled(definition, HELD) or _is_changed(definition)
        return self._changing[definition]

    def _rest(self, expr: Rest, use: Use) -> Value:
        """The part of an unpacking bound to a starred target: the items in the middle, as a list."""
        found = self.value(expr.of, use)
        if not isinstance(found, values.ContainerValue) or isinstance(found.node, ast.Dict):
            return UNKNOWN
        items = found.node.elts
        if any(isinstance(each, ast.Starred) for each in items):
            return UNKNOWN
        kept = ast.List(items[expr.before : len(items) - expr.behind], ast.Load())
        return values.ContainerValue(ast.copy_location(kept, found.node), found.use)

    # What is attached

    def attached(self, expr: ast.expr, use: Use) -> list[tuple[Value, ...]]:
        """What a call attaches: one function per iteration of a surrounding loop, with its possible values."""
        return [self._functions(*each) for each in self.turns(expr, use)]

    def _functions(self, expr: Derived, use: Use, depth: int = 0) -> tuple[Value, ...]:
        """What is attached: one function, or one for each branch that binds the name; else whatever it is."""
        found: list[Value] = []
        match expr:
            case ast.IfExp(_, first, second):
                found = [*self._functions(first, use), *self._functions(second, use)]
            case ast.BoolOp(_, parts):
                found = [one for part in parts for one in self._functions(part, use)]
            case ast.Name(name) if depth < _DEEPEST_CALL:
                found = self._bound_to(self.lookup.name(use, name), depth)
            case ast.Attribute(base, attr) if isinstance(owner := self.value(base, use), ModuleRef):
                found = self._bound_to(self.lookup.attribute(owner, attr, use.file), depth)
            case _:
                pass
        functions = [each for each in found if isinstance(each, values.FunctionRef | values.ClassRef)]
        return tuple(dict.fromkeys(functions)) or (function_of(self.value(expr, use)),)

    def _bound_to(self, sources: tuple[Source, ...], depth: int) -> list[Value]:
        result: list[Value] = []
        for each in sources:
            binding = each.binding if isinstance(each, Definition) else None
            value = binding.value if isinstance(binding, Assignment) else None
            if not isinstance(each, Definition) or value is None:
                result.append(function_of(self.defined((each,))))
            elif isinstance(value, ast.Call) and _is_given(value, each.name) and depth < _DEEPEST_CALL:
                # `f = cached(f)`, as a decorator would do.
                result += self._bound_to(self.lookup.name(each.use, each.name, without=each), depth + 1)
            else:
                result += self._functions(value, each.use, depth + 1)
        return result


_NOTHING = ast.Slice()
"""Stands for what cannot be known."""


def alternatives(expr: ast.expr) -> list[ast.expr]:
    """The sides of `a | b | c`, found without recursion, since Python's tree is as deep as there are sides."""
    found: list[ast.expr] = []
    while isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.BitOr):
        found.append(expr.right)
        expr = expr.left
    return [expr, *reversed(found)]


def function_of(value: Value) -> Value:
    """The function behind a handler or task, and anything else unchanged."""
    match value:
        case values.HandlerValue(_, target):
            return target
        case values.TaskValue(_, _, target) if target is not None:
            return target
        case _:
            return value


def class_node(ref: values.ClassRef) -> ast.ClassDef:
    """The `class` statement of a class."""
    binding = ref.definition.binding
    assert isinstance(binding, ClassDefinition)
    return binding.node


def function_node(ref: values.FunctionRef) -> ast.FunctionDef | ast.AsyncFunctionDef:
    """The `def` of a function."""
    binding = ref.definition.binding
    assert isinstance(binding, FunctionDefinition)
    return binding.node


def _root(expr: ast.expr) -> str:
    """The name at the beginning of `name.attribute[item]`, "" if there is none."""
    while isinstance(expr, ast.Attribute | ast.Subscript):
        expr = expr.value
    return expr.id if isinstance(expr, ast.Name) else ""


def assigned_by_name(source: Definition) -> dict[str, list[Definition]]:
    """What the defining file assigns to attributes of the name."""
    name, module = source.name, source.scope.module
    found: dict[str, list[Definition]] = {}
    if re.search(rf"\b{re.escape(name)}\s*\.\s*\w+\s*[:=]|\bsetattr\s*\(\s*{re.escape(name)}\b", module.text.text):
        for target, definition in (each for scope in module.scopes() for each in scope.attributes):
            if isinstance(target.value, ast.Name) and target.value.id == name:
                found.setdefault(target.attr, []).append(definition)
    return found


def _sorted(bindings: dict[str, Value]) -> Bindings:
    return tuple(sorted(bindings.items(), key=lambda each: each[0]))


def _only_annotates(source: Source) -> bool:
    binding = source.binding if isinstance(source, Definition) else None
    return isinstance(binding, Assignment) and binding.value is None


def _is_super(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(ast.Call(ast.Name("super")), "__init__"):
            return True
        case _:
            return False


def _is_changed(definition: Definition) -> bool:
    """Whether the file calls a method of the name that modifies a container."""
    module = definition.scope.module
    if not re.search(rf"{re.escape(definition.name)}\s*\.\s*(?:{'|'.join(_CHANGING)})", module.text.text):
        return False
    calls = (each.func for each in walk(module.tree) if isinstance(each, ast.Call))
    return any(
        isinstance(func, ast.Attribute)
        and func.attr in _CHANGING
        and isinstance(func.value, ast.Name)
        and func.value.id == definition.name
        for func in calls
    )


def _is_property(function: values.FunctionRef) -> bool:
    decorators = function_node(function).decorator_list
    last = {each.id if isinstance(each, ast.Name) else getattr(each, "attr", "") for each in decorators}
    return bool(last & {"property", "cached_property", "setter", "deleter"})


def _is_given(call: ast.Call, name: str) -> bool:
    found = [*call.args, *(each.value for each in call.keywords)]
    return any(isinstance(each, ast.Name) and each.id == name for each in found)


def _numbered(node: ast.Tuple | ast.List | ast.Set, number: object) -> ast.expr | None:
    items = node.elts
    if not isinstance(number, int) or any(isinstance(each, ast.Starred) for each in items):
        return None
    return items[number] if -len(items) <= number < len(items) else None


def _keys(node: ast.Tuple | ast.List | ast.Set | ast.Dict) -> list[ast.expr]:
    return [key for key in node.keys if key is not None] if isinstance(node, ast.Dict) else node.elts


def _pair(key: ast.expr, value: ast.expr) -> ast.Tuple:
    return ast.Tuple([key, value], ast.Load())


def _is_of_event(value: Value) -> bool:
    match value:
        case values.EventValue() | values.HandlerValue() | values.Attachment() | values.Ambiguous("event"):
            return True
        case values.WorkerValue() | ModuleRef():
            return True
        case values.Method(_, name):
            return name == "on"
        case _:
            return False
