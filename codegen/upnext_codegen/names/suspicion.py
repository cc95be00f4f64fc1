"""Which expressions can be ours at all, told by the names in them alone: no others are worth working out."""

from __future__ import annotations

from upnext_codegen.reading import facts

FIRST = frozenset({"on", "event", "Worker"})
"""Where every suspicion starts."""


def is_suspect(expr: facts.Expr | None, names: frozenset[str]) -> bool:
    """Whether an expression may be, make or hold something that is ours."""
    match expr:
        case facts.Name(name) | facts.Attr(_, name):
            return name in names
        case facts.Call(func, args):
            return is_suspect(func, names) or _is_asked_for(func, args, names) or _any(args, names)
        case facts.Subscript(value, key):
            return is_suspect(value, names) or (isinstance(key, facts.Const) and key.value in names)
        case facts.Choice(first, second):
            return is_suspect(first, names) or is_suspect(second, names)
        case facts.Display(_, items):
            return any(is_suspect(item, names) for item in items)
        case facts.Mapping(pairs):
            return any(is_suspect(item, names) for _, item in pairs)
        case facts.Part(inner) | facts.Element(inner) | facts.Starred(inner):
            return is_suspect(inner, names)
        case _:
            return False


def _any(args: tuple[facts.Argument, ...], names: frozenset[str]) -> bool:
    return any(is_suspect(arg.value, names) for arg in args)


def _is_asked_for(func: facts.Expr, args: tuple[facts.Argument, ...], names: frozenset[str]) -> bool:
    """Whether it is `getattr(x, "on")`, or one with a name that has to be worked out."""
    if func != facts.Name("getattr") or len(args) < 2:
        return False
    attr = args[1].value
    return attr.value in names if isinstance(attr, facts.Const) else not isinstance(attr, facts.Unknown)
