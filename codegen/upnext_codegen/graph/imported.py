"""The files that the entry files of a project import when they run, directly or indirectly."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from upnext_codegen.names.modules import ModuleRef
from upnext_codegen.reading.imports import COMPUTED, dotted, imports_of
from upnext_codegen.reading.source import SourceError, tree_of
from upnext_codegen.reading.tree import children

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from upnext_codegen.files.file_index import FileIndex
    from upnext_codegen.names.modules import Modules

_LOADERS = re.compile(
    rb"\b(?:autodiscover\w*|django\.setup|entry_points|exec_module|import_object|import_string|iter_modules|runpy|"
    rb"walk_packages)\b"
)
"""What imports modules whose names stand in no import statement."""


def imported_files(entries: Iterable[str], index: FileIndex, modules: Modules) -> dict[str, frozenset[str] | None]:
    """List for each entry file what running it imports, itself included; None if unknown.

    Args:
        entries: The entry files, relative to the project root.
        index: The files of the project.
        modules: Their module names.
    """
    return {entry: _reached(entry, index, modules) for entry in entries}


def _reached(entry: str, index: FileIndex, modules: Modules) -> frozenset[str] | None:
    found = {entry, *_packages_of(entry, modules)}
    waiting = [*found]
    while waiting:
        path = waiting.pop()
        data = index.bytes_of(path)
        if data is None:
            continue
        imports = (
            index.imports(path) if b"TYPE_CHECKING" not in data and path in index.entries else _imports(path, data)
        )
        if COMPUTED in imports or _LOADERS.search(data):
            return None
        fresh = {file for name in dotted(imports) for file in _files_of(name, path, modules)} - found
        found |= fresh
        waiting += fresh
    return frozenset(found)


def _imports(path: str, data: bytes) -> list[str]:
    """The imports of a file at run time, in the form of `imports_of`: not those for type checkers alone."""
    if b"TYPE_CHECKING" not in data:
        return imports_of(data, of_package=path.endswith("__init__.py"))
    try:
        _, tree = tree_of(data)
    except (SourceError, RecursionError):
        return imports_of(data, of_package=path.endswith("__init__.py"))
    found: list[str] = []
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        match node:
            case ast.If(test, _, orelse) if _is_type_checking(test):
                stack += orelse
                continue
            case ast.Import(names):
                found += [each.name for each in names]
            case ast.ImportFrom(module, names, level):
                found.append(f"{'.' * (level or 0)}{module or ''}:{','.join(each.name for each in names)}")
            case ast.Call(ast.Name("__import__" | "import_module") | ast.Attribute(_, "import_module"), given):
                literal = given[0].value if given and isinstance(given[0], ast.Constant) else None
                found.append(f"{literal}=" if isinstance(literal, str) else COMPUTED)
            case _:
                pass
        stack += children(node)
    return found


def _is_type_checking(test: ast.expr) -> bool:
    return (test.id if isinstance(test, ast.Name) else getattr(test, "attr", "")) == "TYPE_CHECKING"


def _files_of(name: str, importer: str, modules: Modules) -> Iterator[str]:
    """The files that importing a module runs: its own, and those of the packages around it."""
    module = name.lstrip(".")
    level = len(name) - len(module)
    parts = module.split(".") if module else []
    for length in range(len(parts) + 1) if level else range(1, len(parts) + 1):
        part = ".".join(parts[:length])
        source = modules.relative(level, part, importer) if level else modules.find(part, importer)
        if isinstance(source, ModuleRef) and source.file is not None:
            yield source.file


def _packages_of(file: str, modules: Modules) -> Iterator[str]:
    """The packages that a file is in."""
    folder = file.rpartition("/")[0]
    while folder and f"{folder}/__init__.py" in modules.files:
        yield modules.files[f"{folder}/__init__.py"]
        folder = folder.rpartition("/")[0]
