"""`docs/merging.md`: each example prints what the page shows of it."""

from __future__ import annotations

from tests.cli.projects import Shell
from tests.docs.story import blocks


def test_each_rule_prints_what_the_page_shows(empty: Shell) -> None:
    """In the order of the page, as each example takes the place of the one before."""
    examples = 0
    for block in blocks("docs/merging.md"):
        if block.file:
            empty.write({block.file: block.text})
        for command, shown in block.commands if block.language == "console" else ():
            assert empty.run(*command.split()[1:]).out == shown.strip("\n") + "\n"
            examples += 1
    assert examples == 7
