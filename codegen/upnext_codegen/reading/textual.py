"""Annotations that are written as strings."""

from __future__ import annotations

import ast
import warnings
from functools import lru_cache

from upnext_codegen.files.source import Text
from upnext_codegen.reading import facts
from upnext_codegen.reading.expressions import Encoder


@lru_cache(maxsize=4096)
def parsed_annotation(text: str) -> facts.Expr:
    """Parse the text of a string annotation; `Unknown` where it is no expression."""
    stripped = f"({text.strip()}\n)" if text.strip() else ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(stripped, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return facts.Unknown()
    return Encoder(Text(stripped)).encode(tree.body)
