"""No sentence that the command can say of a source is without a case that reads it whole."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import upnext_codegen
from tests.corpus import casefile

SOURCES = Path(upnext_codegen.__file__).parent
_SAYS = {"Finding.of": ("message", "help", 1, 3), "UnwritableError": ("", "", 0, 1)}
_OF_ANOTHER_COMMAND = ("celery", "changes", "deployed")
"""Folders of what `upnext celery` and `--against` say, which tests of those commands read (tests/cli)."""

SAID = "\n".join(casefile.read(name).expected.get("findings", "") for name in casefile.names())


def sentences() -> Iterator[tuple[str, str]]:
    """Give each sentence as an expression that matches it, and where it is written."""
    others = {path for folder in _OF_ANOTHER_COMMAND for path in (SOURCES / folder).rglob("*.py")}
    for path in sorted(set(SOURCES.rglob("*.py")) - others):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and (called := ast.unparse(node.func)) in _SAYS:
                where = f"{path.relative_to(SOURCES).as_posix()}:{node.lineno}"
                for part in _parts(node, *_SAYS[called]):
                    yield from ((pattern, where) for pattern in _patterns(part))


def _parts(node: ast.Call, message: str, way_out: str, first: int, second: int) -> list[ast.expr]:
    named = [each.value for each in node.keywords if each.arg in {message, way_out}]
    return [*named, *(node.args[number] for number in (first, second) if number < len(node.args))]


def _patterns(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(str() as text) if text:
            yield re.escape(text)
        case ast.JoinedStr(values):
            yield "".join(re.escape(str(each.value)) if isinstance(each, ast.Constant) else ".+" for each in values)
        case ast.BoolOp(values=values):
            for value in values:
                yield from _patterns(value)
        case ast.IfExp(body=body, orelse=orelse):
            yield from _patterns(body)
            yield from _patterns(orelse)
        case _:
            pass


def test_every_sentence_is_read_in_a_case() -> None:
    every = dict.fromkeys(sentences())
    assert len(every) > 50
    assert {where.partition(":")[0] for _, where in every} >= {"messages.py", "merging/conflicts.py"}
    assert [each for each in every if not re.search(rf"{each[0]}$", SAID, re.MULTILINE)] == []
