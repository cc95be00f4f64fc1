"""Which components of the code import which: read from it, drawn for architecture.md, and looked through for cycles.

A component is a folder right below a package, or a file beside these folders.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PACKAGES = {"upnext_codegen": ROOT / "codegen", "upnext": ROOT}
"""The packages whose components are kept apart, and where each is."""

KNOWN_CIRCLES = {
    ("upnext.worker", "upnext.runner.in_application"): "`Worker` runs itself, and what runs it takes a `Worker`",
    ("upnext.cli.dashboard", "upnext.dashboard.app"): "a command serves the pages, which show what the commands read",
}
"""Imports that close a cycle, each in the function that needs it, and why it is worth that."""


class Import(NamedTuple):
    """One module imports another one of its package.

    Attributes:
        by: The module that imports.
        of: The module that is imported.
        in_function: Whether it does so in a function only, when that is called.
    """

    by: str
    of: str
    in_function: bool


@cache
def imports(package: str) -> tuple[Import, ...]:
    """Return what the modules of a package import of one another; what only type checkers import is left out."""
    files = {_module(path, PACKAGES[package]): path for path in (PACKAGES[package] / package).rglob("*.py")}
    found: dict[tuple[str, str], bool] = {}
    for by, path in sorted(files.items()):
        for names, in_function in _imported(ast.parse(path.read_text(encoding="utf-8"))):
            of = next((name for name in names if name in files), by)
            if of != by:
                found[by, of] = found.get((by, of), True) and in_function
    return tuple(Import(by, of, in_function) for (by, of), in_function in sorted(found.items()))


def statements_in(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements that a node has right in it, or what has them, such as an `except`: no expressions."""
    for name in ("body", "handlers", "cases", "orelse", "finalbody"):
        below = getattr(node, name, ())
        yield from below if isinstance(below, list) else ()


def component(module: str) -> str:
    """Return the component of a module, by its dotted name."""
    return ".".join(module.split(".")[:2])


def between_components(found: Iterable[Import]) -> dict[str, set[str]]:
    """Return what each component imports of the others."""
    return _graph((component(each.by), component(each.of)) for each in found)


def between_files(found: Iterable[Import]) -> dict[str, set[str]]:
    """Return what each module imports."""
    return _graph((each.by, each.of) for each in found)


def cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """Return a cycle in a graph, its first node again at its end; nothing if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [str(node) for node in reversed(error.args[1])]
    return []


def drawing(package: str) -> str:
    """Draw the folders of a package as a flowchart of Mermaid.

    What a folder also reaches through others has no arrow of its own, and what closes a known cycle is dashed.
    """
    found = [each for each in imports(package) if _is_in_folder(each.by) and _is_in_folder(each.of)]
    known = [each for each in found if (each.by, each.of) in KNOWN_CIRCLES]
    graph = between_components(each for each in found if each not in known)
    solid = sorted((by, of) for by in graph for of in graph[by] if not _leads(graph, graph[by] - {of}, of))
    dashed = sorted({(component(each.by), component(each.of)) for each in known})
    # Some names are words of Mermaid, such as `graph`: no node's id begins with one.
    nodes = sorted({node for each in (*solid, *dashed) for node in each})
    lines = [f'{_node(each)}["{each.rpartition(".")[2]}"]' for each in nodes]
    lines += [f"{_node(by)} --> {_node(of)}" for by, of in solid]
    lines += [f"{_node(by)} -.-> {_node(of)}" for by, of in dashed]
    return "```mermaid\nflowchart TD\n" + "".join(f"  {line}\n" for line in lines) + "```\n"


def _module(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def _imported(tree: ast.Module) -> Iterator[tuple[list[str], bool]]:
    """Yield what may be the name of each module that is imported, and whether that is done in a function."""
    waiting: list[tuple[ast.AST, bool]] = [(tree, False)]
    while waiting:
        node, in_function = waiting.pop()
        below: Iterable[ast.AST] = statements_in(node)
        match node:
            case ast.If(test=ast.Name("TYPE_CHECKING")):
                below = node.orelse
            case ast.Import():
                yield from (([alias.name], in_function) for alias in node.names)
            case ast.ImportFrom(module=str() as module, level=0):
                yield from (([f"{module}.{alias.name}", module], in_function) for alias in node.names)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                in_function = True
            case _:
                pass
        waiting += ((child, in_function) for child in below)


def _graph(edges: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    graph: defaultdict[str, set[str]] = defaultdict(set)
    for by, of in edges:
        if by != of:
            graph[by].add(of)
    return dict(graph)


def _is_in_folder(module: str) -> bool:
    package, _, name = component(module).partition(".")
    return bool(name) and (PACKAGES[package] / package / name / "__init__.py").exists()


def _leads(graph: Mapping[str, set[str]], starts: Iterable[str], end: str) -> bool:
    """Tell whether a way leads from one of some nodes to another one."""
    waiting, seen = list(starts), set[str]()
    while waiting:
        node = waiting.pop()
        if node == end:
            return True
        if node not in seen:
            seen.add(node)
            waiting += graph.get(node, ())
    return False


def _node(name: str) -> str:
    return f"component_{name.rpartition('.')[2]}"
