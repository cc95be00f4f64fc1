"""Expressions to values: which event, worker, string or function an expression stands for, without running it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen.names import values
from upnext_codegen.names.arguments import argument, handler_of
from upnext_codegen.names.constants import calculated, joined
from upnext_codegen.names.displays import in_turn, item
from upnext_codegen.names.givers import GIVE_ANYTHING
from upnext_codegen.names.handled import decorated, function_of
from upnext_codegen.names.lookup import Bound, Definition, Lookup, Spot
from upnext_codegen.names.members import as_text, class_attribute, instance_attribute, printed
from upnext_codegen.names.modules import ModuleRef, Outside
from upnext_codegen.names.ours import is_event_class, is_worker_class
from upnext_codegen.names.suspicion import FIRST
from upnext_codegen.names.texts import text_call
from upnext_codegen.names.values import FOREIGN, NOTHING, Value, merged
from upnext_codegen.reading import facts
from upnext_codegen.reading.textual import parsed_annotation

if TYPE_CHECKING:
    from upnext_codegen.names.arguments import Given
    from upnext_codegen.names.values import ClassRef, EventValue, FunctionRef, WorkerValue

_DEEPEST = 80


@dataclass(slots=True)
class Evaluator:
    """Works out values, and keeps those of names.

    Attributes:
        lookup: Finds names.
        suspects: The names that something of ours can go by.
    """

    lookup: Lookup
    suspects: frozenset[str] = FIRST
    _bound: dict[tuple[str, int, facts.Binding], Value] = field(
        default_factory=dict[tuple[str, int, facts.Binding], Value]
    )
    _active: set[tuple[str, int, facts.Binding]] = field(default_factory=set[tuple[str, int, facts.Binding]])
    _ancestors: dict[Value, list[Value]] = field(default_factory=dict["Value", "list[Value]"])
    _returned: dict[FunctionRef, Value] = field(default_factory=dict["FunctionRef", Value])
    _depth: int = 0

    def value(self, expr: facts.Expr | None, spot: Spot) -> Value:
        """Work out an expression."""
        if expr is None or self._depth > _DEEPEST:
            return NOTHING
        self._depth += 1
        try:
            return self._value(expr, spot)
        finally:
            self._depth -= 1

    def _value(self, expr: facts.Expr, spot: Spot) -> Value:
        match expr:
            case facts.Const(value):
                return values.Constant(value)
            case facts.Name(name):
                return self.defined(self.lookup.name(spot, name))
            case facts.Attr(base, attr):
                return self.attribute(self.value(base, spot), attr, spot)
            case facts.Call():
                return self.call(expr, spot)
            case facts.Joined(parts):
                return joined([self.value(part, spot) for part in parts])
            case facts.Formatted(inner):
                return printed(self, self.value(inner, spot))
            case facts.Binary(op, left, right):
                return calculated(op, self.value(left, spot), self.value(right, spot))
            case _:
                return self._composite(expr, spot)

    def _composite(self, expr: facts.Expr, spot: Spot) -> Value:
        match expr:
            case facts.Choice(first, second):
                return merged([self.value(first, spot), self.value(second, spot)])
            case facts.Display() | facts.Mapping():
                return values.Shown(expr, spot)
            case facts.Negative(operand):
                inner = self.value(operand, spot)
                number = inner.value if isinstance(inner, values.Constant) else None
                return values.Constant(-number) if isinstance(number, int | float) else NOTHING
            case facts.Subscript(base, index):
                return self.subscript(self.value(base, spot), index, spot)
            case facts.Element() | facts.Part():
                return in_turn(self, expr, spot)
            case _:
                return NOTHING

    def defined(self, definitions: tuple[Definition, ...]) -> Value:
        """What a name is that is defined in these places."""
        # Beside a value, an arm that only annotates the name says nothing new.
        valued = [each for each in definitions if not _only_annotates(each)] or list(definitions)
        return merged([self._definition(each) for each in valued]) if valued else NOTHING

    def _definition(self, definition: Definition) -> Value:
        if not isinstance(definition, Bound):
            return definition
        key = (definition.file, definition.scope, definition.binding)
        if key in self._bound:
            return self._bound[key]
        if key in self._active:
            return NOTHING
        self._active.add(key)
        try:
            found = self._binding(definition)
        finally:
            self._active.discard(key)
        self._bound[key] = found
        return found

    def _binding(self, bound: Bound) -> Value:
        file, scope, binding = bound
        spot = Spot(file, scope, binding.line, binding.arms)
        match binding.what:
            case facts.Assigned(facts.Name(name)) if name == binding.name:
                return self.defined(self.lookup.name(spot, name, without=binding))
            case facts.Assigned(value, annotation):
                found = NOTHING if value is None else self.value(value, spot)
                vague = isinstance(found, values.Nothing) or found == FOREIGN or found == values.Constant(None)
                return self.typed(annotation, spot) if vague and annotation is not None else found
            case facts.DefinedFunction(index):
                return decorated(self, values.FunctionRef(file, index))
            case facts.DefinedClass(index):
                return values.ClassRef(file, index)
            case facts.Parameter(annotation, receiver):
                return self._parameter(bound, annotation, receiver)
            case _:
                return NOTHING

    def _parameter(self, bound: Bound, annotation: facts.Expr | None, receiver: str) -> Value:
        known = self.lookup.load(bound.file)
        if known is None:
            return NOTHING
        scope = known.scopes[bound.scope]
        if receiver:
            owner = values.ClassRef(bound.file, known.scopes[scope.parent].owner)
            return values.Instance(owner, is_self=True) if receiver == "self" else owner
        return NOTHING if annotation is None else self.typed(annotation, Spot(bound.file, scope.parent))

    def typed(self, annotation: facts.Expr | None, spot: Spot) -> Value:
        """What is known of a name by its annotation only."""
        match annotation:
            case facts.Const(str() as text):
                return self.typed(parsed_annotation(text), spot)
            case facts.Binary("|", left, right):
                return self._either([left, right], spot)
            case facts.Subscript(base, index):
                return self._generic(base, index, spot)
            case facts.Const() | None:
                return NOTHING
            case _:
                return self.made(self.value(annotation, spot))

    def _either(self, sides: list[facts.Expr], spot: Spot) -> Value:
        return merged([self.typed(side, spot) for side in sides if side != facts.Const(None)])

    def _generic(self, base: facts.Expr, index: facts.Expr, spot: Spot) -> Value:
        found = self.value(base, spot)
        name = found.name.rpartition(".")[2] if isinstance(found, Outside) else ""
        items: list[facts.Expr] = list(index.items) if isinstance(index, facts.Display) else [index]
        if name in {"Annotated", "Final", "ClassVar", "Optional", "Required", "NotRequired"}:
            return self.typed(items[0], spot) if items else NOTHING
        return self._either(items, spot) if name == "Union" else self.made(found)

    def made(self, cls: Value) -> Value:
        """What an object of a class is, when nothing else is known of it."""
        if is_worker_class(self, cls):
            return values.WorkerValue(None, cls if isinstance(cls, values.ClassRef) else None)
        if is_event_class(self, cls):
            return values.EventValue(None)
        if isinstance(cls, values.ClassRef):
            return values.Instance(cls)
        return FOREIGN if isinstance(cls, Outside) else NOTHING

    def attribute(self, owner: Value, attr: str, spot: Spot) -> Value:
        """What `owner.attr` is."""
        match owner:
            case ModuleRef() | Outside():
                return self.defined(self.lookup.attribute(owner, attr, spot.file))
            case values.ClassRef():
                return class_attribute(self, owner, attr)
            case values.Instance(cls):
                found = instance_attribute(self, owner, attr)
                return self._inherited(cls, attr, spot) if isinstance(found, values.Nothing) else found
            case values.WorkerValue(_, cls):
                if attr == "events":
                    return values.EventTable(owner)
                return self._method(owner, attr, "event") if cls is None or attr == "event" else self._own(cls, attr)
            case (values.EventValue() as event) | values.Handled(event):
                return self._method(event, attr, "on")
            case values.Member(_, name, value):
                return {"value": value, "_value_": value, "name": values.Constant(name)}.get(attr, NOTHING)
            case values.Doubtful("event" | "worker"):
                return owner if attr in {"on", "event"} else FOREIGN
            case values.Foreign() | values.Constant() | values.FunctionRef() | values.Shown():
                # None only holds the place of what is put there later.
                return NOTHING if owner == values.Constant(None) else FOREIGN
            case _:
                return NOTHING

    def _inherited(self, cls: ClassRef, attr: str, spot: Spot) -> Value:
        """What another package's class in the bases may have put into an object: that makes it no event."""
        if is_worker_class(self, cls):
            return self.attribute(values.WorkerValue(None), attr, spot)
        return FOREIGN if attr == "on" else NOTHING

    def _method(self, owner: WorkerValue | EventValue, attr: str, wanted: str) -> Value:
        return values.Method(owner, attr) if attr == wanted else FOREIGN

    def _own(self, cls: ClassRef, attr: str) -> Value:
        found = instance_attribute(self, values.Instance(cls), attr)
        return FOREIGN if isinstance(found, values.Nothing) else found

    def subscript(self, base: Value, index: facts.Expr, spot: Spot) -> Value:
        """What `base[index]` is."""
        match base:
            case values.Shown():
                return item(self, base, self.value(index, spot))
            case values.EventTable(worker):
                name = self.value(index, spot)
                text = name.value if isinstance(name, values.Constant) else None
                return values.EventValue(text if isinstance(text, str) else None, worker.name or "")
            case Outside() | values.ClassRef():
                return base if not self._is_enum_lookup(base, index) else self._enum_item(base, index, spot)
            case _:
                return base if isinstance(base, values.Foreign) else NOTHING

    def _is_enum_lookup(self, base: Value, index: facts.Expr) -> bool:
        return isinstance(base, values.ClassRef) and isinstance(index, facts.Const)

    def _enum_item(self, base: Value, index: facts.Expr, spot: Spot) -> Value:
        name = self.value(index, spot)
        text = name.value if isinstance(name, values.Constant) else None
        return self.attribute(base, text, spot) if isinstance(text, str) else base

    def call(self, call: facts.Call, spot: Spot) -> Value:
        """What a call returns."""
        text = text_call(self, call, spot)
        if text is not None:
            return text
        func = self.value(call.func, spot)
        match func:
            case values.Method(owner, "event") if isinstance(owner, values.WorkerValue):
                return self.event(owner, call, spot)
            case values.Method(owner, "on") if isinstance(owner, values.EventValue):
                return self._handled(owner, call, spot) or values.Attachment(owner, call, spot)
            case values.Attachment(event):
                # Without a handler yet: `partial(event.on, retries=2)()`.
                return self._handled(event, call, spot) or func
            case (values.FunctionRef() as function) | values.Handled(_, values.FunctionRef() as function):
                return self.returned(function)
            case values.Doubtful("event" | "worker"):
                told = func.kind == "worker" and isinstance(call.func, facts.Attr) and call.func.attr == "event"
                return values.EventValue(None, told=True) if told else func
            case values.Foreign():
                return FOREIGN
            case _ if is_worker_class(self, func):
                own = func if isinstance(func, values.ClassRef) else None
                return values.WorkerValue(self.worker_name(call, func, spot), own)
            case Outside(name):
                return self._outside(name, call, spot)
            case _:
                return self.made(func)

    def _handled(self, event: EventValue, call: facts.Call, spot: Spot) -> Value | None:
        given = handler_of(self, call, spot)
        return None if given is None else values.Handled(event, function_of(self.value(given.value, given.spot)))

    def event(self, worker: WorkerValue, call: facts.Call, spot: Spot) -> EventValue:
        """What `worker.event(...)` makes."""
        name = self.text(argument(call, "name"), spot)
        return values.EventValue(name, worker.name or "", told=name is None)

    def worker_name(self, call: facts.Call, cls: Value, spot: Spot) -> str | None:
        """The name in `Worker(...)`, or the one that a subclass gives itself."""
        given = argument(call, "name")
        if isinstance(cls, values.ClassRef):
            return self._own_name(call, cls, spot)
        return self.text(given, spot)

    def _own_name(self, call: facts.Call, cls: ClassRef, spot: Spot) -> str | None:
        known = self.lookup.load(cls.file)
        if known is None:
            return None
        body = known.classes[cls.index].body
        init = next((each for each in known.functions if each.scope == body and each.name == "__init__"), None)
        if init is None:
            return self._inherited_name(call, cls, spot)
        upward = next((site.call for site in known.sites if site.scope == init.body and _is_super(site.call)), None)
        passed = None if upward is None else argument(upward, "name")
        if passed is None:
            return None
        formals = [formal.name for formal in init.parameters]
        if isinstance(passed.value, facts.Name) and passed.value.id in formals[1:]:
            return self.text(argument(call, passed.value.id, formals.index(passed.value.id) - 1), spot)
        return self.text(passed, Spot(cls.file, init.body))

    def _inherited_name(self, call: facts.Call, cls: ClassRef, spot: Spot) -> str | None:
        known = self.lookup.load(cls.file)
        own = known.classes[cls.index] if known else None
        for base in own.bases if own else ():
            found = self.value(base, Spot(cls.file, own.scope, own.line)) if own else NOTHING
            if is_worker_class(self, found):
                return self.worker_name(call, found, spot)
        return None

    def text(self, given: facts.Argument | Given | None, spot: Spot) -> str | None:
        """A string that an argument is known to be (also when it is a member of an enum of strings)."""
        if given is None:
            return None
        found = as_text(self, self.value(given.value, spot))
        value = found.value if isinstance(found, values.Constant) else None
        return value if isinstance(value, str) else None

    def ancestors(self, cls: Value) -> list[Value]:
        """A class and everything it inherits from, each once, nearest first."""
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
            known = self.lookup.load(current.file) if isinstance(current, values.ClassRef) else None
            if isinstance(current, values.ClassRef) and known is not None:
                own = known.classes[current.index]
                spot = Spot(current.file, own.scope, own.line)
                waiting += [self.value(base, spot) for base in reversed(own.bases)]
        return list(found)

    def returned(self, function: FunctionRef) -> Value:
        """What a call of a function returns, as its `return` statements or else its annotation say."""
        if function not in self._returned:
            # Of functions that call one another in a circle each is asked once: there are as many ways round as there
            # are choices at every turn.
            self._returned[function] = NOTHING
            self._returned[function] = self._worked_out(function)
        return self._returned[function]

    def _worked_out(self, function: FunctionRef) -> Value:
        own = self.lookup.function(function.file, function.index)
        if own is None:
            return NOTHING
        found: list[Value] = []
        if own.body >= 0 and own.returns:
            found = [self.value(each, Spot(function.file, own.body)) for each in own.returns]
        result = merged(found) if found else NOTHING
        if isinstance(result, values.Nothing) and own.annotation is not None:
            return self.typed(own.annotation, Spot(function.file, own.scope))
        return result

    def _outside(self, name: str, call: facts.Call, spot: Spot) -> Value:
        args = [arg.value for arg in call.args if arg.keyword == ""]
        last = name.rpartition(".")[2]
        if name == "builtins.getattr" and len(args) >= 2:
            attr = self.value(args[1], spot)
            text = attr.value if isinstance(attr, values.Constant) else None
            return self.attribute(self.value(args[0], spot), text, spot) if isinstance(text, str) else NOTHING
        if name == "builtins.staticmethod" and args:
            return self.value(args[0], spot)
        if name == "importlib.import_module" and len(call.args) == 1:
            module = self.text(call.args[0], spot)
            return (self.lookup.modules.find(module, spot.file) if module else None) or NOTHING
        if last in {"cast", "partial"} and len(args) >= (2 if last == "cast" else 1):
            inner = self.value(args[1 if last == "cast" else 0], spot)
            if last == "cast":
                return inner
            if isinstance(inner, values.Method) and isinstance(inner.owner, values.EventValue):
                return values.Attachment(inner.owner, call._replace(args=call.args[1:]), spot)
        return NOTHING if name in GIVE_ANYTHING else self.made(Outside(name))


def _only_annotates(definition: Definition) -> bool:
    what = definition.binding.what if isinstance(definition, Bound) else None
    return isinstance(what, facts.Assigned) and what.value is None


def _is_super(call: facts.Call) -> bool:
    match call.func:
        case facts.Attr(facts.Call(facts.Name("super")), "__init__"):
            return True
        case _:
            return False
