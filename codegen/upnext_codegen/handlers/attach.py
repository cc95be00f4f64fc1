"""Turns decorators and calls of `.on` into handlers: function, event, and whether the runtime can find it again."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen import messages
from upnext_codegen.flow.calls import place_of_name
from upnext_codegen.flow.unused import unused_fields
from upnext_codegen.handlers.attached_inside import AttachedInside
from upnext_codegen.handlers.declare import (
    check_decorator,
    declare,
    place_of,
)
from upnext_codegen.handlers.escapes import attaches_unseen, escaping, takes_on
from upnext_codegen.handlers.fills import Filling, vanishes
from upnext_codegen.handlers.handler_names import handler_name
from upnext_codegen.handlers.inside import Insides
from upnext_codegen.handlers.options import check_named_fields, read_options
from upnext_codegen.handlers.sends import sends_of
from upnext_codegen.handlers.shapes import attaches, makes_decorator
from upnext_codegen.handlers.sites import CallSite, ClassSite, DecoratorSite, OperatorSite
from upnext_codegen.handlers.tasks import take_task, wrong_options
from upnext_codegen.handlers.unfindable import reason_of, unfindable
from upnext_codegen.handlers.upcasters import take_upcaster
from upnext_codegen.handlers.wrapped import is_wrapped
from upnext_codegen.handlers.yielding import yielding
from upnext_codegen.names import values
from upnext_codegen.names.evaluator import Argument, function_node, plain_arguments
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import END, FunctionDefinition, ParameterDefinition, Use
from upnext_codegen.names.values import events_of
from upnext_codegen.reading.expression_text import text_of
from upnext_codegen.records import Declaration, Handler, Place, Reached, Send, Task, Upcaster

if TYPE_CHECKING:
    from upnext_codegen.findings import Finding
    from upnext_codegen.flow.calls import Calls
    from upnext_codegen.handlers.signatures import Signature, Signatures
    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.exports import Exports
    from upnext_codegen.names.scopes import BranchPath

_UNPACKED = "what is unpacked here cannot be known without running the code"
_NO_HANDLERS = values.Constant | values.MemberValue | values.Ambiguous
_ONE = "give .on one function, and options by keyword"
_Options = tuple[ast.Call, Use]


@dataclass(slots=True)
class Found:
    """What one file declares, attaches and sends.

    `workers` holds "" if something is done with workers beside making each by a statement of its own.
    """

    declarations: list[Declaration] = field(default_factory=list[Declaration])
    handlers: list[Handler] = field(default_factory=list[Handler])
    sends: list[Send] = field(default_factory=list[Send])
    tasks: list[Task] = field(default_factory=list[Task])
    upcasters: list[Upcaster] = field(default_factory=list[Upcaster])
    hidden: set[str] = field(default_factory=set[str])
    findings: list[Finding] = field(default_factory=list["Finding"])
    refused: set[str] = field(default_factory=set[str])
    workers: set[str] = field(default_factory=set[str])
    fills: set[tuple[str, str]] = field(default_factory=set["tuple[str, str]"])

    @property
    def has_content(self) -> bool:
        """Whether the file declares, attaches or sends anything."""
        return bool(self.declarations or self.handlers or self.sends or self.tasks)


class Site(NamedTuple):
    """A decorator or call: its start, the scope of its names, and the branches around it."""

    place: Place
    use: Use
    branches: BranchPath


@dataclass(slots=True)
class Attacher:
    """Makes handlers.

    Attributes:
        evaluator: Knows the values of names.
        exports: Knows which names can stand for something of upnext.
        signatures: Reads functions.
        calls: Follows what functions call.
        found: Where the handlers go.
        filling: Finds what is put into names of other files.
    """

    evaluator: Evaluator
    exports: Exports
    signatures: Signatures
    calls: Calls
    found: Found
    filling: Filling = field(init=False)
    _inside: AttachedInside = field(init=False)

    def __post_init__(self) -> None:
        insides = Insides()
        self.filling = Filling(self.exports, insides)
        self._inside = AttachedInside(self.evaluator, insides)

    def take(self, site: CallSite | DecoratorSite | ClassSite | OperatorSite) -> None:
        """Process what a call, decorator, class or operator declares, attaches or sends."""
        if isinstance(site, OperatorSite):
            self.found.fills.update(self.filling.by_operator(site.owner, site.given, site.use))
            is_put = site.node is not site.owner and isinstance(site.node, ast.Attribute)
            if is_put and vanishes(self.evaluator, site.owner, site.given[-1], site.use):
                self.found.findings.append(messages.vanishes(place_of(site.use, site.node), text_of(site.node)))
            if self._inside.by_method(site.owner, site.methods, site.given, site.use):
                self.found.findings.append(messages.unknown_receiver(place_of(site.use, site.node)))
            return
        if isinstance(site, ClassSite):
            self.found.fills.update(self.filling.by_class(site.target))
            if self._inside.by_class_statement(values.ClassRef(site.target)):
                self.found.findings.append(messages.unknown_receiver(place_of_name(site.target)))
            return
        if isinstance(site, DecoratorSite):
            check_decorator(self.evaluator, self.found, site)
            self._decorator(site)
            self._keeping(site)
            return
        func = self.evaluator.value(site.call.func, site.use)
        if attaches_unseen(self.evaluator, func, site.call, site.use):
            self.found.findings.append(messages.unknown_receiver(place_of(site.use, site.call)))
        self._escaping(func, site.call, site.use)
        declare(self.evaluator, self.found, func, site.call, site.use)
        self._called(func, site.call, site.use)
        self.found.fills.update(self.filling.by_call(func, site.call, site.use))
        self._task(func, site)
        self.found.sends += sends_of(self.evaluator, self.calls.standings, func, site)

    def _task(self, func: values.Value, site: CallSite) -> None:
        match func:
            case values.TaskDecorator(_, call, use):
                self._task_of(self.evaluator.value(site.call, site.use), (call, use))
            case values.Method(values.WorkerValue(), "task"):
                self._task_of(self.evaluator.value(site.call, site.use), (site.call, site.use))
            case values.Method(values.WorkerValue(), "cron"):  # perhaps stored for later; not a decorator here
                self.found.findings += wrong_options(self.evaluator, site.call, site.use)
            case _:
                pass

    def _decorator(self, each: DecoratorSite) -> None:
        binding = each.target.binding
        is_function = isinstance(binding, FunctionDefinition)
        target = values.FunctionRef(each.target) if is_function else values.ClassRef(each.target)
        use, decorator = each.use, each.decorator
        value = self.evaluator.called_function(self.evaluator.value(decorator, use))
        site = Site(place_of(use, decorator), use, each.target.branches if is_function else ())
        match value:
            case values.Method(values.EventValue() as event, "on" | "upcast" as method):
                self._by_method(event, method, target, site)
            case values.Attachment(event, call, made):
                self.attach(event, target, (call, made), site)
            case values.FunctionRef() | values.LambdaRef() if calls := self.evaluator.attaching_calls(value):
                for event, call, made in calls:
                    self.attach(event, target, (call, made), site)
            case values.Method(values.WorkerValue(), "task") | values.TaskDecorator() if is_function:
                options = (value.call, value.use) if isinstance(value, values.TaskDecorator) else None
                self._task_of(self.evaluator.defined((each.target,)), options)
            case values.HandlerValue() if isinstance(decorator, ast.Call):
                self._called(self.evaluator.value(decorator.func, use), decorator, use)
            case values.Ambiguous("event" | "worker", events):
                self._report_ambiguous(events, site.place)
            case _ if takes_on(self.evaluator, decorator, use) or (
                makes_decorator(decorator) and self._is_lost(decorator, use)
            ):
                self.found.findings.append(messages.unknown_receiver(site.place))
            case _ if isinstance(decorator, ast.Call):
                func = self.evaluator.value(decorator.func, use)
                self._escaping(func, decorator, use)
                self.found.sends += sends_of(
                    self.evaluator, self.calls.standings, func, CallSite(decorator, use, each.function)
                )
            case _:
                pass

    def _keeping(self, each: DecoratorSite) -> None:
        """Record what a decorator that receives a handler keeps."""
        line = each.target.line
        given = ast.Name(each.target.name, ast.Load(), lineno=line, col_offset=0, end_lineno=line)
        call = ast.copy_location(ast.Call(each.decorator, [given], []), each.decorator)
        if isinstance(self.evaluator.defined((each.target,)), values.HandlerValue):
            func = self.evaluator.value(each.decorator, each.use)
            self.found.fills.update(self.filling.by_call(func, call, each.use._replace(line=END)))

    def _by_method(self, event: values.EventValue, method: str, target: values.Value, site: Site) -> None:
        if method == "on":
            self.attach(event, target, None, site)
        else:
            take_upcaster(self.signatures, self.found, event, target)

    def _called(self, func: values.Value, call: ast.Call, use: Use) -> None:
        """Process what a call attaches: `event.on(function)`, `event.on(retries=2)(function)`."""
        site = Site(place_of(use, call), use, use.branches)
        given = self.evaluator.handler_of(call, use)
        match self.evaluator.called_function(func):
            case values.Method(values.EventValue() as owner, "on"):
                if given is not None:
                    self._function(owner, given, (call, use), site)
                    self._others(owner, call, use)
                else:
                    self._check_options((call, use))
            case values.Method(values.EventValue() as event, "upcast") if given is not None:
                take_upcaster(self.signatures, self.found, event, self.evaluator.value(given.value, given.use))
            case values.Attachment(event, options, made) if given is not None:
                self._function(event, given, (options, made), site)
                self._others(event, call, use)
            case values.Attachment(event, options, made) if bound := self.evaluator.handler_of(options, made):
                self._function(event, bound, (options, made), site)  # `partial(event.on, function)()`
            case (values.FunctionRef() | values.LambdaRef()) as function if given is not None:
                for event, options, made in self.evaluator.attaching_calls(function):
                    self._function(event, given, (options, made), site)
            case values.Ambiguous("event" | "worker", events) if given is not None and attaches(call):
                self._report_ambiguous(events, site.place)
            case _ if given is not None and attaches(call) and self._is_lost(call, use, given):
                self.found.findings.append(messages.unknown_receiver(site.place))
            case _:
                pass

    def _escaping(self, func: values.Value, call: ast.Call, use: Use) -> None:
        """Record what a call can attach out of sight because it receives an event, or its `.on`."""
        for event, given in escaping(self.evaluator, func, call, use):
            place = place_of(use, given.node)
            if event.name is None:
                self._unknown_event(event, place)
            else:
                self.found.refused.add(event.name)
                self.found.findings.append(messages.handed_away(place, event.name, text_of(call.func)))
        if self._inside.by_call(func, call, use):
            events = [self.evaluator.value(each.value, use) for each in plain_arguments(call, use)]
            self.found.refused |= events_of(events)
            self.found.findings.append(messages.unknown_receiver(place_of(use, call)))

    def _is_lost(self, expr: ast.expr, use: Use, given: Argument | None = None) -> bool:
        """Whether it is unknown what `.on` is called on, or another package defines it."""
        if given is not None and isinstance(self.evaluator.value(given.value, given.use), _NO_HANDLERS):
            return False
        while isinstance(expr, ast.Call):
            expr = expr.func
        if isinstance(expr, ast.Attribute) and self._is_assigned(expr.value, use):
            return True
        is_possible = use.scope.module.imports_upnext or self.exports.may_be_upnext(use.scope, expr)
        found = self.evaluator.value(expr, use) if is_possible else values.NOT_UPNEXT
        if isinstance(found, ExternalName):
            return found.name.partition(".")[0] not in sys.stdlib_module_names
        return isinstance(found, values.Unknown)

    def _is_assigned(self, expr: ast.expr, use: Use) -> bool:
        """Whether it is an attribute that an event is assigned to in this file, of whatever object."""
        name = text_of(expr) if isinstance(expr, ast.Attribute) else ""
        module = use.scope.module
        if not isinstance(expr, ast.Attribute) or f".{expr.attr}" not in module.text.text:
            return False
        for scope in module.scopes():
            for target, definition in scope.attributes:
                own = isinstance(target.value, ast.Name) and target.value.id == scope.receiver
                if own or text_of(target) != name:
                    continue
                if isinstance(self.evaluator.defined((definition,)), values.EventValue | values.HandlerValue):
                    return True
        return False

    def _function(self, event: values.EventValue, given: Argument, options: _Options, site: Site) -> None:
        plain = given.keyword == ""
        for targets in self.evaluator.attached(given.value, given.use) if plain else [(values.UNKNOWN,)]:
            self._one_of(targets, event, given, options, site)

    def _one_of(
        self,
        targets: tuple[values.Value, ...],
        event: values.EventValue,
        given: Argument,
        options: _Options,
        site: Site,
    ) -> None:
        if isinstance(targets[0], values.FunctionRef | values.ClassRef):
            for number, target in enumerate(targets):
                # If branches bind several functions to one name, only one of them is attached.
                chosen = ((-site.place.line, number),) if len(targets) > 1 else ()
                self.attach(event, target, options, site._replace(branches=(*site.branches, *chosen)))
        elif event.name is None:
            self._unknown_event(event, site.place)
        elif _is_own_parameter(given):
            self._check_options(options)  # What attaches its parameter is followed to where it is called.
        else:
            shown = "lambda" if isinstance(given.value, ast.Lambda) else given.keyword + text_of(given.value)
            place = place_of(site.use, given.node)
            if given.keyword:
                self._refuse(event.name, place, shown, _UNPACKED, _ONE)
            else:
                typed = isinstance(self.evaluator.value(given.value, given.use), _NO_HANDLERS)
                self._refuse(event.name, place, shown, reason_of(given.value), typed=typed)

    def _others(self, event: values.EventValue, call: ast.Call, use: Use) -> None:
        """Refuse further arguments after the one function that is attached."""
        for given in [each for each in self.evaluator.arguments(call, use) if each.keyword in {"", "*"}][1:]:
            shown = given.keyword + text_of(given.value)
            place = place_of(use, given.node)
            self._refuse(event.name or "", place, shown, "on attaches one function", _ONE, typed=not given.keyword)

    def attach(self, event: values.EventValue, target: values.Value, options: _Options | None, site: Site) -> None:
        """Attach a function to an event."""
        if event.name is None:
            self._unknown_event(event, site.place)
            return
        settings = self._check_options(options)
        if isinstance(target, values.ClassRef):
            where = place_of_name(target.definition)
            self._refuse(event.name, where, target.definition.name, "it is a class")
        elif isinstance(target, values.FunctionRef):
            where = place_of_name(target.definition)
            reason = unfindable(target)
            if reason:
                self._refuse(event.name, where, target.definition.name, reason)
            else:
                branches = (*_in(site.place.file, site.branches), *_in(target.file, target.definition.branches))
                signature = self.signatures.read(target)
                name = handler_name(self.evaluator, self.found.findings, (options, target, signature), site.place)
                self.found.findings += (*signature.findings, *yielding(self.evaluator, target, "handler"))
                if options is not None and not signature.findings:
                    fields = [each.name for each in signature.parameters]
                    self.found.findings += check_named_fields(self.evaluator, *options, name, fields)
                module = self.evaluator.lookup.modules.name_of(target.file)
                taken = (tuple(signature.parameters), signature.extras, signature.extras_place)
                reached, unused = self._reached(target), self._unused(target, signature)
                made = Handler(event.name, event.worker, name, module, *taken, where, settings, branches, site.place)
                made = made._replace(reached=reached, unused=unused, returns=signature.returns)
                self.found.handlers.append(made)

    def _unused(self, target: values.FunctionRef, signature: Signature) -> tuple[str, ...]:
        """The fields that a handler does not use."""
        fields = [each.name for each in signature.parameters]
        in_class = target.definition.scope.kind == "class"
        is_prescribed = in_class or is_wrapped(self.evaluator, target)
        return unused_fields(function_node(target), fields, is_prescribed=is_prescribed)

    def _reached(self, target: values.FunctionRef) -> tuple[Reached, ...]:
        """The functions that a handler or task calls."""
        found = self.calls.reached(target.definition)
        return tuple(each._replace(always=False) for each in found) if is_wrapped(self.evaluator, target) else found

    def _task_of(self, made: values.Value, options: _Options | None) -> None:
        take_task(self.evaluator, self.signatures, self.found, made, options=options, reached=self._reached)

    def _check_options(self, options: _Options | None) -> tuple[tuple[str, float], ...]:
        if options is None:
            return ()
        settings, findings = read_options(self.evaluator, *options)
        self.found.findings += findings
        return settings

    def _report_ambiguous(self, events: frozenset[str], place: Place) -> None:
        """Report that a handler is attached to one of several events: it may belong to each of them."""
        self.found.refused |= events
        self.found.findings.append(messages.unknown_receiver(place))

    def _unknown_event(self, event: values.EventValue, place: Place) -> None:
        if not event.reported:
            self.found.findings.append(messages.unknown_receiver(place))

    def _refuse(
        self, event: str, place: Place, shown: str, reason: str, way_out: str = "", *, typed: bool = False
    ) -> None:
        self.found.refused.add(event)
        self.found.findings.append(messages.unfindable(place, shown, reason, way_out, typed=typed))


def _in(file: str, branches: BranchPath) -> list[tuple[str, int, int]]:
    return [(file, line, number) for line, number in branches]


def _is_own_parameter(given: Argument) -> bool:
    """Whether it is a parameter of the function around the call."""
    found = given.use.scope.definitions.get(given.value.id, ()) if isinstance(given.value, ast.Name) else ()
    return any(isinstance(each.binding, ParameterDefinition) for each in found)
