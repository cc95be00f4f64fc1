"""Decides whether a function or class of the project attaches handlers to its argument."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from upnext_codegen.handlers.inside import leads, mentioned_names
from upnext_codegen.limits import MAX_CALLS_INWARD
from upnext_codegen.names import values
from upnext_codegen.names.contained import contained
from upnext_codegen.names.evaluator import Argument, class_node, function_node, plain_arguments
from upnext_codegen.names.modules import ExternalName, ModuleRef
from upnext_codegen.names.scopes import Assignment, Use, arguments_of

if TYPE_CHECKING:
    from upnext_codegen.handlers.inside import InnerCall, Insides
    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.scopes import Definition, Scope

_BUILTINS = """
    bool bytes callable delattr dict enumerate float format frozenset getattr hasattr hash id int isinstance issubclass
    len list object open ord print range repr reversed round set setattr slice str sum super tuple vars zip
"""
_CALLING_NOTHING = frozenset(f"builtins.{name}" for name in _BUILTINS.split())
"""Functions of Python that call no function that they are given."""
_Function: TypeAlias = "values.FunctionRef | values.LambdaRef"
_FUNCTIONS = values.FunctionRef | values.LambdaRef
_NAMED = ast.Name | ast.Attribute | ast.Subscript | ast.Call


@dataclass(slots=True)
class AttachedInside:
    """Decides whether a callee attaches handlers to its arguments.

    Attributes:
        evaluator: Knows the values of names.
        insides: What stands in functions.
    """

    evaluator: Evaluator
    insides: Insides
    _asked: dict[tuple[_Function, frozenset[str]], int] = field(
        default_factory=dict["tuple[_Function, frozenset[str]]", int]
    )
    """Functions that attach nothing to these of their parameters, and from which depth on that is known."""

    def by_call(self, func: values.Value, call: ast.Call, use: Use) -> bool:
        """Whether a call attaches handlers to an event that it receives, or to one of a module or worker."""
        if isinstance(func, values.PartialFunction | values.Instance):
            func = self.evaluator.called_function(func)
        if not isinstance(func, _FUNCTIONS | values.ClassRef) and len(call.args) + len(call.keywords) < 2:
            return False  # Code outside the project needs both an event and a function.
        if isinstance(func, ExternalName) and func.name in _CALLING_NOTHING:
            return False
        given = [each for each in plain_arguments(call, use) if self._is_upnext(each)]
        if not given:
            return False
        if isinstance(func, values.ClassRef):
            return self._by_class(func, given, call)
        if isinstance(func, _FUNCTIONS):
            return self._by_function(func, filled_parameters(self.evaluator, func, given, call), 0)
        # Code outside the project may call any of its other arguments.
        return any(self._by_whatever(each) for each in plain_arguments(call, use) if each not in given)

    def by_method(self, owner: ast.expr, methods: Iterable[str], given: tuple[ast.expr, ...], use: Use) -> bool:
        """Whether a method that Python calls implicitly attaches handlers to an event that it receives."""
        if isinstance(owner, ast.Constant):
            return False
        relevant = [
            Argument("", each, use, each)
            for each in given
            if isinstance(each, _NAMED) and self._is_upnext_here(each, use)
        ]
        found = self.evaluator.value(owner, use) if relevant else None
        if not isinstance(found, values.Instance):
            return False
        call = ast.Call(owner, [*given], [])
        functions = [self.evaluator.class_attribute(found.cls, name) for name in methods]
        return any(
            self._by_function(each, filled_parameters(self.evaluator, each, relevant, call), 0)
            for each in functions
            if isinstance(each, values.FunctionRef)
        )

    def by_class_statement(self, cls: values.ClassRef) -> bool:
        """Whether the bases or the metaclass of a class attach handlers to one of its events."""
        # The body of the class comes first: it rarely needs another file, whereas the bases do.
        around = Use(cls.definition.scope, cls.definition.line)
        given = {one.arg for one in class_node(cls).keywords if one.arg and self._is_upnext_here(one.value, around)}
        has_own = any(map(self._is_event_of_class, self.evaluator.body_of(cls).definitions.values()))
        if not given and not has_own:
            return False
        above = [each for each in self.evaluator.ancestors(cls)[1:] if isinstance(each, values.ClassRef)]
        made = [*self.evaluator.metaclasses([cls, *above])]
        functions = [one for each in above for one in self.evaluator.body_of(each).functions]
        called = [one for one in functions if one.name == "__init_subclass__"]
        if any(self._any_method(each, None) for each in made):
            return True
        for one in called:
            receiver = one.scope.module.body_of(one).receiver
            if self._by_function(values.FunctionRef(one), given | {receiver} if has_own else given, 0):
                return True
        return False

    def _is_event_of_class(self, definitions: list[Definition]) -> bool:
        found = definitions[-1]
        value = found.binding.value if isinstance(found.binding, Assignment) else None
        if isinstance(value, ast.expr) and not self.evaluator.may_be_upnext(found.scope, value):
            return False
        return value is not None and self._holds(self.evaluator.defined((found,)))

    def _is_upnext(self, given: Argument) -> bool:
        return self._is_upnext_here(given.value, given.use)

    def _is_upnext_here(self, expr: ast.expr, use: Use) -> bool:
        return self.evaluator.may_be_upnext(use.scope, expr) and self._holds(self.evaluator.value(expr, use))

    def _holds(self, value: values.Value) -> bool:
        return any(map(self._gives, contained(value, self.evaluator.items)))

    def _gives(self, value: values.Value) -> bool:
        match value:
            case values.EventValue() | values.HandlerValue() | values.WorkerValue() | ModuleRef() | values.EventTable():
                return True
            case values.Instance(cls):
                if not any(map(self._can_hold, self.evaluator.ancestors(cls))):
                    return False
                names = self.evaluator.body_of(cls).definitions
                found = [self.evaluator.class_attribute(cls, name) for name in names]
                assigned = self.evaluator.assigned_by_methods(cls).values()
                return any(map(self._is_event, [*found, *(self.evaluator.defined(tuple(each)) for each in assigned)]))
            case values.FunctionRef() as function if not self._can_give(function):
                return False
            case values.FunctionRef() | values.LambdaRef():
                return self._is_event(self.evaluator.returned(value))
            case _:
                return False

    def _can_hold(self, cls: values.Value) -> bool:
        """Whether a line of a class names anything that can be of upnext: a quick check that excludes most classes."""
        return isinstance(cls, values.ClassRef) and self.evaluator.may_be_upnext(cls.definition.scope, class_node(cls))

    def _can_give(self, function: values.FunctionRef) -> bool:
        return self.evaluator.may_be_upnext(function.definition.scope, function_node(function))

    @staticmethod
    def _is_event(value: values.Value) -> bool:
        return isinstance(value, values.EventValue | values.HandlerValue | values.WorkerValue)

    def _by_class(self, cls: values.ClassRef, given: list[Argument], call: ast.Call) -> bool:
        init = self.evaluator.called_function(cls)
        if not isinstance(init, values.FunctionRef):
            # A dataclass or similar: its fields are its arguments.
            return self._any_method(cls, {""})
        names = filled_parameters(self.evaluator, init, given, call)
        return self._by_function(init, names, 0) or self._any_kept(init, names)

    def _any_kept(self, function: values.FunctionRef, names: set[str]) -> bool:
        """Whether a method stores its argument in its object, and a method of the class attaches to that."""
        body = self.evaluator.body_of(function)
        if not names or not body.receiver or body.parent is None:
            return False
        inside = self.insides[function_node(function)]
        derived = inside.derived(names)
        kept = {
            _attribute_of(target, body.receiver)
            for target, mentioned in inside.kept
            if not mentioned.isdisjoint(derived)
        }
        kept.discard(None)
        owner = self.evaluator.class_of(body.parent)
        return bool(kept) and owner is not None and self._any_method(owner, {f".{each}" for each in kept})

    def _any_method(self, cls: values.ClassRef, attributes: set[str] | None) -> bool:
        """Whether a method attaches to one of these attributes of its object, or, for None, to any argument."""
        for each in self.evaluator.ancestors(cls):
            for function in self.evaluator.body_of(each).functions if isinstance(each, values.ClassRef) else ():
                found = values.FunctionRef(function)
                receiver = self.evaluator.body_of(found).receiver
                given = {one.arg for one in arguments_of(function_node(found))}
                names = given if attributes is None else {f"{receiver}{one}" for one in attributes}
                if self._by_function(found, names, MAX_CALLS_INWARD):
                    return True
        return False

    def _by_whatever(self, given: Argument) -> bool:
        found = self.evaluator.value(given.value, given.use)
        if isinstance(found, values.PartialFunction):
            found = found.function
        if not isinstance(found, _FUNCTIONS):
            return False
        node = found.node if isinstance(found, values.LambdaRef) else function_node(found)
        return self._by_function(found, {each.arg for each in arguments_of(node)}, MAX_CALLS_INWARD)

    def _by_function(self, function: _Function, names: set[str], depth: int) -> bool:
        """Whether a function attaches handlers to these parameters, or passes them to one that does."""
        key = (function, frozenset(names))
        if not names or self._asked.get(key, MAX_CALLS_INWARD + 1) <= depth:
            return False
        self._asked[key] = depth
        found = self._attaches_inside(function, names, depth)
        if found:
            del self._asked[key]
        return found

    def _attaches_inside(self, function: _Function, names: set[str], depth: int) -> bool:
        scope = self._scope_of(function)
        if scope.module.imports_upnext:
            return False  # It is reported in place.
        node = function.node if isinstance(function, values.LambdaRef) else function_node(function)
        inside = self.insides[node]
        derived = inside.derived(names)
        if any(leads(each, derived) for each in inside.attaching):
            return True
        if isinstance(function, values.FunctionRef) and depth == 0 and self._any_kept(function, names):
            return True
        if isinstance(function, values.FunctionRef) and self._by_registered(function, names, depth):
            return True
        calls = inside.calls if depth < MAX_CALLS_INWARD else []
        return any(self._by_inner_call(each, scope, derived, depth) for each in calls)

    def _by_registered(self, function: values.FunctionRef, names: set[str], depth: int) -> bool:
        """Whether a function does so that is registered with `functools.singledispatch` for the argument's class."""
        if "singledispatch" not in function.definition.scope.module.text.text:
            return False
        numbers = {number for number, each in enumerate(arguments_of(function_node(function))) if each.arg in names}
        for each in function.definition.scope.functions:
            other = values.FunctionRef(each)
            if any(_registers(one, function.definition.name) for one in function_node(other).decorator_list):
                given = {one.arg for number, one in enumerate(arguments_of(function_node(other))) if number in numbers}
                if self._by_function(other, given, depth + 1):
                    return True
        return False

    def _by_inner_call(self, inner: InnerCall, scope: Scope, derived: set[str], depth: int) -> bool:
        if inner.mentions.isdisjoint(derived):
            return False
        call, use = inner.node, Use(scope, inner.node.lineno)
        given = [each for each in plain_arguments(call, use) if not mentioned_names(each.value).isdisjoint(derived)]
        if not given:
            return False
        found = self.evaluator.value(call.func, use)
        if isinstance(found, values.Instance):
            found = self.evaluator.called_function(found)
        if isinstance(found, _FUNCTIONS):
            return self._by_function(found, filled_parameters(self.evaluator, found, given, call), depth + 1)
        if isinstance(found, values.ClassRef):
            return self._by_class(found, given, call)
        return any(self._by_whatever(each) for each in plain_arguments(call, use) if each not in given)

    def _scope_of(self, function: _Function) -> Scope:
        if isinstance(function, values.FunctionRef):
            return self.evaluator.body_of(function)
        return function.use.scope.module.inline(function.node, function.use.scope)


def _registers(decorator: ast.expr, name: str) -> bool:
    match decorator.func if isinstance(decorator, ast.Call) else decorator:
        case ast.Attribute(ast.Name(owner), "register"):
            return owner == name
        case _:
            return False


def filled_parameters(evaluator: Evaluator, function: _Function, given: list[Argument], call: ast.Call) -> set[str]:
    """The parameters of a function that a call fills with one of these arguments."""
    node = function.node if isinstance(function, values.LambdaRef) else function_node(function)
    receiver = "" if isinstance(function, values.LambdaRef) else evaluator.body_of(function).receiver
    positional = [each.arg for each in (*node.args.posonlyargs, *node.args.args) if each.arg != receiver]
    known = {each.arg for each in arguments_of(node)}
    further = {each.arg for each in (node.args.vararg, node.args.kwarg) if each is not None}
    found: set[str] = set()
    for each in given:
        if each.keyword in known:
            found.add(each.keyword)
        elif each.keyword == "**":
            found |= known  # An unpacked value may be any of them.
        elif each.keyword == "" and each.node in call.args and call.args.index(each.node) < len(positional):
            found.add(positional[call.args.index(each.node)])
        else:
            found |= further
    return found


def _attribute_of(expr: ast.expr, owner: str) -> str | None:
    """The attribute of a name at the beginning of `owner.attribute["item"].more`."""
    while isinstance(expr, ast.Attribute | ast.Subscript):
        if isinstance(expr, ast.Attribute) and isinstance(expr.value, ast.Name):
            return expr.attr if expr.value.id == owner else None
        expr = expr.value
    return None
