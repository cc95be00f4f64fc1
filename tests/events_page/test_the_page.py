"""The page itself: that the tests read all of it, and that none of its sentences is without a test."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.events_page.page import FILE, PAGE, TABLE_HEAD, Snippet

SECTIONS = ["Define an event", "Attach handlers", "Handler options", "Fire events", "Typed events"]

ROWS = [f"{row.name} {row.type} {row.default} {row.description}" for row in PAGE.options]


def folded(text: str) -> str:
    return " ".join(text.split())


def quoted() -> str:
    """Return what the docstrings of all tests here quote."""
    docstrings: list[str] = []
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        tests = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        docstrings += [folded(ast.get_docstring(node) or "") for node in tests if node.name.startswith("test_")]
    return "\n".join(docstrings)


def test_the_page_has_the_sections_that_the_tests_know() -> None:
    assert PAGE.headings == SECTIONS


def test_every_line_of_the_page_is_read_as_a_heading_a_sentence_a_row_or_code() -> None:
    lines = FILE.read_text(encoding="utf-8").splitlines()
    code = [line for section in ["", *SECTIONS] for snippet in PAGE.snippets(section) for line in snippet.lines]
    prose = " ".join(PAGE.sentences)
    rest = [line for line in lines if line not in code and line not in PAGE.headings and line not in prose]
    assert len(rest) == 1
    rows = [row.replace(" ", "", 3) for row in ROWS]
    assert rest == [" ".join([TABLE_HEAD, *rows])]


@pytest.mark.parametrize("snippet", PAGE.all_snippets, ids=lambda snippet: f"line-{snippet.line}")
def test_with_its_indentation_back_every_snippet_is_python(snippet: Snippet) -> None:
    compile(snippet.python, "page.txt", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("snippet", PAGE.all_snippets, ids=lambda snippet: f"line-{snippet.line}")
def test_nothing_but_blanks_is_changed_in_a_snippet(snippet: Snippet) -> None:
    assert snippet.python.split() == " ".join(snippet.lines).split()


@pytest.mark.parametrize("sentence", [*PAGE.sentences, *PAGE.comments, *ROWS])
def test_no_sentence_of_the_page_is_without_a_test(sentence: str) -> None:
    assert folded(sentence) in quoted()
