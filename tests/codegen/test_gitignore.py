"""Patterns of .gitignore files: they name what git says they name, and none takes for ever."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from upnext_codegen.files.gitignore import parse_patterns

PATTERNS = r"""
*.py a.py /a.py b/ /b/ a/b a/*/c a/**/c **/c **/c/d.py a/** a/**/ *b*c* a?c [ab].py [!ab].py [a-c]/d *.*.py
\#a.py \!a.py !b.py !a/b/ a\*b **/a/** a**b **b /** /*/b.py [ [] []] [!]] a[ \ a\ b** **/**/c a/**/b/**/c
** */ * *a*b*a*.py **/a/*/c/** !*.py
""".split()  # noqa: SIM905
NAMES = "a b c ab abc b.py a.py c.py d.py a*b #a.py !a.py a.b.py ] [ - x-y".split()  # noqa: SIM905


def ways(seed: int) -> tuple[list[str], list[str]]:
    """Return some patterns, and ways to files that may match them."""
    chance = random.Random(seed)
    paths = {"/".join([*chance.choices(NAMES[:6], k=chance.randint(0, 3)), chance.choice(NAMES)]) for _ in range(60)}
    return chance.choices(PATTERNS, k=chance.randint(1, 4)), sorted(paths)


@pytest.mark.parametrize("seed", range(25))
def test_what_is_ignored_is_what_git_ignores(seed: int, tmp_path: Path) -> None:
    """Random patterns over random paths, asked of git itself."""
    patterns, paths = ways(seed)
    (tmp_path / ".gitignore").write_text("\n".join(patterns) + "\n", encoding="utf-8")
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    answer = subprocess.run(
        ["git", "check-ignore", "--no-index", "-z", "--stdin"],
        cwd=tmp_path, input="\0".join(paths).encode(), capture_output=True, check=False,
    )  # fmt: skip
    ignored = {each for each in answer.stdout.decode().split("\0") if each}
    parsed = parse_patterns(patterns, "")

    def is_ignored(path: str) -> bool:
        parts = path.split("/")
        around = ("/".join(parts[:length]) for length in range(1, len(parts)))
        return any(parsed.verdict(way, is_folder=True) for way in around) or bool(parsed.verdict(path, is_folder=False))

    assert {path for path in paths if is_ignored(path)} == ignored, patterns


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 40 + "*b", "a" * 400),
        ("**/" * 40 + "b", "a/" * 200 + "a"),
        ("**/a/" * 30 + "b", "a/" * 200 + "c"),
        ("**/*a*a*/" * 15 + "b", "aaaa/" * 100 + "c"),
        ("a/**/" * 30 + "b", "a/" * 200 + "c"),
        ("[ab]*" * 40 + "c", "ab" * 200),
        ("?*" * 60 + "c", "ab" * 200),
        ("*" * 3_000 + "b", "a" * 400),
        ("**" * 1_000 + "/b", "a/" * 200),
        ("*a" * 200_000, "a" * 255),
    ],
)
def test_a_pattern_that_backtracking_would_never_end_on_ends(pattern: str, path: str) -> None:
    """Each of these would take longer than a life by trying every way to share out a path among the stars."""
    parsed = parse_patterns([pattern] * 3, "")
    assert not parsed.verdict(path, is_folder=False)
    assert not parsed.verdict(path, is_folder=True)
