"""`upnext gen --files`: every file, whether it was read, and why not."""

from __future__ import annotations

import json

import pytest

from tests.cli.projects import Shell

MORE = {
    ".gitignore": "made/\n",
    "pyproject.toml": "[tool.upnext]\nexclude = ['old.py']\n",
    "made/a.py": "",
    "shop/old.py": "",
    "shop/plain.py": "x = 1\n",
    "shop/broken.py": "import upnext\ndef (:\n",
    "tests/test_a.py": "",
}
LINES = """\
left out  made/  (ignored by .gitignore)
skipped   shop/__init__.py  (nothing in it leads to upnext)
skipped   shop/broken.py  (cannot read this file: invalid syntax)
read      shop/email.py
read      shop/events.py
left out  shop/old.py  (named by exclude in [tool.upnext])
skipped   shop/plain.py  (nothing in it leads to upnext)
read      shop/stock.py
left out  tests/  (left out by default)
"""


@pytest.fixture
def mixed(shop: Shell) -> Shell:
    """Give a project with files of every kind."""
    shop.write(MORE)
    return shop


def test_every_file_is_listed_with_what_was_done_with_it(mixed: Shell) -> None:
    """A line each, sorted, and the same with a cache; nothing is generated."""
    for _ in range(2):
        outcome = mixed.run("gen", "--files")
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out == LINES
    assert not (mixed.root / "upnext.lock").exists()


def test_the_list_is_json_where_asked_and_narrowed_to_paths(mixed: Shell) -> None:
    """Paths are relative to the project root."""
    listed = json.loads(mixed.run("gen", "--files", "--format", "json", "shop/old.py", "tests").out)
    assert listed == {
        "files": [
            {"path": "shop/old.py", "status": "left out", "reason": "named by exclude in [tool.upnext]"},
            {"path": "tests/", "status": "left out", "reason": "left out by default"},
        ]
    }
    assert json.loads(mixed.run("gen", "--files", "--format", "json").out) == json.loads(
        mixed.run("gen", "--files", "--format", "json", ".").out
    )


@pytest.mark.parametrize("flags", [["--check"], ["--watch"], ["--against", "main"], ["--format", "sarif"]])
def test_what_does_not_go_with_it_is_refused(flags: list[str], mixed: Shell) -> None:
    """Nothing is on stdout then."""
    outcome = mixed.run("gen", "--files", *flags)
    assert (outcome.code, outcome.out) == (2, "")
    assert "--files" in outcome.err
