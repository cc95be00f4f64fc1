"""The stub of every case, under every type checker at once: nothing in it is reported."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.corpus import casefile
from upnext.cli import main

BIN = Path(sys.executable).parent
_OWN = re.compile(r"^(\s*)(import|from) shop\b", re.MULTILINE)
_REPORTED = re.compile(r"^.*upnext_catalog\.pyi:\d+.*error.*$|^ERROR .*upnext_catalog\.pyi:\d+.*$", re.MULTILINE)
_ABSENT = "no_such_package_here"
CHECKERS = {
    "mypy": ["mypy", "--strict", "--python-executable", sys.executable, "--explicit-package-bases"],
    "pyright": ["pyright", "--pythonpath", sys.executable],
    "basedpyright": ["basedpyright", "--pythonpath", sys.executable],
    "ty": ["ty", "check", "--python", sys.executable, "--output-format", "concise"],
    "pyrefly": ["pyrefly", "check", "--output-format", "min-text", "--python-interpreter-path", sys.executable],
}


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a project that holds the projects of all cases whose only package is `shop`, as packages `case_1.shop`."""
    root = tmp_path_factory.mktemp("cases")
    (root / "pyproject.toml").write_text("[tool.pyrefly]\n")
    (root / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict", "pythonVersion": "3.13"}')
    (root / "case_0").mkdir()
    (root / "case_0" / "upnext_catalog.pyi").write_text("broken: nowhere\n")
    for number, name in enumerate(casefile.names(), 1):
        case = casefile.read(name)
        if case.run or not _is_one_package(case):
            continue
        folder = root / f"case_{number}"
        folder.mkdir()
        casefile.build(case, folder)
        with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
            main(["gen", "--no-cache"])
        for path in [*folder.rglob("*.py"), *folder.rglob("*.pyi")]:
            with contextlib.suppress(UnicodeDecodeError):
                path.write_text(_OWN.sub(rf"\1\2 case_{number}.shop", path.read_text(encoding="utf-8")), "utf-8")
    return root


def _is_one_package(case: casefile.Case) -> bool:
    plain = all(re.fullmatch(r"shop/[\w/]+\.py", title) for title in case.files)
    return plain and bool(case.expected.get("catalog"))


@pytest.mark.parametrize("checker", CHECKERS)
def test_no_checker_finds_anything_in_the_stub_of_any_case(checker: str, stubs: Path) -> None:
    wanted = sorted(path.relative_to(stubs).as_posix() for path in stubs.glob("case_*/upnext_catalog.pyi"))
    assert len(wanted) > 200
    done = subprocess.run(
        [BIN / CHECKERS[checker][0], *CHECKERS[checker][1:], *wanted],
        cwd=stubs,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    reported = [line for line in _REPORTED.findall(done.stdout + done.stderr) if _ABSENT not in line]
    assert [line for line in reported if "case_0/" not in line] == []
    assert reported, done.stdout + done.stderr  # the one that is broken, so that the others were looked at
