"""What `docs/graph.md` shows and claims."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.story import Story, blocks

PAGE = blocks("docs/graph.md")


def test_the_commands_of_the_page_print_what_it_shows(tmp_path: Path) -> None:
    story = Story(tmp_path, port=0)
    for block in PAGE:
        if block.language != "toml":
            story.perform(block)


def test_the_usage_names_the_options_of_the_command(tmp_path: Path) -> None:
    story = Story(tmp_path, port=0)
    told = set(re.findall(r"--[\w-]+", PAGE[0].text))
    has = set(re.findall(r"^  (--[\w-]+)", story.run("upnext graph --help").stdout, re.MULTILINE))
    assert has - {"--debug"} == told
