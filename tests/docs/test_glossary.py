"""`docs/glossary.md` explains every public name, and leads to files that exist."""

from __future__ import annotations

import re

import pytest

import upnext
from tests.docs.story import ROOT

PAGE = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (.+) \| (.+) \| `(.+)` \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("name", upnext.__all__)
def test_every_public_name_stands_in_the_glossary(name: str) -> None:
    """A reader who meets a public name finds its meaning."""
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize(("term", "place"), [(term, place) for term, _, place in ROWS])
def test_every_term_leads_to_where_it_lives(term: str, place: str) -> None:
    """The last column names a file or folder of the project."""
    assert (ROOT / place).exists(), term


def test_every_meaning_is_a_sentence_and_every_term_stands_once() -> None:
    """Two rows for one term would be two meanings."""
    assert ROWS
    assert all(meaning.endswith(".") for _, meaning, _ in ROWS)
    terms = [term for term, _, _ in ROWS]
    assert len(terms) == len(set(terms))
