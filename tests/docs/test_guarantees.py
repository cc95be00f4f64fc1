"""The page of guarantees: each of its tests is really there, and no fault is left out."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
LINK = re.compile(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\)")
FAULTS = [f"F{n:02}" for n in (*range(1, 19), *range(20, 55), *range(60, 100))]


def test_every_test_that_the_page_names_is_there() -> None:
    """In the very file that it links to, as a function that pytest runs."""
    links = set(LINK.findall(PAGE))
    assert len(links) > 60
    assert set(re.findall(r"`(test_\w+)`", PAGE)) == {name for name, _ in links}
    for name, path in links:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert name in functions, f"{path}::{name}"


def test_every_fault_of_the_matrix_has_a_test_or_a_decision() -> None:
    """Each once, in order."""
    rows = re.findall(r"^\| (F\d\d) \| [^|]+ \| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert [number for number, _ in rows] == FAULTS
    for number, shown in rows:
        assert LINK.search(shown) or "*Decision*" in shown, number
