"""Decorators and calls of `.on` to handlers: which function, which event, and whether the runtime can find it again."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen import messages
from upnext_codegen.handlers.declare import is_handler_name, is_plainly_no_text, shown_value
from upnext_codegen.handlers.handed import handed_away
from upnext_codegen.handlers.options import KNOWN, read_options
from upnext_codegen.names import values
from upnext_codegen.names.arguments import given_to, handler_of
from upnext_codegen.names.handled import attached
from upnext_codegen.names.lookup import Bound, Spot
from upnext_codegen.names.modules import Outside
from upnext_codegen.names.suspicion import is_suspect
from upnext_codegen.names.values import FOREIGN
from upnext_codegen.reading import facts
from upnext_codegen.reading.expressions import text_of
from upnext_codegen.records import Declaration, Handler, Place

if TYPE_CHECKING:
    from upnext_codegen.findings import Finding
    from upnext_codegen.handlers.signatures import Signatures
    from upnext_codegen.names.arguments import Given
    from upnext_codegen.names.evaluate import Evaluator

_UNPACKED = "what is unpacked here cannot be known without running the code"
_PLAIN = facts.Name | facts.Attr | facts.Element | facts.Part
_NO_HANDLERS = values.Constant | values.Member | values.Doubtful
_ONE = "give .on one function, and options by keyword"


@dataclass(slots=True)
class Found:
    """What one file, or all of them, declare and attach.

    `workers` holds "" if something is done with workers beside making each by a statement of its own.
    """

    declarations: list[Declaration] = field(default_factory=list[Declaration])
    handlers: list[Handler] = field(default_factory=list[Handler])
    findings: list[Finding] = field(default_factory=list["Finding"])
    refused: set[str] = field(default_factory=set[str])
    workers: set[str] = field(default_factory=set[str])


class Use(NamedTuple):
    """A decorator or call: where it starts, and the branches around it."""

    place: Place
    arms: facts.Arms


@dataclass(slots=True)
class Attacher:
    """Makes handlers.

    Attributes:
        evaluator: Knows the values of names.
        signatures: Reads functions.
        found: Where the handlers go.
    """

    evaluator: Evaluator
    signatures: Signatures
    found: Found

    def decorated(self, known: facts.Facts, file: str) -> None:
        """Take in what decorators attach."""
        for index, function in enumerate(known.functions):
            for decorator in function.decorators:
                if not is_suspect(decorator.value, self.evaluator.suspects):
                    continue
                spot = Spot(file, function.scope, decorator.line, function.arms)
                self._decorator(decorator, spot, values.FunctionRef(file, index), function.arms, known)
        for index, cls in enumerate(known.classes):
            for decorator in cls.decorators:
                if not is_suspect(decorator.value, self.evaluator.suspects):
                    continue
                spot = Spot(file, cls.scope, decorator.line)
                self._decorator(decorator, spot, values.ClassRef(file, index), (), known)

    def _decorator(
        self, decorator: facts.Decorator, spot: Spot, target: values.Value, arms: facts.Arms, known: facts.Facts
    ) -> None:
        value = self.evaluator.value(decorator.value, spot)
        use = Use(Place(spot.file, decorator.line, decorator.column), arms)
        match value:
            case values.Method(owner, "on") if isinstance(owner, values.EventValue):
                self.attach(owner, target, None, use)
            case values.Attachment(event, call, made):
                self.attach(event, target, (call, made), use)
            case values.Handled() if isinstance(decorator.value, facts.Call):
                self.called(decorator.value, spot, arms, known)
            case values.Doubtful("event" | "worker", events):
                self._doubt(events, use.place)
            case _ if _makes_decorator(decorator.value) and self._is_lost(decorator.value, spot, known):
                self.found.findings.append(messages.unknown_receiver(use.place))
            case _ if isinstance(decorator.value, facts.Call):
                self.handed(decorator.value, spot)
            case _:
                pass

    def called(self, call: facts.Call, spot: Spot, arms: facts.Arms, known: facts.Facts) -> None:
        """Take in what a call attaches: `event.on(function)`, `event.on(retries=2)(function)`."""
        func = self.evaluator.value(call.func, spot)
        use = Use(Place(spot.file, call.line, call.column), arms)
        given = handler_of(self.evaluator, call, spot)
        match func:
            case values.Method(owner, "on") if isinstance(owner, values.EventValue):
                if given is not None:
                    self._function(owner, given, (call, spot), use)
                    self._others(owner, call, spot)
                else:
                    self._check_options((call, spot))
            case values.Attachment(event, options, made) if given is not None:
                self._function(event, given, (options, made), use)
                self._others(event, call, spot)
            case values.Doubtful("event" | "worker", events) if given is not None and _looks_ours(call):
                self._doubt(events, use.place)
            case _ if given is not None and _looks_ours(call) and self._is_lost(call, spot, known, given):
                self.found.findings.append(messages.unknown_receiver(use.place))
            case _:
                pass

    def handed(self, call: facts.Call, spot: Spot) -> None:
        """Note what a call can attach out of sight because it is given `.on` of an event."""
        for event, arg in handed_away(self.evaluator, call, spot):
            place = Place(spot.file, arg.line, arg.column)
            if event.name is None:
                self._unknown_event(event, place)
            else:
                self.found.refused.add(event.name)
                self.found.findings.append(messages.handed_away(place, event.name, text_of(call.func)))

    def _is_lost(self, expr: facts.Expr, spot: Spot, known: facts.Facts, given: Given | None = None) -> bool:
        """Whether it cannot be told what `.on` is called on, also because another package defines it."""
        if given is not None and isinstance(self.evaluator.value(given.value, given.spot), _NO_HANDLERS):
            return False
        while isinstance(expr, facts.Call):
            expr = expr.func
        if isinstance(expr, facts.Attr) and self._is_put(expr.value, spot, known):
            return True
        found = self.evaluator.value(expr, spot) if known.imports_us else FOREIGN
        if isinstance(found, Outside):
            return found.name.partition(".")[0] not in sys.stdlib_module_names
        return isinstance(found, values.Nothing)

    def _is_put(self, expr: facts.Expr, spot: Spot, known: facts.Facts) -> bool:
        """Whether it is an attribute that an event is assigned to in this file, of whatever object."""
        name = text_of(expr) if isinstance(expr, facts.Attr) else ""
        put = [each for each in known.scopes[0].attributes if each.name == name]
        # The number of the scope that it stands in travels in the arms.
        bounds = [Bound(spot.file, each.arms[0][0], each._replace(arms=())) for each in put]
        found = [self.evaluator.defined((each,)) for each in bounds]
        return any(isinstance(each, values.EventValue | values.Handled) for each in found)

    def _function(
        self,
        event: values.EventValue,
        given: Given,
        options: tuple[facts.Call, Spot],
        use: Use,
    ) -> None:
        plain = given.keyword == ""
        for targets in attached(self.evaluator, given.value, given.spot) if plain else [(values.NOTHING,)]:
            self._one_of(targets, event, given, options, use)

    def _one_of(
        self,
        targets: tuple[values.Value, ...],
        event: values.EventValue,
        given: Given,
        options: tuple[facts.Call, Spot],
        use: Use,
    ) -> None:
        if isinstance(targets[0], values.FunctionRef | values.ClassRef):
            for number, target in enumerate(targets):
                # Of functions that arms bind to one name, only one is attached.
                chosen = ((-use.place.line, number),) if len(targets) > 1 else ()
                self.attach(event, target, options, use._replace(arms=(*use.arms, *chosen)))
        elif event.name is None:
            self._unknown_event(event, use.place)
        else:
            shown = "lambda" if isinstance(given.value, facts.Lambda) else given.keyword + text_of(given.value)
            place = Place(use.place.file, given.line, given.column)
            if given.keyword:
                self._refuse(event.name, place, shown, _UNPACKED, _ONE)
            else:
                typed = isinstance(self.evaluator.value(given.value, given.spot), _NO_HANDLERS)
                self._refuse(event.name, place, shown, _reason(given.value), typed=typed)

    def _others(self, event: values.EventValue, call: facts.Call, spot: Spot) -> None:
        """Refuse what stands behind the one function that is attached."""
        for given in [each for each in given_to(self.evaluator, call, spot) if each.keyword in {"", "*"}][1:]:
            place = Place(spot.file, given.line, given.column)
            shown = given.keyword + text_of(given.value)
            self._refuse(event.name or "", place, shown, "on attaches one function", _ONE, typed=not given.keyword)

    def attach(
        self, event: values.EventValue, target: values.Value, options: tuple[facts.Call, Spot] | None, use: Use
    ) -> None:
        """Attach a function to an event."""
        if event.name is None:
            self._unknown_event(event, use.place)
            return
        settings = self._check_options(options)
        if isinstance(target, values.ClassRef):
            own = self._facts(target.file).classes[target.index]
            self._refuse(event.name, Place(target.file, own.line, own.column), own.name, "it is a class")
        elif isinstance(target, values.FunctionRef):
            function = self._facts(target.file).functions[target.index]
            where = Place(target.file, function.line, function.column)
            reason = _unfindable(self._facts(target.file), function)
            if reason:
                self._refuse(event.name, where, function.name, reason)
            else:
                name = self._name(options, use.place) or function.name
                self._handler(
                    event=event.name,
                    worker=event.worker,
                    name=name,
                    target=target,
                    where=where,
                    settings=settings,
                    arms=(*_in(use.place.file, use.arms), *_in(target.file, function.arms)),
                )

    def _handler(
        self,
        *,
        event: str,
        worker: str,
        name: str,
        target: values.FunctionRef,
        where: Place,
        settings: tuple[tuple[str, float], ...],
        arms: tuple[tuple[str, int, int], ...],
    ) -> None:
        signature = self.signatures.read(target)
        self.found.findings += signature.findings
        module = self.evaluator.lookup.modules.name_of(target.file)
        taken = (tuple(signature.parameters), signature.extras, signature.extras_place)
        self.found.handlers.append(Handler(event, worker, name, module, *taken, where, settings, arms))

    def _facts(self, file: str) -> facts.Facts:
        known = self.evaluator.lookup.load(file)
        assert known is not None
        return known

    def _check_options(self, options: tuple[facts.Call, Spot] | None) -> tuple[tuple[str, float], ...]:
        if options is None:
            return ()
        settings, findings = read_options(self.evaluator, *options)
        self.found.findings += findings
        return settings

    def _name(self, options: tuple[facts.Call, Spot] | None, place: Place) -> str | None:
        arguments = given_to(self.evaluator, *options) if options else ()
        given = next((each for each in arguments if each.keyword == "name"), None)
        if any(each.keyword == "**" for each in arguments) and given is None:
            self.found.findings.append(messages.unknown_handler_name(place))
        if options is None or given is None or given.value == facts.Const(None):
            return None
        name = self.evaluator.text(given, given.spot)
        if name is None and not is_plainly_no_text(self.evaluator, given, given.spot):
            self.found.findings.append(messages.unknown_handler_name(place))
        elif name is None or not is_handler_name(name):
            at = Place(options[1].file, given.line, given.column)
            shown = shown_value(self.evaluator, given, given.spot) if name is None else messages.shown(name)
            found = messages.bad_option(at, "name", shown, messages.NAME_RULE, typed=name is None)
            self.found.findings.append(found)
            return None
        return name

    def _doubt(self, events: frozenset[str], place: Place) -> None:
        """Note that it is not known to which of several events a handler is attached: each may well have it."""
        self.found.refused |= events
        self.found.findings.append(messages.unknown_receiver(place))

    def _unknown_event(self, event: values.EventValue, place: Place) -> None:
        if not event.told:
            self.found.findings.append(messages.unknown_receiver(place))

    def _refuse(
        self, event: str, place: Place, shown: str, reason: str, way_out: str = "", *, typed: bool = False
    ) -> None:
        self.found.refused.add(event)
        self.found.findings.append(messages.unfindable(place, shown, reason, way_out, typed=typed))


def _in(file: str, arms: facts.Arms) -> list[tuple[str, int, int]]:
    return [(file, line, number) for line, number in arms]


def _unfindable(known: facts.Facts, function: facts.Function) -> str:
    """Why the runtime cannot find a function by module and name, "" where it can."""
    scope = known.scopes[function.scope]
    if scope.kind == "function":
        return "it is defined inside a function"
    if scope.kind == "module":
        return ""
    names = {each.value.id for each in function.decorators if isinstance(each.value, facts.Name)}
    if "staticmethod" not in names:
        return "it is a method"
    outer = known.classes[scope.owner].scope
    return "" if known.scopes[outer].kind == "module" else "its class is not at module level"


def _reason(expr: facts.Expr) -> str:
    match expr:
        case facts.Lambda():
            return "it is a lambda"
        case facts.Call(facts.Name("partial") | facts.Attr(_, "partial")):
            return "it is a partial"
        case facts.Attr():
            return "it is a method, or defined outside the project"
        case _:
            return "it is no function of the project that has a name"


def _looks_ours(call: facts.Call) -> bool:
    """Whether a call of something unresolved is exactly what attaches a function to an event."""
    func = call.func
    if isinstance(func, facts.Call):
        return _makes_decorator(func)
    positional = [arg.value for arg in call.args if arg.keyword in {"", "*"}]
    plain = all(isinstance(each, _PLAIN) for each in positional)
    return isinstance(func, facts.Attr) and func.attr == "on" and len(positional) <= 1 and plain and _only_options(call)


def _makes_decorator(expr: facts.Expr) -> bool:
    """Whether something unresolved is exactly `event.on`, or `event.on` with options."""
    if isinstance(expr, facts.Call):
        named = all(arg.keyword not in {"", "*"} for arg in expr.args)
        return named and _only_options(expr) and not isinstance(expr.func, facts.Call) and _makes_decorator(expr.func)
    return isinstance(expr, facts.Attr) and expr.attr == "on"


def _only_options(call: facts.Call) -> bool:
    return {arg.keyword for arg in call.args} <= {*KNOWN, "", "*", "**"}
