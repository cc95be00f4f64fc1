"""Calls that put strings together: `"...".format(...)` and `"...".join(...)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext_codegen.names import values
from upnext_codegen.names.constants import formatted, strung
from upnext_codegen.names.members import as_text, printed
from upnext_codegen.names.values import NOTHING, Value
from upnext_codegen.reading import facts

if TYPE_CHECKING:
    from upnext_codegen.names.evaluate import Evaluator
    from upnext_codegen.names.lookup import Spot


def text_call(evaluator: Evaluator, call: facts.Call, spot: Spot) -> Value | None:
    """What the call returns, None where it is no such call on a constant."""
    func = call.func
    if not isinstance(func, facts.Attr) or func.attr not in {"format", "join"}:
        return None
    base = evaluator.value(func.value, spot)
    if not isinstance(base, values.Constant) or not isinstance(base.value, str):
        return None
    rule = _format if func.attr == "format" else _join
    return rule(evaluator, base.value, call, spot)


def _format(evaluator: Evaluator, template: str, call: facts.Call, spot: Spot) -> Value:
    parts = [(arg.keyword, printed(evaluator, evaluator.value(arg.value, spot))) for arg in call.args]
    named = {keyword: part for keyword, part in parts if keyword}
    if named.keys() & {"*", "**"}:
        return NOTHING
    return formatted(template, [part for keyword, part in parts if not keyword], named)


def _join(evaluator: Evaluator, separator: str, call: facts.Call, spot: Spot) -> Value:
    shown = evaluator.value(call.args[0].value, spot) if [arg.keyword for arg in call.args] == [""] else NOTHING
    expr = shown.expr if isinstance(shown, values.Shown) else None
    if not isinstance(shown, values.Shown) or not isinstance(expr, facts.Display) or expr.kind == "set":
        return NOTHING
    return strung(separator, [as_text(evaluator, evaluator.value(item, shown.spot)) for item in expr.items])
