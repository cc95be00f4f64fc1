"""Reduces a file to what a rename concerns: libcst takes seconds for a large one."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.reading.source import SourceError, decode, tree_of
from upnext_codegen.reading.tree import children

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_BLANKS = " \t\f"
_GLOBAL = "global"
"""A function with this in it may give names of the module a meaning."""
_BLOCKS = (ast.ClassDef, ast.If, ast.Try, ast.With, ast.For, ast.While, ast.ExceptHandler)
"""What functions and classes of a module can be in, without being hidden from one another."""


class Excerpt(NamedTuple):
    """The parts of a file that may involve some words.

    Attributes:
        whole: The text of the file.
        text: The lines of the excerpt, which end with a line feed.
        numbers: For each of these lines the number of the line in the file that it is, or stands for.
    """

    whole: str
    text: str
    numbers: list[int]


def excerpt(data: bytes, words: Collection[str]) -> Excerpt | None:
    """Leave out the bodies of functions and classes that contain none of some words.

    What stands outside functions and classes is kept, but for comments: imports and variables say what names mean.

    Args:
        data: The file.
        words: The words.

    Returns:
        The excerpt; None for a file that Python cannot read, or that is in another encoding than UTF-8, or begins with
        a byte order mark.
    """
    try:
        source, tree = tree_of(data)
        whole = data.decode("utf-8")
        if decode(data) != whole:
            return None
    except (SourceError, UnicodeDecodeError):
        return None
    kept: dict[int, str] = {}
    for node in tree.body:
        for number in range(_first_line(node), (node.end_lineno or node.lineno) + 1):
            kept[number] = source.lines[number - 1]
    for node in _emptied(tree.body, source.lines, words):
        first = _first_line(node)
        for number in range(first + 1, (node.end_lineno or node.lineno) + 1):
            del kept[number]
        indent = kept[first][: len(kept[first]) - len(kept[first].lstrip(_BLANKS))]
        kept[first] = f"{indent}{node.name} = 0"  # the shortest part that gives it a meaning
    numbers = sorted(kept)
    return Excerpt(whole, "".join(f"{kept[number]}\n" for number in numbers), numbers)


_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, _Definition) else []
    return min([node.lineno, *(each.lineno for each in decorators)])


def _emptied(nodes: Iterable[ast.AST], lines: list[str], words: Collection[str]) -> Iterator[_Definition]:
    """Yield the outermost functions and classes that contain none of the words."""
    for node in nodes:
        if isinstance(node, _Definition):
            text = "\n".join(lines[_first_line(node) - 1 : node.end_lineno])
            # A name in other letters may be spelled differently from what the parser returns.
            if node.name.isascii() and not any(word in text for word in (*words, _GLOBAL)):
                yield node
                continue
        if isinstance(node, _BLOCKS):
            yield from _emptied(children(node), lines, words)
