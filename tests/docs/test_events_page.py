"""`docs/events.md` is the events page: its code, which `tests/events_page` runs, and its prose, word for word."""

from __future__ import annotations

import io
import re
import tokenize

import pytest

from tests.docs.story import ROOT, blocks
from tests.events_page.page import PAGE

TEXT = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
LAYOUT = {tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def tokens(python: str) -> list[str]:
    """Return a program without its layout."""
    found = tokenize.generate_tokens(io.StringIO(python).readline)
    return [token.string for token in found if token.type not in LAYOUT]


def prose() -> str:
    """Return what a reader sees of the page: no marks of Markdown, no code."""
    text = re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", text).replace("`", "")


def test_the_code_is_that_of_the_page_but_for_its_layout() -> None:
    assert [tokens(block.text) for block in blocks("docs/events.md")] == [
        tokens(snippet.python) for snippet in PAGE.all_snippets
    ]


@pytest.mark.parametrize("sentence", PAGE.sentences)
def test_the_prose_is_that_of_the_page(sentence: str) -> None:
    assert sentence in prose()


def test_the_headings_are_those_of_the_page() -> None:
    assert re.findall(r"^## (.+)$", TEXT, re.MULTILINE) == PAGE.headings


def test_the_table_of_options_is_that_of_the_page() -> None:
    rows = [f"| {row.name} | {row.type} | {row.default} | {row.description} |" for row in PAGE.options]
    assert "\n".join(["| --- | --- | --- | --- |", *rows]) in prose()
