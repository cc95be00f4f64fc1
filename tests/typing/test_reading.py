"""What type checkers read because a project imports upnext, and that it is true where it stands for a library."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
OPTIONAL = {"django", "opentelemetry", "prometheus_client", "shtab", "sqlalchemy"}
"""Libraries of extras, which few projects have."""
DECLARED = {"upnext.broker.redis_types": "redis", "upnext.web": "uvicorn"}


def source(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def is_for_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(node: ast.AST) -> Iterator[str]:
    """Return the modules that a type checker is led to: wherever they are imported, but not where it never looks."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or ""
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    skipped = node.orelse if isinstance(node, ast.If) and is_for_checkers(node) else []
    for child in ast.iter_child_nodes(node):
        if child not in skipped:
            yield from imports(child)


def test_to_read_upnext_a_type_checker_reads_no_library_that_few_need() -> None:
    waiting, read = ["upnext"], set[str]()
    while waiting:
        module = waiting.pop()
        if module not in read:
            read.add(module)
            file = source(module)
            waiting += [] if file is None else imports(ast.parse(file.read_text(encoding="utf-8")))
    assert "upnext.broker.redis_types" in read
    assert "fastapi" in read
    assert {name for name in read if name.partition(".")[0] in {*DECLARED.values(), *OPTIONAL}} == set()


def test_when_a_handler_changes_mypy_reads_little_of_upnext_again() -> None:
    """What imports the catalog and is imported by it is checked as one: each edit of a handler would check all of it.

    `from upnext import forks` imports `upnext` too, and with it all that is public.
    """
    graph = {
        name: {*imports(ast.parse(path.read_text(encoding="utf-8")))}
        for path in ROOT.glob("upnext/**/*.py")
        for name in [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")]
    }
    importing = {"upnext_catalog"}
    while more := {name for name, found in graph.items() if name not in importing and found & importing}:
        importing |= more
    waiting, again = ["upnext.worker"], set[str]()
    while waiting:
        again.add(module := waiting.pop())
        waiting += (graph[module] & importing & graph.keys()) - again
    assert {"upnext.event", "upnext.receipt"} <= again
    assert [name for name in sorted(again) if name.startswith("upnext.broker.")] == []
    assert len(again) < 20, sorted(again)


@pytest.mark.parametrize("module", DECLARED)
def test_what_is_declared_for_type_checkers_is_what_the_library_has(module: str) -> None:
    file = source(module)
    assert file is not None
    (block,) = filter(is_for_checkers, ast.parse(file.read_text(encoding="utf-8")).body)
    assert isinstance(block, ast.If)
    found = importlib.import_module(module)
    for node in block.body:
        if isinstance(node, ast.ClassDef):
            check_class(node, found, DECLARED[module])
        elif isinstance(node, ast.FunctionDef):
            assert callable(getattr(found, node.name))
        else:
            assert isinstance(node, ast.AnnAssign)
            assert isinstance(node.target, ast.Name)
            assert hasattr(found, node.target.id)


def check_class(node: ast.ClassDef, found: ModuleType, library: str) -> None:
    real = getattr(found, node.name)
    assert real.__module__.partition(".")[0] == library
    assert node.name.removesuffix("Error").endswith(real.__name__.removesuffix("Error"))  # ours end as ruff has it
    for base in node.bases:
        assert isinstance(base, ast.Name)
        assert issubclass(real, getattr(found, base.id, Exception)), f"{node.name} is not a {base.id}"
    for item in node.body:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            assert callable(getattr(real, item.name))
