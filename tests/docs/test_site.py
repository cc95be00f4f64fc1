"""The documentation site: what is built, and that it needs nothing from elsewhere."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

import upnext
from tests.docs.story import ROOT

SITE = runpy.run_path(str(ROOT / "docs" / "build_site.py"))
API = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")


def test_the_reference_has_every_public_name_once() -> None:
    """A name that is added to `upnext` is added there."""
    named = re.findall(r"^::: upnext\.(\w+)$", API, re.MULTILINE)
    assert sorted(named) == sorted(upnext.__all__)


def test_the_page_of_settings_has_every_variable_that_the_code_reads() -> None:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    sources = [path for folder in ("upnext", "codegen", "plugins") for path in (ROOT / folder).rglob("*.py")]
    read = {name for path in sources for name in re.findall(r"\bUPNEXT_[A-Z_]+\b", path.read_text(encoding="utf-8"))}
    assert read - {"UPNEXT_SUPERVISED"} <= set(re.findall(r"UPNEXT_[A-Z_]+", page))  # that one is between our processes


def test_every_page_is_in_the_navigation_once() -> None:
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    named = list(SITE["in_navigation"]())
    assert len(named) == len(set(named))
    assert set(named) == pages | set(SITE["ELSEWHERE"].values())


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("[a](events.md#define-an-event)", "[a](../events.md#define-an-event)"),
        ("![a](pictures/flow.svg)", "![a](../pictures/flow.svg)"),
        ("[the changes](../CHANGELOG.md)", "[the changes](../changelog.md)"),
        ("[`test_x`](../tests/conftest.py)", "`test_x`"),
        ("[a](https://valkey.io/x)", "[a](https://valkey.io/x)"),
        ("[a](#here)", "[a](#here)"),
        ("[a](nowhere.md)", "[a](nowhere.md)"),
    ],
)
def test_links_lead_where_they_can_on_the_site(link: str, shown: str) -> None:
    """Files of the repository are not on it; what leads nowhere stays, for the generator to report."""
    on_site = {(ROOT / "docs" / "events.md"): "events.md", (ROOT / "CHANGELOG.md"): "changelog.md"}
    assert SITE["for_site"](link, ROOT / "docs" / "page.md", "deep/page.md", on_site) == shown


def test_a_file_that_a_page_shows_has_its_name_above_it() -> None:
    """A comment has it in the source, where only those see it who write pages."""
    source = "<!-- file: shop.py -->\n```python\nimport upnext\n```\n"
    shown = SITE["for_site"](source, ROOT / "docs" / "page.md", "page.md", {})
    assert shown == '```python title="shop.py"\nimport upnext\n```\n'


def test_a_bar_in_code_in_a_table_is_shown_without_the_backslash_before_it() -> None:
    """Outside of code it stays escaped, as it would end the cell."""
    shown = SITE["for_site"]("| `int \\| str` | a \\| b |\n`a \\| b`\n", ROOT / "docs" / "page.md", "page.md", {})
    assert shown == "| `int | str` | a \\| b |\n`a \\| b`\n"


def test_a_page_that_loads_a_file_from_elsewhere_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A reader may have no network."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "fine.html").write_text(f'<a href="https://a.example"></a><script src="{SITE["FOREIGN_SHIM"]}">')
    assert SITE["do_without_network"](tmp_path) == 0
    assert 'src="assets/search_from_disk.js"' in (tmp_path / "fine.html").read_text()
    (tmp_path / "bad.html").write_text('<link rel="stylesheet" href="https://fonts.example/a.css">')
    assert SITE["do_without_network"](tmp_path) == 1
    assert "bad.html: https://fonts.example/a.css" in capsys.readouterr().err
