"""Formatters and linters leave the generated files alone, whatever their settings are, and `--check` stays content."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.projects import SHOP, Shell

WIDTHS = ("40", "88", "200")


def ruff(shell: Shell, *arguments: str) -> str:
    command = [sys.executable, "-m", "ruff", *arguments]
    answer = subprocess.run(command, cwd=shell.root, capture_output=True, text=True, check=False)
    return answer.stdout + answer.stderr


def generated(shell: Shell, module: bool) -> list[str]:
    shell.write(SHOP | {"pyproject.toml": '[tool.upnext]\ncatalog = "shop.catalog"\n' if module else ""})
    shell.run("gen")
    return ["shop/catalog.py", "shop/catalog.pyi"] if module else ["upnext_catalog.pyi"]


@pytest.mark.parametrize("module", [False, True])
def test_what_a_formatter_leaves_is_what_was_generated(module: bool, empty: Shell) -> None:
    """Otherwise the two could never both pass in CI."""
    names = generated(empty, module)
    before = [empty.text(name) for name in names]
    for width in WIDTHS:
        ruff(empty, "format", "--isolated", "--line-length", width, ".")
        ruff(empty, "check", "--isolated", "--fix", "--unsafe-fixes", "--select", "ALL", "--line-length", width, ".")
    assert [empty.text(name) for name in names] == before
    assert empty.run("gen", "--check").code == 0


@pytest.mark.parametrize("module", [False, True])
def test_a_linter_with_all_its_rules_finds_nothing_in_them(module: bool, empty: Shell) -> None:
    """They are not written by hand."""
    names = generated(empty, module)
    said = ruff(empty, "check", "--isolated", "--select", "ALL", "--output-format", "concise", *names)
    assert "All checks passed!" in said, said
