"""Which Pythons a project runs on, as far as its pyproject.toml says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from upnext_codegen.project import load_project

SAYS_NOTHING = sys.version_info < (3, 12)


@pytest.mark.parametrize(
    ("project", "expected"),
    [
        ('requires-python = ">=3.11"', True),
        ('requires-python = ">=3.9,<4"', True),
        ('requires-python = ">3.11"', True),
        ('requires-python = ">=3.11.4"', True),
        ('requires-python = "==3.11.*"', True),
        ('requires-python = ">=3.12"', False),
        ('requires-python = "~=3.12"', False),
        ('requires-python = ">=3.9,!=3.11.*"', False),
        ('requires-python = ""', SAYS_NOTHING),
        ('requires-python = "whatever"', SAYS_NOTHING),
        ("requires-python = 3.12", SAYS_NOTHING),
        ("", SAYS_NOTHING),
    ],
)
def test_whether_a_project_runs_on_python_311(project: str, expected: bool, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(f'[project]\nname = "shop"\nversion = "1"\n{project}\n')
    assert load_project(tmp_path).runs_on_python_311 is expected


def test_a_folder_without_a_project_runs_on_the_python_that_runs_now(tmp_path: Path) -> None:
    assert load_project(tmp_path).runs_on_python_311 is SAYS_NOTHING
