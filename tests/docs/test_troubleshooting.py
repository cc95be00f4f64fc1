"""`docs/troubleshooting.md` quotes messages as upnext says them: who searches for one finds it."""

from __future__ import annotations

import re

import pytest

import upnext
from tests.docs.story import ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
SOURCES = re.sub(
    r'"\s*\n\s*f?"',
    "",
    "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("upnext", "codegen", "plugins")
        for path in (ROOT / folder).rglob("*.py")
    ),
)
"""All of our code, with the texts that go over several lines in one."""

QUOTED = re.findall(r"\*\*`([^`]+)`|^\| `([^`]+)`", PAGE, re.MULTILINE)
QUOTES = [bold or cell for bold, cell in QUOTED]


@pytest.mark.parametrize("quote", QUOTES)
def test_a_message_that_the_page_quotes_is_one_of_ours(quote: str) -> None:
    """What varies in it stands there as an ellipsis."""
    for part in quote.split("…"):
        assert part.strip("' ") in SOURCES or hasattr(upnext, quote), part


def test_every_error_that_the_page_names_can_be_caught() -> None:
    assert len(QUOTES) > 10
    for name in re.findall(r"`(\w+Error)`", PAGE):
        assert hasattr(upnext, name)
