"""Parses annotations written as strings once, so that no other code sees the quotes."""

from __future__ import annotations

import ast
import warnings
from functools import lru_cache


def unquoted(annotation: ast.expr) -> ast.expr:
    """Return the expression in a quoted annotation, and any other annotation unchanged."""
    while isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        parsed = _parsed(annotation.value)
        if parsed is None:
            return annotation
        annotation = parsed
    return annotation


@lru_cache(maxsize=4096)
def _parsed(text: str) -> ast.expr | None:
    stripped = f"({text.strip()}\n)" if text.strip() else ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(stripped, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
