"""Functions passed to `event.upcast`: the payloads they take, and what they make of them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from upnext_codegen import messages
from upnext_codegen.contract import Field, Upcast
from upnext_codegen.flow.calls import place_of_name
from upnext_codegen.handlers.annotations import UnwritableError
from upnext_codegen.handlers.formals import formals_of
from upnext_codegen.handlers.typed_dicts import items_of
from upnext_codegen.names import values
from upnext_codegen.names.evaluator import function_node
from upnext_codegen.names.scopes import Use
from upnext_codegen.records import Upcaster

if TYPE_CHECKING:
    from upnext_codegen.findings import Finding
    from upnext_codegen.handlers.attach import Found
    from upnext_codegen.handlers.signatures import Signatures


def take_upcaster(signatures: Signatures, found: Found, event: values.EventValue, target: values.Value) -> None:
    """Process a function passed to `event.upcast`, and its faults."""
    if event.name is not None and isinstance(target, values.FunctionRef):
        upcaster, findings = _read(signatures, event.name, target)
        found.findings += findings
        found.upcasters += [upcaster] if upcaster is not None else []


def _read(signatures: Signatures, event: str, ref: values.FunctionRef) -> tuple[Upcaster | None, list[Finding]]:
    """Read an upcaster, None if it is invalid."""
    node, place, name = function_node(ref), place_of_name(ref.definition), ref.definition.name
    formals = formals_of(node)
    use = Use(ref.definition.scope)
    reason, takes = "", None
    if isinstance(node, ast.AsyncFunctionDef):
        reason = "it is async"
    elif len(formals) != 1 or formals[0].kind not in {"positional", "any"}:
        reason = "it does not take one parameter"
    else:
        takes = _fields(signatures, formals[0].annotation, use)
        reason = "" if takes is not None else "its parameter is not annotated as a TypedDict of the project"
    if takes is None:
        return None, [messages.unusable_upcaster(place, name, event, reason)]
    gives = _fields(signatures, node.returns, use)
    untyped = [messages.untyped_upcaster(place, name, event)] if gives is None else []
    return Upcaster(event, Upcast(name, takes, gives), place), untyped


def _fields(signatures: Signatures, annotation: ast.expr | None, use: Use) -> tuple[Field, ...] | None:
    """Return the keys of a TypedDict, None if it is something else."""
    if annotation is None:
        return None
    try:
        keys = items_of(signatures.annotations, annotation, use).keys.values()
    except UnwritableError:
        return None
    for key in keys:
        signatures.classes.learn(key.type)
    fields = [Field(key.name, key.type, key.required, ()) for key in keys]
    return tuple(sorted(fields, key=lambda field: field.name))
