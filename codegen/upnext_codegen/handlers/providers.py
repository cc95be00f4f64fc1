"""The provider of a parameter, `Annotated[Session, upnext.Provide(get_session)]`, and its own parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from upnext_codegen import messages
from upnext_codegen.handlers.annotation_metadata import objects_of
from upnext_codegen.handlers.annotations import UnwritableError
from upnext_codegen.handlers.classes import is_context
from upnext_codegen.handlers.declare import place_of
from upnext_codegen.handlers.default_markers import marker_in_place_of_a_value
from upnext_codegen.handlers.field_metadata import is_provided
from upnext_codegen.handlers.formals import formals_of
from upnext_codegen.handlers.wrapped import is_wrapped
from upnext_codegen.names import values
from upnext_codegen.names.evaluator import function_node
from upnext_codegen.names.scopes import Use
from upnext_codegen.reading.expression_text import text_of
from upnext_codegen.types import NONE, UnionType

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from upnext_codegen.findings import Finding
    from upnext_codegen.handlers.annotations import Annotations
    from upnext_codegen.handlers.classes import Classes
    from upnext_codegen.types import Type

_MANAGERS = frozenset({"contextlib.contextmanager", "contextlib.asynccontextmanager"})


@dataclass(slots=True)
class Providers:
    """Checks the providers of parameters.

    Attributes:
        annotations: Reads annotations.
        classes: Learns of the classes in them.
    """

    annotations: Annotations
    classes: Classes

    def check(
        self, annotation: ast.expr | None, use: Use, above: tuple[values.FunctionRef, ...] = ()
    ) -> Iterator[Finding]:
        """Report a provider in an annotation that cannot be called, or depends on itself.

        Args:
            annotation: The parameter's annotation.
            use: Where it stands.
            above: The functions that need it.
        """
        evaluator = self.annotations.evaluator
        for call, at in objects_of(evaluator, annotation, use, "upnext.Provide"):
            if len(call.args) != 1 or call.keywords:
                continue
            (given,) = call.args
            match evaluator.value(given, at):
                case values.Constant() | values.ContainerValue():
                    yield messages.no_provider(place_of(at, given), text_of(given))
                case values.FunctionRef() as function if function in above:
                    needing = [each.definition.name for each in (*above[above.index(function) :], function)]
                    yield messages.providers_in_a_circle(place_of(at, given), needing)
                case values.FunctionRef() as function if not is_wrapped(evaluator, function, _MANAGERS):
                    yield from self._parameters(function, above)
                case _:
                    pass

    def _parameters(self, function: values.FunctionRef, above: tuple[values.FunctionRef, ...]) -> Iterator[Finding]:
        use = Use(function.definition.scope)
        if use.scope.kind == "class":  # arguments of a method may be bound
            return
        for formal in formals_of(function_node(function)):
            if formal.kind in {"args", "kwargs"}:
                continue
            by_name = formal.kind != "positional"
            if by_name and is_provided(self.annotations.evaluator, formal.annotation, use):
                yield from self.check(formal.annotation, use, (*above, function))
            elif by_name and self._may_be_context(formal.annotation, use):
                continue
            elif formal.default is None:
                place = place_of(use, formal.node)
                yield messages.unfilled_provider(place, function.definition.name, formal.name)
            else:
                yield from marker_in_place_of_a_value(self.annotations.evaluator, formal, function.definition.name, use)

    def _may_be_context(self, annotation: ast.expr | None, use: Use) -> bool:
        if annotation is None:
            return False
        try:
            written = self.annotations.read(annotation, use, {})
        except UnwritableError:
            return True
        self.classes.learn(written)
        return is_context_type(written, self.classes)


def is_context_type(written: Type, classes: Classes) -> bool:
    """Whether a type is `upnext.Context`, a subclass, or one of them optionally."""
    sides = written.members if isinstance(written, UnionType) else (written,)
    sides = tuple(side for side in sides if side != NONE)
    return len(sides) == 1 and is_context(sides[0], classes.known)
