"""The arguments of a call, those of `*(...)` and `**{...}` among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.names import values
from upnext_codegen.reading import facts

if TYPE_CHECKING:
    from upnext_codegen.names.evaluate import Evaluator
    from upnext_codegen.names.lookup import Spot


class Given(NamedTuple):
    """An argument: `keyword` is "" for a positional one, "*" or "**" where it cannot be known what is unpacked.

    `spot` is where `value` stands, `line` and `column` are those of the argument in the call.
    """

    keyword: str
    value: facts.Expr
    spot: Spot
    line: int
    column: int


def given_to(evaluator: Evaluator, call: facts.Call, spot: Spot) -> tuple[Given, ...]:
    """List the arguments of a call; what is unpacked counts item by item where it is known."""
    found: list[Given] = []
    for each in call.args:
        arg = each._replace(value=each.value.value) if isinstance(each.value, facts.Starred) else each
        items = _unpacked(evaluator, arg, spot)
        if items is None:
            found.append(Given(arg.keyword, arg.value, spot, arg.line, arg.column))
        else:
            found += [Given(keyword, value, at, arg.line, arg.column) for keyword, value, at in items]
    return tuple(found)


def handler_of(evaluator: Evaluator, call: facts.Call, spot: Spot) -> Given | None:
    """What is given to `on`, or to what it returned, as the handler; `None` in its place is nothing."""
    given = next((each for each in given_to(evaluator, call, spot) if each.keyword in {"", "*"}), None)
    return None if given is None or given.value == facts.Const(None) else given


def _unpacked(evaluator: Evaluator, arg: facts.Argument, spot: Spot) -> list[tuple[str, facts.Expr, Spot]] | None:
    shown = evaluator.value(arg.value, spot) if arg.keyword in {"*", "**"} else None
    if not isinstance(shown, values.Shown):
        return None
    match shown.expr:
        case facts.Display(kind, items) if arg.keyword == "*":
            # A list under a name may have grown since.
            fixed = kind == "tuple" or isinstance(arg.value, facts.Display)
            known = fixed and not any(isinstance(item, facts.Starred) for item in items)
            return [("", item, shown.spot) for item in items] if known else None
        case facts.Mapping(pairs) if arg.keyword == "**":
            keys = [name.value for name, _ in pairs if isinstance(name, facts.Const) and isinstance(name.value, str)]
            both = zip(keys, (value for _, value in pairs), strict=False)
            return [(key, value, shown.spot) for key, value in both] if len(keys) == len(pairs) else None
        case _:
            return None


def argument(call: facts.Call, name: str, position: int = 0) -> facts.Argument | None:
    """The argument that fills a parameter, None where there is none, or where unpacking hides it."""
    for arg in call.args:
        if arg.keyword == name:
            return arg
    positional: list[facts.Argument] = []
    for arg in call.args:
        if arg.keyword == "*":
            break
        if arg.keyword == "":
            positional.append(arg)
    return positional[position] if position < len(positional) else None
