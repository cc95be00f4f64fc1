"""Turns a function's parameters into an event's fields, and finds what is wrong with them."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from upnext_codegen import messages
from upnext_codegen.flow.calls import place_of_name
from upnext_codegen.handlers.annotations import Annotations, UnwritableError, Variables
from upnext_codegen.handlers.classes import Classes
from upnext_codegen.handlers.constraints import Constraints, NotCertainError
from upnext_codegen.handlers.declare import place_of
from upnext_codegen.handlers.default_markers import marker_in_place_of_a_value
from upnext_codegen.handlers.field_metadata import (
    former_names,
    is_converted,
    is_filled,
    is_provided,
    unusable_former_names,
)
from upnext_codegen.handlers.formals import formals_of
from upnext_codegen.handlers.providers import Providers, is_context_type
from upnext_codegen.handlers.results import as_plain_json
from upnext_codegen.handlers.supplied import left_of, supplied_by_decorators
from upnext_codegen.handlers.typed_dicts import Key, items_of
from upnext_codegen.handlers.unsendable import unsendable
from upnext_codegen.names import private_names
from upnext_codegen.names.annotation_names import external
from upnext_codegen.names.evaluator import class_node, function_node
from upnext_codegen.names.scopes import FunctionNode, TypeParameter, Use, type_parameters
from upnext_codegen.reading.expression_text import text_of
from upnext_codegen.reading.string_annotations import unquoted
from upnext_codegen.records import Parameter, Place
from upnext_codegen.types import ANY, ClassType, Type, UnionType
from upnext_codegen.types.traversal import union

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from upnext_codegen.findings import Finding
    from upnext_codegen.handlers.formals import Formal
    from upnext_codegen.names.values import FunctionRef

OBJECT = ClassType("builtins", "object")


@dataclass(slots=True)
class Signature:
    """The parameters of a handler.

    Attributes:
        parameters: Its fields.
        extras: What `**kwargs` takes, None for a closed handler.
        extras_place: Where `**kwargs` stands.
        returns: What its results are read as.
        findings: What is wrong.
    """

    parameters: list[Parameter] = field(default_factory=list[Parameter])
    extras: Type | None = None
    extras_place: Place | None = None
    returns: Type = ANY
    findings: list[Finding] = field(default_factory=list["Finding"])


@dataclass(slots=True)
class Signatures:
    """Reads signatures, each once.

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
        signature = Signature()
        ref, formals = self._seen(signature, ref)
        function, use = function_node(ref), Use(ref.definition.scope)
        variables = self._variables(function, use)
        for formal in formals:
            self._formal(signature, function, formal, use, variables)
        signature.findings += _clashing_former_names(function.name, signature.parameters)
        signature.returns = self._returned(function, use, variables)
        return signature

    def _seen(self, signature: Signature, ref: FunctionRef) -> tuple[FunctionRef, list[Formal]]:
        """The function that the runtime sees below decorators, and its parameters that they do not pass."""
        function = function_node(ref)
        if not function.decorator_list:
            return ref, formals_of(function)
        supplied = supplied_by_decorators(self.annotations.evaluator, ref)
        seen = ref if supplied.hidden_by or supplied.replaced_by is None else supplied.replaced_by
        formals = formals_of(function_node(seen))
        positional = [each for each in formals if each.kind in {"positional", "any"}]
        left, asked = left_of(formals, positional, supplied)
        place = place_of_name(ref.definition)
        if supplied.object_of:
            signature.findings.append(messages.no_function(place, function.name, supplied.object_of))
        elif supplied.hidden_by:
            hidden = messages.hidden_parameters if supplied.is_refused else messages.unchecked_parameters
            signature.findings.append(hidden(place, function.name, supplied.hidden_by))
        elif supplied.restated_by:
            signature.findings.append(messages.restated_parameters(place, function.name, supplied.restated_by))
        elif asked:
            signature.findings.append(messages.asked_by_position(place, function.name))
        return seen, left

    def _returned(self, function: FunctionNode, use: Use, variables: Variables) -> Type:
        if function.returns is None:
            return ANY
        try:
            return as_plain_json(self.annotations.read(function.returns, use, variables))
        except UnwritableError:
            return ANY

    def _variables(self, function: FunctionNode, use: Use) -> Variables:
        parameters: list[TypeParameter] = [*type_parameters(function)]
        owner = self.annotations.evaluator.class_of(use.scope) if use.scope.kind == "class" else None
        if owner is not None:
            parameters += type_parameters(class_node(owner))
        found: dict[str, Type] = {}
        for each in parameters:
            found[each.name] = self._limit(each.bound, use, found)
        return found

    def _limit(self, bound: ast.expr | None, use: Use, variables: Variables) -> Type:
        if bound is None:
            return ANY
        sides = bound.elts if isinstance(bound, ast.Tuple | ast.List) else [bound]
        try:
            return union([self.annotations.read(side, use, variables) for side in sides])
        except UnwritableError:
            return ANY

    def _formal(
        self,
        signature: Signature,
        function: FunctionNode,
        formal: Formal,
        use: Use,
        variables: Variables,
    ) -> None:
        place = place_of(use, formal.node)
        if formal.kind in {"positional", "args"}:
            kind = "positional-only parameter" if formal.kind == "positional" else "parameter"
            shown = formal.name if formal.kind == "positional" else f"*{formal.name}"
            signature.findings.append(messages.unfillable(place, function.name, shown, kind))
            return
        unpacked = self._unpacked(formal, use) if formal.kind == "kwargs" else None
        if unpacked is not None:
            self._keys(signature, formal, unpacked, use, place)
            return
        if formal.kind != "kwargs" and is_provided(self.annotations.evaluator, formal.annotation, use):
            signature.findings += Providers(self.annotations, self.classes).check(formal.annotation, use)
            return
        written = self._type(signature, formal, use, variables)
        if formal.kind == "kwargs":
            signature.extras, signature.extras_place = written, place
        elif not is_context_type(written, self.classes):
            annotated = formal.annotation is not None
            if not annotated:
                signature.findings.append(messages.unannotated(place, function.name, formal.name))
            required = formal.default is None
            signature.findings += marker_in_place_of_a_value(self.annotations.evaluator, formal, function.name, use)
            formerly = former_names(self.annotations.evaluator, formal.annotation, use)
            signature.findings += unusable_former_names(self.annotations.evaluator, formal.annotation, use)
            name = private_names.at_run_time(formal.name, use.scope)
            evaluator = self.annotations.evaluator
            filled = required and is_filled(evaluator, formal.annotation, use)
            converted = is_converted(evaluator, formal.annotation, use)
            read = Parameter(name, written, annotated, required, place, formerly, filled, converted)
            signature.parameters.append(read)

    def _type(self, signature: Signature, formal: Formal, use: Use, variables: Variables) -> Type:
        annotation = formal.annotation
        if annotation is None:
            return ANY
        place = place_of(use, annotation)
        try:
            written = self.annotations.read(annotation, use, variables)
        except UnwritableError as error:
            shown = _shown(annotation)
            signature.findings.append(messages.unwritable(place, shown, str(error), error.way_out))
            return ANY
        self._check(signature, written, place, lambda: self._closely().read(annotation, use, variables))
        if written == OBJECT or (isinstance(written, UnionType) and OBJECT in written.members):
            return ANY
        return written

    def _check(self, signature: Signature, written: Type, place: Place, read_closely: Callable[[], Type]) -> None:
        """Report a type that cannot travel, unless metadata in `Annotated` may have converted it."""
        self.classes.learn(written)
        if unsendable(written, self.classes.known) is None:
            return
        try:
            bad = unsendable(read_closely(), self.classes.known)
        except (UnwritableError, NotCertainError):
            return
        if bad is not None:
            cls, reason = bad
            signature.findings.append(messages.unserializable(place, f"{cls.module}.{cls.qualname}", reason))

    def _closely(self) -> Annotations:
        evaluator = self.annotations.evaluator
        return Annotations(evaluator, Constraints(evaluator))

    def _key_type(self, unpacked: ast.expr, use: Use, name: str | None) -> Type:
        """The type of a key of a TypedDict, or of its extra items for None, read closely."""
        items = items_of(self._closely(), unpacked, use)
        found = items.further if name is None else items.keys[name]
        return ANY if found is None else found.type

    def _unpacked(self, formal: Formal, use: Use) -> ast.expr | None:
        """The content of `Unpack[...]`, or of the star in `**f: *TD`, None for any other annotation."""
        expr = None if formal.annotation is None else unquoted(formal.annotation)
        unpacks = isinstance(expr, ast.Subscript) and external(self.annotations.evaluator, expr.value, use) == "Unpack"
        return expr.slice if unpacks and isinstance(expr, ast.Subscript) else None

    def _keys(self, signature: Signature, formal: Formal, unpacked: ast.expr, use: Use, place: Place) -> None:
        note = place_of(use, formal.annotation or unpacked)
        shown = _shown(formal.annotation or unpacked)
        try:
            items = items_of(self.annotations, unpacked, use)
        except UnwritableError as error:
            signature.findings.append(messages.unwritable(note, shown, str(error), error.way_out))
            # Its fields are unknown, and so is what it rejects.
            signature.extras, signature.extras_place = ANY, place
            return
        for key in items.keys.values():
            self._check_key(signature, key, f'key "{key.name}"', shown, note)
            self._check(signature, key.type, note, partial(self._key_type, unpacked, use, key.name))
            signature.parameters.append(Parameter(key.name, key.type, True, key.required, place, key.formerly))
        if items.further is not None:
            self._check_key(signature, items.further, "extra_items", shown, note)
            self._check(signature, items.further.type, note, partial(self._key_type, unpacked, use, None))
            signature.extras, signature.extras_place = items.further.type, place

    def _check_key(self, signature: Signature, key: Key, which: str, shown: str, note: Place) -> None:
        if key.fault is not None:
            reason = f"its {which}: {key.fault}"
            signature.findings.append(messages.unwritable(note, shown, reason, key.fault.way_out))


def _clashing_former_names(function: str, parameters: list[Parameter]) -> Iterator[Finding]:
    """Report former names of fields that other fields have or had."""
    owners = {each.name: each.name for each in parameters}
    for each in parameters:
        for name in each.formerly:
            if name in owners:
                yield messages.clashing_former_name(each.place, function, each.name, name, owners[name])
            owners.setdefault(name, each.name)


def _shown(annotation: ast.expr) -> str:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value
    return text_of(annotation)
