"""Files that hold nothing of ours: what is said of them all the same."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.codegen.reading import HEAD, where, write
from upnext_codegen.files.file_index import SYNTAX_BUDGET
from upnext_codegen.project import load_project
from upnext_codegen.scan import scan

BROKEN = "x = 1\ndef broken(:\n"
SAID = "other.py:2:12 cannot read this file: invalid syntax"
NEWER = "type A = int\nclass B[T]: ...\ndef f[T](x: T) -> T: return x\nx = f'{'a'}'\n"


def said(root: Path, *, use_cache: bool = False) -> list[str]:
    findings = scan(load_project(root), use_cache=use_cache)[1]
    return [f"{where(each.place)} {each.message}" for each in findings if each.code == "UPN001"]


def project(root: Path, other: str | bytes) -> Path:
    write(root, {"app.py": HEAD})
    (root / "other.py").write_bytes(other.encode() if isinstance(other, str) else other)
    return root


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (BROKEN, [SAID]),
        ("<<<<<<< HEAD\n", ["other.py:1:1 cannot read this file: invalid syntax"]),
        (b"x = '\xff'\n", ["other.py:1:6 cannot read this file: it is not UTF-8 here"]),
        (b"x = '\x00'\n", ["other.py:1:6 cannot read this file: it holds a NUL here"]),
        (b"# coding: nope\n", ["other.py:1:1 cannot read this file: it declares the unknown encoding nope"]),
        (b"# coding: latin-1\nx = '\xff'\n", []),
        (NEWER, []),
        ("", []),
    ],
)
def test_every_file_is_checked(other: str | bytes, expected: list[str], tmp_path: Path) -> None:
    assert said(project(tmp_path, other)) == expected


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ("f(**a, *b)\n", "iterable argument unpacking follows keyword argument unpacking"),
        ("x = '\\N{nothing}'\n", "(unicode error) 'unicodeescape' codec can't decode bytes in position 0-10"),
    ],
)
def test_where_pythons_disagree_on_the_column_they_agree_on_the_line(other: str, words: str, tmp_path: Path) -> None:
    (found,) = said(project(tmp_path, other))
    assert re.match(rf"other\.py:1:\d+ cannot read this file: {re.escape(words)}", found), found


def test_a_file_that_is_only_checked_counts_as_scanned_and_not_as_parsed(tmp_path: Path) -> None:
    scanned, _ = scan(load_project(project(tmp_path, BROKEN)), use_cache=False)
    assert (scanned.files_scanned, scanned.files_parsed) == (2, 1)


def filled(root: Path, size: int) -> Path:
    """Add files of one size in all, without anything of ours."""
    line = b"#\n" * (1 << 17)
    for number in range(-(-size // len(line))):
        (root / f"big{number}.py").write_bytes(line[: size - number * len(line)])
    return root


@pytest.mark.parametrize(("over", "expected"), [(0, [SAID]), (1, [])])
def test_syntax_is_checked_as_long_as_all_of_it_fits_the_budget(over: int, expected: list[str], tmp_path: Path) -> None:
    root = filled(project(tmp_path, BROKEN), SYNTAX_BUDGET - len(BROKEN) + over)
    assert said(root) == said(root, use_cache=True) == said(root, use_cache=True) == expected


def test_encodings_are_checked_beyond_the_budget(tmp_path: Path) -> None:
    root = filled(project(tmp_path, b"x = '\xff'\n"), SYNTAX_BUDGET)
    assert len(said(root)) == len(said(root, use_cache=True)) == len(said(root, use_cache=True)) == 1


def test_what_is_parsed_anyway_is_no_part_of_the_budget(tmp_path: Path) -> None:
    root = filled(project(tmp_path, BROKEN), SYNTAX_BUDGET - len(BROKEN))
    (root / "app.py").write_text(HEAD + "x = 1\n" * 1000)
    assert said(root) == [SAID]


def test_the_cache_follows_the_budget_and_the_files(tmp_path: Path) -> None:
    root = filled(project(tmp_path, BROKEN), SYNTAX_BUDGET)
    assert said(root, use_cache=True) == []
    (root / "big0.py").unlink()
    assert said(root, use_cache=True) == [SAID]
    (root / "big0.py").write_bytes(b"#" * SYNTAX_BUDGET)
    assert said(root, use_cache=True) == []
    (root / "big0.py").unlink()
    (root / "other.py").write_text("x = 1\n")
    assert said(root, use_cache=True) == []
    (root / "other.py").write_text(BROKEN)
    assert said(root, use_cache=True) == [SAID]


@pytest.mark.parametrize("broken", [BROKEN.encode(), b"'\xff'\n"])
def test_a_broken_file_that_comes_to_matter_is_noticed_when_it_is_mended(broken: bytes, tmp_path: Path) -> None:
    root = project(tmp_path, broken)
    assert len(said(root, use_cache=True)) == 1
    (root / "app.py").write_text(HEAD + "from other import M\n@placed.on\ndef a(x: M): ...\n")
    assert [each.code for each in scan(load_project(root))[1]] == ["UPN105", "UPN001"]
    (root / "other.py").write_text("M = int\n")
    assert scan(load_project(root))[1] == ()


def test_a_warm_scan_parses_no_file_for_its_syntax(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = project(tmp_path, BROKEN)
    for name in ("other.py", "app.py"):
        os.utime(root / name, ns=(1, 1))
    (root / "good.py").write_text("x = 1\n")
    assert said(root, use_cache=True) == [SAID]
    monkeypatch.setattr("upnext_codegen.files.file_index.check_syntax", pytest.fail)
    # The times of a file may change, and it is known by its content.
    os.utime(root / "good.py", ns=(2, 2))
    assert said(root, use_cache=True) == [SAID]


@pytest.mark.parametrize(
    "code",
    [
        "@placed.on\ndef a(x: int, x: int): ...\n",
        "@placed.on\ndef a(__debug__: int): ...\n",
        "@placed.on\ndef a(x: int):\n    nonlocal y\n",
        "@placed.on\ndef a(x: int):\n    global x\n",
        "@placed.on\ndef a(x: int): ...\nbreak\n",
        "@placed.on\ndef a(x: int): ...\nyield\n",
        "def b():\n    placed.send_sync(x=1)\nreturn\n",
        "order_gone = worker.event('order.gone')\nfrom __future__ import annotations\n",
    ],
)
def test_a_file_of_ours_that_pythons_compiler_refuses_counts_as_unreadable(code: str, tmp_path: Path) -> None:
    """Its parser lets all of these pass, and the process that runs the handlers would not start."""
    root = project(tmp_path, "")
    (root / "other.py").write_text(f"from app import placed, worker\n{code}")
    scanned, findings = scan(load_project(root), use_cache=True)
    assert [(each.code, each.place.file) for each in findings if each.code == "UPN001"] == [("UPN001", "other.py")]
    assert [each.place.file for each in scanned.handlers] == []
    assert scan(load_project(root), use_cache=True)[1] == findings
