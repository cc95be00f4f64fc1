"""What upnext is told of a parameter beside its type: that it is provided, and the names that its field had before."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from upnext_codegen import messages
from upnext_codegen.handlers.annotation_metadata import objects_of
from upnext_codegen.handlers.declare import place_of
from upnext_codegen.names import values
from upnext_codegen.reading.expression_text import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.findings import Finding
    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.scopes import Use


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
    """Return the names that a field had before: `Annotated[str, upnext.Formerly("order_id")]`."""
    found: dict[str, None] = {}
    for call, at in objects_of(evaluator, annotation, use, "upnext.Formerly"):
        for argument in call.args:
            match evaluator.value(argument, at):
                case values.Constant(str() as name):
                    found[name] = None
                case _:
                    pass  # where it cannot be known, an earlier payload may look like one that breaks
    return tuple(found)
