"""Lists, tuples, sets and dicts that are written out: what stands in them, and what a loop over one goes through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext_codegen.names import values
from upnext_codegen.names.lookup import Bound, Spot
from upnext_codegen.names.values import FOREIGN, NOTHING, Value, merged
from upnext_codegen.reading import facts

if TYPE_CHECKING:
    from upnext_codegen.names.evaluate import Evaluator

_DEEPEST = 10
_MOST = 1000
"""Turns of loops in one another."""
_CHANGING = frozenset({"add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "update"})


def item(evaluator: Evaluator, shown: Value, index: Value) -> Value:
    """What stands under an index or key of a display."""
    if not isinstance(shown, values.Shown) or not isinstance(index, values.Constant | values.Member):
        return NOTHING
    expr = shown.expr
    key = index.value if isinstance(index, values.Member) else index
    if isinstance(expr, facts.Mapping):
        for name, value in reversed(expr.pairs):
            if evaluator.value(name, shown.spot) in {index, key}:
                return evaluator.value(value, shown.spot)
        return NOTHING
    found = _numbered(expr, key.value if isinstance(key, values.Constant) else None)
    return NOTHING if found is None else evaluator.value(found, shown.spot)


def _numbered(expr: facts.Display, number: object) -> facts.Expr | None:
    if any(isinstance(each, facts.Starred) for each in expr.items) or not isinstance(number, int):
        return None
    return expr.items[number] if -len(expr.items) <= number < len(expr.items) else None


def in_turn(evaluator: Evaluator, expr: facts.Element | facts.Part, spot: Spot) -> Value:
    """What a loop or an unpacking binds; not known where it is not the same in all turns."""
    found = [evaluator.value(*each) for each in turns(evaluator, expr, spot) if each != (expr, spot)]
    value = merged(found)
    vague = value in {NOTHING, FOREIGN} or isinstance(value, values.Doubtful)
    return value if vague or len(set(found)) == 1 else NOTHING


def turns(evaluator: Evaluator, expr: facts.Expr, spot: Spot, depth: int = 0) -> list[tuple[facts.Expr, Spot]]:
    """What an expression stands for in the turns of the loop that binds it, one after another.

    It is the expression itself where there is no loop, or where it cannot be known what the loop goes through.
    """
    itself = [(expr, spot)]
    if depth > _DEEPEST:
        return itself
    match expr:
        case facts.Name(name):
            found = evaluator.lookup.name(spot, name)
            bound = found[0] if len(found) == 1 else None
            what = bound.binding.what if isinstance(bound, Bound) else None
            value = what.value if isinstance(what, facts.Assigned) else None
            if not isinstance(bound, Bound) or not isinstance(value, facts.Element | facts.Part | facts.Name):
                return itself
            at = Spot(bound.file, bound.scope, bound.binding.line, bound.binding.arms)
            result = turns(evaluator, value, at, depth + 1)
            return itself if result == [(value, at)] else result
        case facts.Element(of):
            items = _looped(evaluator, of, spot, depth + 1)
            return [one for each in items for one in turns(evaluator, *each, depth + 1)][:_MOST] or itself
        case facts.Part(of, number):
            parts = [_part(evaluator, *each, number) for each in turns(evaluator, of, spot, depth + 1)]
            return [each or (facts.Unknown(), spot) for each in parts] if any(parts) else itself
        case _:
            return itself


def _part(evaluator: Evaluator, expr: facts.Expr, spot: Spot, number: int) -> tuple[facts.Expr, Spot] | None:
    shown = evaluator.value(expr, spot)
    if not isinstance(shown, values.Shown) or not isinstance(shown.expr, facts.Display):
        return None
    found = _numbered(shown.expr, number)
    return None if found is None else (found, shown.spot)


def _looped(evaluator: Evaluator, of: facts.Expr, spot: Spot, depth: int) -> list[tuple[facts.Expr, Spot]]:
    """What a loop goes through, nothing where that cannot be known."""
    match of:
        case facts.Call(facts.Attr(base, "items" | "keys" | "values" as part), ()):
            of = base
        case _:
            part = "keys"
    found: list[tuple[facts.Expr, Spot]] = []
    for each in turns(evaluator, of, spot, depth):
        shown = evaluator.value(*each)
        if not isinstance(shown, values.Shown) or _changes(evaluator, shown):
            return []
        found += _items(evaluator, shown, part, depth)
    return found


def _items(evaluator: Evaluator, shown: values.Shown, part: str, depth: int) -> list[tuple[facts.Expr, Spot]]:
    expr, spot = shown.expr, shown.spot
    if isinstance(expr, facts.Mapping):
        chosen = [
            {"keys": key, "values": value}.get(part, facts.Display("tuple", (key, value))) for key, value in expr.pairs
        ]
        return [(each, spot) for each in chosen]
    found: list[tuple[facts.Expr, Spot]] = []
    for each in expr.items:
        if isinstance(each, facts.Starred):
            found += _looped(evaluator, each.value, spot, depth + 1) or [(facts.Unknown(), spot)]
        else:
            found.append((each, spot))
    return found


def _changes(evaluator: Evaluator, shown: values.Shown) -> bool:
    """Whether something goes by a name that more is added to."""
    known = evaluator.lookup.load(shown.spot.file)
    if known is None or getattr(shown.expr, "kind", "") == "tuple":
        return False
    changed = {
        site.call.func.value
        for site in known.sites
        if isinstance(site.call.func, facts.Attr) and site.call.func.attr in _CHANGING
    }
    bindings = known.scopes[shown.spot.scope].bindings
    return any(facts.Name(each.name) in changed for each in bindings if each.line == shown.spot.line)
