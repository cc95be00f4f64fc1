"""What holds for the project as a whole: its size budget, its names, and what importing it costs."""

from __future__ import annotations

import ast
import re
import runpy
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE_ROOTS = ("upnext", "codegen", "plugins", "stubs")
SOURCES = sorted(path for folder in SOURCE_ROOTS for path in (ROOT / folder).rglob("*.py"))
COMPONENTS = runpy.run_path(str(ROOT / "docs" / "components.py"))
FORBIDDEN_NAMES = {"utils", "helpers", "common", "base"}
HEAVY = {
    "django",
    "sqlalchemy",
    "libcst",
    "jinja2",
    "mypy",
    "fastapi",
    "starlette",
    "uvicorn",
    "upnext_codegen",
    "upnext_mypy",
    "pytest",
    "upnext_pytest",
}


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_median_source_file_is_shorter_than_150_lines() -> None:
    assert statistics.median(map(lines, SOURCES)) < 150


ONE_THING = {
    "codegen/upnext_codegen/names/evaluator.py": 1576,
    "codegen/upnext_codegen/names/exports.py": 784,
    "codegen/upnext_codegen/names/scopes.py": 814,
}
"""Files that are each one thing, and would import in cycles if they were split, with their lengths: no longer."""


def test_no_source_file_but_the_evaluator_s_is_longer_than_400_lines() -> None:
    long = {shown(path): lines(path) for path in SOURCES if lines(path) > ONE_THING.get(shown(path), 400)}
    assert long == {}


def test_no_function_is_longer_than_50_lines() -> None:
    long = {}
    for path in SOURCES:
        waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
        while waiting:
            node = waiting.pop()
            waiting += COMPONENTS["statements_in"](node)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > 50:
                    long[f"{shown(path)}:{node.lineno} {node.name}"] = length
    assert long == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    names = {
        shown(path): {part.strip("_") for part in path.relative_to(ROOT).with_suffix("").parts} for path in SOURCES
    }
    assert {path for path, parts in names.items() if parts & FORBIDDEN_NAMES} == set()


@pytest.mark.xdist_group("components")  # in one process, the imports are read once
@pytest.mark.parametrize("package", COMPONENTS["PACKAGES"])
def test_imports_run_in_no_cycle_between_components_or_files(package: str) -> None:
    """What closes one goes to a component below both, or with a reason into KNOWN_CIRCLES of docs/components.py."""
    found = [each for each in COMPONENTS["imports"](package) if each[:2] not in COMPONENTS["KNOWN_CIRCLES"]]
    assert len(found) > 500
    for graph in ("between_components", "between_files"):
        assert COMPONENTS["cycle"](COMPONENTS[graph](found)) == []


@pytest.mark.xdist_group("components")
def test_each_known_cycle_is_one_and_is_closed_in_a_function() -> None:
    found = [each for package in COMPONENTS["PACKAGES"] for each in COMPONENTS["imports"](package)]
    known = [each for each in found if each[:2] in COMPONENTS["KNOWN_CIRCLES"]]
    assert len(known) == len(COMPONENTS["KNOWN_CIRCLES"])
    for each in known:
        assert each.in_function
        others = [other for other in found if other not in known]
        assert COMPONENTS["cycle"](COMPONENTS["between_components"]([*others, each]))


def test_the_list_of_components_in_the_architecture_has_every_folder() -> None:
    """The diagrams below it are drawn from the code."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed: dict[str, set[str]] = {}
    package = ""
    for line in text.split("```")[1].splitlines()[1:]:
        names = re.split(r"  +", line.strip())[0].split()
        if not line.startswith(" "):
            package = names[0].strip("/").rpartition("/")[2] if names else ""
        elif re.match(r"  \w", line):
            listed.setdefault(package, set()).update(name.strip("/") for name in names if name.endswith("/"))
    for package, folder in COMPONENTS["PACKAGES"].items():
        assert listed[package] == {path.parent.name for path in (folder / package).glob("*/__init__.py")}


@pytest.mark.xdist_group("alone")
def test_tests_of_a_group_are_run_by_one_process(request: pytest.FixtureRequest) -> None:
    """Groups share what is dear to make, and pytest-xdist drops them in silence with a pytest that it does not know."""
    distributed = getattr(request.config.option, "loadgroup", False)
    assert request.node.nodeid.endswith("@alone") == distributed


@pytest.mark.parametrize("module", ["upnext", "upnext.worker"])
def test_the_runtime_library_imports_neither_the_scanner_nor_a_type_checker_nor_fastapi(module: str) -> None:
    script = f"import sys, {module}; print(*sorted({HEAVY!r} & sys.modules.keys()))"
    answer = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == []


def test_runs_of_pytest_that_use_none_of_the_fixtures_do_not_load_the_runtime() -> None:
    """The plugin is loaded in every run where upnext is installed: that took most of a short one's time."""
    script = "import sys, upnext_pytest.plugin; print(*{'upnext', 'pydantic_core', 'redis'} & sys.modules.keys())"
    answer = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == []
