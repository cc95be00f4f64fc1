"""`docs/events.md` is the events page: its code, which `tests/events_page` runs, and its prose, word for word."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

from tests.docs.story import ROOT, blocks
from tests.events_page.page import PAGE
from upnext.cli import main

TEXT = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
LAYOUT = {tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def tokens(python: str) -> list[str]:
    """Return a program without its layout."""
    found = tokenize.generate_tokens(io.StringIO(python).readline)
    return [token.string for token in found if token.type not in LAYOUT]


def prose() -> str:
    """Return what a reader sees of the page: no marks of Markdown, no code."""
    text = re.sub(r"^```.*?^```$|^>[^\n]*$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
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


DECLARATIONS = """
import upnext

worker = upnext.Worker("my-worker")
order_placed = worker.event("order.placed")
"""
CLOSED, OPEN = (block.text for block in blocks("docs/events.md")[2:4])


@pytest.mark.parametrize(("handlers", "finding"), [((CLOSED, OPEN.rpartition("@")[2]), "UPN108"), ((OPEN,), "")])
def test_the_note_on_closed_handlers_says_what_gen_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    handlers: tuple[str, ...],
    finding: str,
) -> None:
    """A closed handler beside one with more fields is the finding that the page names; two open ones are none."""
    monkeypatch.chdir(tmp_path)
    bodies = [text if text.lstrip().startswith("@") else f"@{text}" for text in handlers]
    (tmp_path / "app.py").write_text(DECLARATIONS + "\n\n".join(bodies), encoding="utf-8")
    main(["gen"])
    assert (finding or "nothing to report") in capsys.readouterr().out
