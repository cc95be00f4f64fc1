"""Every `upnext` command that a page names exists, with the flags that it is given there."""

from __future__ import annotations

import argparse
import re

import pytest

from tests.docs.story import ROOT
from upnext.cli import full_parser
from upnext.cli.parser import Parser

PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
# In running text a command stands between backticks; in a block of code, behind a prompt or the key of a setting.
COMMAND = re.compile(r"(?:`|^\$ |^ExecStart=\S*/|run: |entry: )upnext ((?:[^`\n\\]|\\.)*)", re.MULTILINE)
PARSER = full_parser()
FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]*")


def flags_and_words(command: str) -> tuple[list[str], list[str]]:
    """Return the flags of the subcommand that a command line names, and the words that are left."""
    parser: argparse.ArgumentParser = PARSER
    words = command.split()
    while words:
        subcommands = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        if not subcommands or words[0] not in subcommands[0].choices:
            break
        parser = subcommands[0].choices[words.pop(0)]
    assert isinstance(parser, Parser)
    return ["--debug", "--version", *parser.flags()], words


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_exists_with_its_flags(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for command in COMMAND.findall(text):
        known, words = flags_and_words(command)
        assert words != command.split() or words[0][0] in "-[" or words[0] in {"COMMAND", "itself"}, command
        assert set(FLAG.findall(command.partition(" # ")[0])) <= set(known), f"{page}: upnext {command}"
