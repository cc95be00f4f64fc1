"""The five type checkers, and the lines of a project that each of them reports."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.installed import TOOLS, Installed, answer_of

MYPY_ERROR = re.compile(r"^(?P<file>[^\n:]+\.pyi?):(?P<line>\d+): error: ", re.MULTILINE)
TY_ERROR = re.compile(r"^(?P<file>[^\n:]+\.pyi?):(?P<line>\d+):\d+: error\[", re.MULTILINE)


@dataclass(frozen=True)
class Verdict:
    """What a checker said about a project.

    Attributes:
        errors: The lines that it reports errors on, as "file:line" relative to the project.
        output: All that it printed.
    """

    errors: frozenset[str]
    output: str


def mypy(project: Path, installed: Installed, *, flags: tuple[str, ...] = ()) -> Verdict:
    cache = project / f".mypy_cache{''.join(flags)}"
    if not cache.exists():
        shutil.copytree(installed.mypy_cache(*flags), cache)
    python = str(installed.python)
    output = _output(project, "mypy", "--python-executable", python, "--cache-dir", str(cache), *flags, ".")
    return Verdict(_lines(MYPY_ERROR, output), output)


def pyright(project: Path, installed: Installed, *, name: str = "pyright", mode: str | None = None) -> Verdict:
    settings = project / "pyrightconfig.json"
    with nullcontext() if mode is None else _file(settings, json.dumps({"typeCheckingMode": mode})):
        output = _output(project, name, "--pythonpath", str(installed.python), "--outputjson")
    return Verdict(frozenset(_pyright_errors(json.loads(output), project)), output)


def ty(project: Path, installed: Installed, *, flags: tuple[str, ...] = ()) -> Verdict:
    output = _output(project, "ty", "check", "--python", str(installed.python), "--output-format", "concise", *flags)
    return Verdict(_lines(TY_ERROR, output), output)


def pyrefly(project: Path, installed: Installed, *, setting: str = "") -> Verdict:
    """Check with a section for the interpreter: in a project without any, pyrefly reports next to nothing."""
    settings = project / "pyproject.toml"
    section = f'\n[tool.pyrefly]\npython-interpreter-path = "{installed.python}"\n{setting}'
    with _file(settings, settings.read_text(encoding="utf-8") + section):
        output = _output(project, "pyrefly", "check", "--output-format", "json")
    found = [each for each in json.loads(output)["errors"] if each["severity"] == "error"]
    return Verdict(frozenset(f"{Path(each['path']).as_posix()}:{each['line']}" for each in found), output)


CHECKERS: dict[str, Callable[[Path, Installed], Verdict]] = {
    "mypy": mypy,
    "pyright": pyright,
    "basedpyright": partial(pyright, name="basedpyright"),
    "ty": ty,
    "pyrefly": pyrefly,
}
"""With no settings but the interpreter."""

STRICT: dict[str, Callable[[Path, Installed], Verdict]] = {
    "mypy": partial(mypy, flags=("--strict",)),
    "pyright": partial(pyright, mode="strict"),
    "basedpyright": partial(pyright, name="basedpyright", mode="all"),
    "ty": partial(ty, flags=("--error", "all")),
    "pyrefly": partial(pyrefly, setting='preset = "strict"\n'),
}
"""At their strictest."""

USUALLY = [pytest.param(name, marks=pytest.mark.modes if name == "basedpyright" else ()) for name in CHECKERS]
"""basedpyright is pyright with more rules: what it says of each form of send is asked always, the rest in `modes`."""

SELDOM_PYRIGHT = [pytest.param(name, marks=pytest.mark.modes if "pyright" in name else ()) for name in CHECKERS]
"""Where nearly the same is read elsewhere: a run of pyright takes longest of all, and is made in `modes`."""

QUICKLY = [pytest.param(name, marks=() if name in {"ty", "pyrefly"} else pytest.mark.modes) for name in CHECKERS]
"""Where each run of a slower one takes long: those are asked in `modes`."""


def marked(project: Path) -> frozenset[str]:
    """Return the lines that are marked as bad, as "file:line"."""
    return frozenset(
        f"{path.relative_to(project).as_posix()}:{number}"
        for path in project.rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if line.endswith("# E")
    )


def _output(project: Path, tool: str, *arguments: str) -> str:
    answer = answer_of(str(TOOLS / tool), *arguments, cwd=project)
    assert answer.returncode in {0, 1}, answer.stdout + answer.stderr
    return answer.stdout


def _lines(pattern: re.Pattern[str], output: str) -> frozenset[str]:
    return frozenset(f"{Path(found['file']).as_posix()}:{found['line']}" for found in pattern.finditer(output))


def _pyright_errors(report: dict[str, list[dict[str, object]]], project: Path) -> Iterator[str]:
    for each in report["generalDiagnostics"]:
        match each:
            case {"severity": "error", "file": str(file), "range": {"start": {"line": int(line)}}}:
                yield f"{Path(file).relative_to(project.resolve()).as_posix()}:{line + 1}"
            case _:
                pass


@contextmanager
def _file(path: Path, text: str) -> Iterator[None]:
    """Let a file hold a text for a while."""
    before = path.read_text(encoding="utf-8") if path.exists() else None
    path.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before, encoding="utf-8")
