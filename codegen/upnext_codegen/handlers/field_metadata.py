"""What upnext is told of a parameter beside its type: that it is provided, and the names that its field had before."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from upnext_codegen.handlers.annotation_metadata import objects_of
from upnext_codegen.names import values

if TYPE_CHECKING:
    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.scopes import Use


def is_provided(evaluator: Evaluator, annotation: ast.expr | None, use: Use) -> bool:
    """Whether no payload fills a parameter: `Annotated[Session, upnext.Provide(...)]`."""
    return any(True for _ in objects_of(evaluator, annotation, use, "upnext.Provide"))


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
