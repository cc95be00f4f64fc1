"""docs/how-to/celery.md: a project that stays with Celery, checked as the page says."""

from __future__ import annotations

import shlex

from tests.cli.projects import Shell
from tests.docs.story import blocks

PAGE = blocks("docs/how-to/celery.md")


def test_the_commands_of_the_page_print_what_it_shows(empty: Shell) -> None:
    for block in PAGE:
        if block.file:
            empty.write({block.file: block.text})
        for command, output in block.commands if block.language == "console" else ():
            if command.startswith("upnext "):
                assert empty.run(*shlex.split(command)[1:]).out == f"{output.rstrip()}\n", command
