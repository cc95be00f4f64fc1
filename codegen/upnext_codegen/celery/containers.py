"""The contents of `args` and `kwargs`, where they are written out at the call."""

from __future__ import annotations

import ast

from upnext_codegen.celery.records import WrongContainer

_LONGEST = 40
"""Characters of an expression that a finding shows."""


def argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    """Return the argument for a parameter, None if there is none, or `*` may provide it."""
    named = next((each.value for each in call.keywords if each.arg == name), None)
    before = call.args[: position + 1]
    if named is not None or len(before) <= position or any(isinstance(each, ast.Starred) for each in before):
        return named
    return before[position]


def sequence(expr: ast.expr | None) -> tuple[int, bool]:
    """Return the minimum number of arguments in `args`, and whether there may be more."""
    match expr:
        case None | ast.Constant(None):
            return 0, False
        case ast.Tuple(elts=items) | ast.List(elts=items):
            plain = [each for each in items if not isinstance(each, ast.Starred)]
            return len(plain), len(plain) < len(items)
        case _:
            return 0, True


def mapping(expr: ast.expr | None) -> tuple[tuple[str, ...], bool]:
    """Return the names in `kwargs`, and whether there may be others."""
    match expr:
        case None | ast.Constant(None):
            return (), False
        case ast.Dict(keys):
            names = [each.value for each in keys if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            return tuple(dict.fromkeys(names)), len(names) < len(keys)
        case ast.Call(ast.Name("dict"), [], keywords):
            names = [each.arg for each in keywords if each.arg is not None]
            return tuple(names), len(names) < len(keywords)
        case _:
            return (), True


def items(expr: ast.AST) -> tuple[dict[str, ast.expr], bool]:
    """Return the text keys of a literal dict with their values, and whether there may be more."""
    match expr:
        case ast.Dict(keys, values):
            found = {
                key.value: value
                for key, value in zip(keys, values, strict=True)
                if isinstance(key, ast.Constant) and isinstance(key.value, str)
            }
            return found, None in keys
        case ast.Call(ast.Name("dict"), [], keywords):
            found = {each.arg: each.value for each in keywords if each.arg is not None}
            return found, len(found) < len(keywords)
        case _:
            return {}, False


def wrong_in_schedule(args: ast.expr | None, kwargs: ast.expr | None) -> WrongContainer | None:
    """Return what beat cannot take: it makes a list of anything, so a text becomes one argument per letter."""
    match args:
        case ast.Constant(str() | bytes() as text) if len(text) == 1:
            args = None
        case ast.Constant() | ast.JoinedStr():
            pass
        case _:
            args = None
    return wrong_container(args, kwargs)


def wrong_container(args: ast.expr | None, kwargs: ast.expr | None) -> WrongContainer | None:
    """Return what Celery refuses: non-empty `args` that are neither tuple nor list, or `kwargs` that are not a dict."""
    match args:
        case ast.Constant(str() | bytes() | int() | float() as value) if value:
            shown = _shown(args)
            return WrongContainer(
                f"args={shown}, which is neither a tuple nor a list", f"a tuple of one has a comma: args=({shown},)"
            )
        case ast.Dict([_, *_]):
            return WrongContainer("a dict as args", "pass it as kwargs=")
        case ast.JoinedStr() | ast.Set() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            return WrongContainer(
                f"args={_shown(args)}, which is neither a tuple nor a list", "make it a tuple or a list"
            )
        case _:
            pass
    match kwargs:
        case ast.Tuple([_, *_]) | ast.List([_, *_]) | ast.ListComp():
            return WrongContainer(
                f"kwargs={_shown(kwargs)}, which is not a dict", "pass it as args=, or make it a dict"
            )
        case ast.Constant(str() | bytes() | int() | float() as value) if value:
            return WrongContainer(
                f"kwargs={_shown(kwargs)}, which is not a dict", "pass it as args=, or make it a dict"
            )
        case _:
            return None


def _shown(expr: ast.expr) -> str:
    text = ast.unparse(expr)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
