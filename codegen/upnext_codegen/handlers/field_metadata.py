"""What an annotation tells upnext beside the type: that a parameter is provided, or a field's former names."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from upnext_codegen import messages
from upnext_codegen.handlers.annotation_metadata import metadata_of, objects_of
from upnext_codegen.handlers.declare import place_of
from upnext_codegen.names import values
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.reading.expression_text import text_of
from upnext_codegen.reading.string_annotations import unquoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.findings import Finding
    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.scopes import Use


_CONVERTING = frozenset({"BeforeValidator", "PlainValidator", "SkipValidation", "WrapValidator"})


def is_filled(evaluator: Evaluator, annotation: ast.expr | None, use: Use) -> bool:
    """Whether the codec fills a parameter that a payload omits: `Annotated[int, Field(default=3)]`."""
    found = [call for each, at in metadata_of(evaluator, annotation, use) if (call := _field(evaluator, each, at))]
    return any(
        given.arg in {"default", "default_factory"} and not _is_dots(given.value)
        for call in found
        for given in (*call.keywords, *(ast.keyword("default", each) for each in call.args[:1]))
    )


def is_converted(evaluator: Evaluator, annotation: ast.expr | None, use: Use) -> bool:
    """Whether user code converts other types to the type of a parameter, somewhere in it."""
    if annotation is None:
        return False
    inside = [
        (each, use)
        for node in ast.walk(unquoted(annotation))
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple)
        for each in node.slice.elts[1:]
    ]
    return any(
        _last_name(evaluator, each, at) in _CONVERTING
        for each, at in (*metadata_of(evaluator, annotation, use), *inside)
    )


def _field(evaluator: Evaluator, metadata: ast.expr, use: Use) -> ast.Call | None:
    is_field = isinstance(metadata, ast.Call) and _last_name(evaluator, metadata, use) == "Field"
    return metadata if is_field and isinstance(metadata, ast.Call) else None


def _last_name(evaluator: Evaluator, metadata: ast.expr, use: Use) -> str:
    """The last name in pydantic of the constructor of a piece of metadata, "" for anything else."""
    expr = metadata.func if isinstance(metadata, ast.Call) else metadata
    expr = expr.value if isinstance(expr, ast.Subscript) else expr
    if not isinstance(expr, ast.Name | ast.Attribute):
        return ""
    found = evaluator.value(expr, use)
    is_pydantic = isinstance(found, ExternalName) and found.name.partition(".")[0] == "pydantic"
    return found.name.rpartition(".")[2] if isinstance(found, ExternalName) and is_pydantic else ""


def _is_dots(expr: ast.expr) -> bool:
    return isinstance(expr, ast.Constant) and expr.value is ...


def is_provided(evaluator: Evaluator, annotation: ast.expr | None, use: Use) -> bool:
    """Whether no payload fills a parameter: `Annotated[Session, upnext.Provide(...)]`."""
    return any(True for _ in objects_of(evaluator, annotation, use, "upnext.Provide"))


def unusable_former_names(evaluator: Evaluator, annotation: ast.expr | None, use: Use) -> Iterator[Finding]:
    """Report `Formerly` without a name, or with something else."""
    for call, at in objects_of(evaluator, annotation, use, "upnext.Formerly"):
        if not call.args and not call.keywords:
            yield messages.no_former_name(place_of(at, call), text_of(call))
        for given in call.args:
            match evaluator.value(given, at):
                case values.Constant(value) if not isinstance(value, str) or not value:
                    yield messages.no_former_name(place_of(at, given), text_of(call))
                case _:
                    pass


def former_names(evaluator: Evaluator, annotation: ast.expr | None, use: Use) -> tuple[str, ...]:
    """Return the former names of a field: `Annotated[str, upnext.Formerly("order_id")]`."""
    found: dict[str, None] = {}
    for call, at in objects_of(evaluator, annotation, use, "upnext.Formerly"):
        for argument in call.args:
            match evaluator.value(argument, at):
                case values.Constant(str() as name):
                    found[name] = None
                case _:
                    pass  # without it, a valid earlier payload may look like a breaking one
    return tuple(found)
