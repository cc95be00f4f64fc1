"""The pages about frameworks show the examples as they are, and the examples are projects without a finding."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.cli.projects import Shell
from tests.docs.story import ROOT

PART = re.compile(r"<!-- part of: (\S+) -->\n```python\n(.*?)```", re.DOTALL)
EXAMPLES = {"django": "django_shop"}


@pytest.mark.parametrize("page", EXAMPLES)
def test_what_a_page_shows_is_part_of_its_example(page: str) -> None:
    text = (ROOT / "docs" / "how-to" / f"{page}.md").read_text(encoding="utf-8")
    parts = PART.findall(text)
    assert parts
    for file, part in parts:
        assert part in (ROOT / "examples" / EXAMPLES[page] / file).read_text(encoding="utf-8"), file


@pytest.mark.parametrize("example", EXAMPLES.values())
def test_an_example_is_a_project_without_a_finding(example: str, empty: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples" / example, empty.root / "project", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(empty.root / "project")
    done = empty.run("gen")
    assert (done.code, "nothing to report" in done.out) == (0, True), done.out + done.err
    assert Path("upnext_catalog.pyi").is_file()
