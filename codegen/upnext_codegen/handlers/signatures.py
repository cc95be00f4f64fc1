"""A function's parameters to an event's fields, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen import messages
from upnext_codegen.handlers.annotations import Annotations, UnwritableError, Variables, union
from upnext_codegen.handlers.classes import Classes, is_context, unsendable
from upnext_codegen.handlers.typed_dicts import keys_of
from upnext_codegen.names.definitions import definitions
from upnext_codegen.names.lookup import Spot
from upnext_codegen.names.modules import Outside
from upnext_codegen.reading import facts
from upnext_codegen.reading.expressions import text_of
from upnext_codegen.reading.textual import parsed_annotation
from upnext_codegen.records import Parameter, Place
from upnext_codegen.types import ANY, NONE, ClassType, Type, UnionType

if TYPE_CHECKING:
    from upnext_codegen.findings import Finding
    from upnext_codegen.names.values import FunctionRef

OBJECT = ClassType("builtins", "object")
_OUR_REASON = "it is a plain class of the project"
_STANDARD_REASON = "its values live in one process"


@dataclass(slots=True)
class Signature:
    """What a handler takes.

    Attributes:
        parameters: Its fields.
        extras: What `**kwargs` takes, None for a closed handler.
        extras_place: Where `**kwargs` stands.
        findings: What is wrong.
    """

    parameters: list[Parameter] = field(default_factory=list[Parameter])
    extras: Type | None = None
    extras_place: Place | None = None
    findings: list[Finding] = field(default_factory=list["Finding"])


@dataclass(slots=True)
class Signatures:
    """Reads signatures, each function once.

    Attributes:
        annotations: Reads annotations.
        classes: Learns of the classes in them.
    """

    annotations: Annotations
    classes: Classes
    _read: dict[FunctionRef, Signature] = field(default_factory=dict["FunctionRef", Signature])

    def read(self, ref: FunctionRef) -> Signature:
        """Read the signature of a handler."""
        if ref not in self._read:
            self._read[ref] = self._signature(ref)
        return self._read[ref]

    def _signature(self, ref: FunctionRef) -> Signature:
        known = self.annotations.evaluator.lookup.load(ref.file)
        assert known is not None
        function = self.annotations.evaluator.lookup.function(ref.file, ref.index)
        assert function is not None
        spot = Spot(ref.file, function.scope)
        signature = Signature()
        variables = self._variables(known, function, spot)
        for formal in function.parameters:
            self._formal(signature, function, formal, spot, variables)
        return signature

    def _variables(self, known: facts.Facts, function: facts.Function, spot: Spot) -> Variables:
        parameters = list(function.type_parameters)
        scope = known.scopes[function.scope]
        if scope.kind == "class":
            parameters += known.classes[scope.owner].type_parameters
        found: dict[str, Type] = {}
        for each in parameters:
            found[each.name] = self._limit(each.bound, spot, found)
        return found

    def _limit(self, bound: facts.Expr | None, spot: Spot, variables: Variables) -> Type:
        if bound is None:
            return ANY
        sides = bound.items if isinstance(bound, facts.Display) else (bound,)
        try:
            return union([self.annotations.read(side, spot, variables) for side in sides])
        except UnwritableError:
            return ANY

    def _formal(
        self,
        signature: Signature,
        function: facts.Function,
        formal: facts.Formal,
        spot: Spot,
        variables: Variables,
    ) -> None:
        place = Place(spot.file, formal.line, formal.column)
        if formal.kind in {"positional", "args"}:
            kind = "positional-only parameter" if formal.kind == "positional" else "parameter"
            shown = formal.name if formal.kind == "positional" else f"*{formal.name}"
            signature.findings.append(messages.unfillable(place, function.name, shown, kind))
            return
        unpacked = self._unpacked(formal, spot) if formal.kind == "kwargs" else None
        if unpacked is not None:
            self._keys(signature, formal, unpacked, spot, place)
            return
        written = self._type(signature, formal, spot, variables)
        if formal.kind == "kwargs":
            signature.extras, signature.extras_place = written, place
        elif not self._is_context(written):
            annotated = formal.annotation is not None
            if not annotated:
                signature.findings.append(messages.unannotated(place, function.name, formal.name))
            required = not formal.default
            signature.parameters.append(Parameter(formal.name, written, annotated, required, place))

    def _type(self, signature: Signature, formal: facts.Formal, spot: Spot, variables: Variables) -> Type:
        if formal.annotation is None:
            return ANY
        place = Place(spot.file, formal.annotation_line, formal.annotation_column)
        try:
            written = self.annotations.read(formal.annotation, spot, variables)
        except UnwritableError as error:
            shown = _shown(formal.annotation)
            signature.findings.append(messages.unwritable(place, shown, str(error), error.way_out))
            return ANY
        self._check(signature, written, place)
        if written == OBJECT or (isinstance(written, UnionType) and OBJECT in written.members):
            return ANY
        return written

    def _check(self, signature: Signature, written: Type, place: Place) -> None:
        self.classes.learn(written)
        bad = unsendable(written, self.classes.known)
        if bad is not None:
            cls, own = bad
            name = f"{cls.module}.{cls.qualname}"
            reason = _OUR_REASON if own else _STANDARD_REASON
            signature.findings.append(messages.unserializable(place, name, reason))

    def _is_context(self, written: Type) -> bool:
        sides = written.members if isinstance(written, UnionType) else (written,)
        sides = tuple(side for side in sides if side != NONE)
        return len(sides) == 1 and is_context(sides[0], self.classes.known)

    def _unpacked(self, formal: facts.Formal, spot: Spot) -> facts.Expr | None:
        """What stands in `Unpack[...]`, or behind the star of `**f: *TD`, None for any other annotation."""
        expr = formal.annotation
        if isinstance(expr, facts.Const) and isinstance(expr.value, str):
            expr = parsed_annotation(expr.value)
        if isinstance(expr, facts.Subscript):
            found = definitions(self.annotations.evaluator, expr.value, spot)
            if found and isinstance(found[0], Outside) and found[0].name.rpartition(".")[2] == "Unpack":
                return expr.key
        return None

    def _keys(self, signature: Signature, formal: facts.Formal, unpacked: facts.Expr, spot: Spot, place: Place) -> None:
        note = Place(spot.file, formal.annotation_line, formal.annotation_column)
        shown = _shown(formal.annotation or unpacked)
        try:
            keys = keys_of(self.annotations, unpacked, spot)
        except UnwritableError as error:
            signature.findings.append(messages.unwritable(note, shown, str(error), error.way_out))
            # What it names is not known, so neither is what it rejects.
            signature.extras, signature.extras_place = ANY, place
            return
        for key in keys:
            if key.fault is not None:
                reason = f'its key "{key.name}": {key.fault}'
                signature.findings.append(messages.unwritable(note, shown, reason, key.fault.way_out))
            self._check(signature, key.type, note)
            signature.parameters.append(Parameter(key.name, key.type, True, key.required, place))


def _shown(annotation: facts.Expr) -> str:
    if isinstance(annotation, facts.Const) and isinstance(annotation.value, str):
        return annotation.value
    return text_of(annotation)
