"""Where a function of the project is named: imports, uses, `__all__`, and texts that hold its whole dotted name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst
from libcst.metadata import QualifiedNameSource

from upnext_codegen.graph.selection import module_of
from upnext_codegen.renames.edits import text_of, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from libcst.metadata import QualifiedName

    from upnext_codegen.renames.edits import Edits
    from upnext_codegen.renames.plan import Sources


def names_of(function: str, files: Sequence[tuple[str, Edits]]) -> set[str]:
    """Return every dotted name by which a function can be imported: modules pass on what they import.

    Args:
        function: Its dotted name, where it is defined.
        files: The modules that may import it, and their files.
    """
    name = function.rpartition(".")[2]
    found = {function}
    while True:
        passed_on = {
            f"{module}.{name}"
            for module, file in files
            if module
            for each, alias in imported(file, module)
            if f"{each}.{alias.evaluated_name}" in found and alias.asname is None and alias.evaluated_name == name
        }
        if passed_on <= found:
            return found
        found |= passed_on


def names_passed_on(name: str, sources: Sources, read: Callable[[str], Edits | None]) -> set[str]:
    """Return every dotted name by which something can be imported, looking at the files that may pass it on."""
    last = name.rpartition(".")[2]
    found = [
        (module_of(path, sources.roots), read(path))
        for path, data in sources.holding(last, "import")
        if path.endswith("__init__.py") or b"__all__" in data
    ]
    return names_of(name, [(module, file) for module, file in found if file is not None])


def imported(file: Edits, module: str) -> Iterator[tuple[str, cst.ImportAlias]]:
    """Yield what a file imports from modules by name, with the modules."""
    for node in file.nodes:
        if isinstance(node, cst.ImportFrom) and not isinstance(node.names, cst.ImportStar):
            source = _dotted(node.module) if node.module else ""
            whole = _absolute("." * len(node.relative) + source, file, module)
            yield from ((whole, alias) for alias in node.names)


def _absolute(name: str, file: Edits, module: str) -> str:
    """Return a dotted name that may begin with the dots of a relative import as one from the top."""
    rest = name.lstrip(".")
    dots = len(name) - len(rest)
    if not dots:
        return name
    parts = module.split(".")
    kept = parts[: len(parts) - dots + file.file.endswith("__init__.py")]
    return ".".join([*kept, *([rest] if rest else [])])


def uses(file: Edits, module: str, names: Collection[str], *, aliased: bool = False) -> Iterator[tuple[cst.Name, bool]]:
    """Yield the names in a file's code that are those of a function, and whether each is an attribute of a module.

    Imports and the definition are not among them; those under another name, which the file gives it, only if asked.
    """
    keywords = _not_looked_up(file)
    for node in file.qualified_names:
        if not isinstance(node, cst.Name | cst.Attribute) or node in keywords:
            continue
        for name in dotted_names(file, module, node):
            if name in names:
                found = node if isinstance(node, cst.Name) else node.attr
                if aliased or found.value == name.rpartition(".")[2]:
                    yield found, isinstance(node, cst.Attribute)
                break


def dotted_names(file: Edits, module: str, node: cst.CSTNode) -> Iterator[str]:
    """Yield the dotted names that a name in a file's code may stand for, from the top."""
    for each in file.qualified_names.get(node, ()):
        is_local = each.source is QualifiedNameSource.LOCAL
        yield f"{module}.{each.name}" if is_local else _absolute(each.name, file, module)


def texts(file: Edits, module: str, names: Collection[str]) -> Iterator[tuple[cst.SimpleString, str]]:
    """Yield string literals that are certainly a function's name, with the text before the name itself."""
    own = {name.rpartition(".")[2] for name in names if name.rpartition(".")[0] == module}
    listed = _in_all(file) if own else set[cst.CSTNode]()
    for node in file.nodes:
        if isinstance(node, cst.SimpleString):
            text = text_of(node)
            if text is not None and text in names:
                yield node, text.rpartition(".")[0] + "."
            elif text in own and node in listed:
                yield node, ""


def meaning(file: Edits, name: str, renamed: set[cst.CSTNode]) -> cst.CSTNode | None:
    """Return a place at which a name means something else, None if it is free.

    Args:
        file: The file.
        name: The name that other names are to become.
        renamed: These.
    """
    others = {each for node in file.nodes for each in _of_something_else(node)}
    for node, qualified in file.qualified_names.items():
        if isinstance(node, cst.Name) and node.value == name and node not in others:
            if any(not _is_in_a_function_or_class(each) for each in qualified):
                return node
        elif isinstance(node, cst.ImportAlias) and (node.evaluated_alias or node.evaluated_name) == name:
            return node
    for node in file.nodes:
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            inside = walk(node.body)
            clash = [each for each in walk(node) if isinstance(each, cst.Name) and each.value == name]
            if not renamed.isdisjoint(inside) and any(each not in others for each in clash):
                return clash[0]
    return None


def _is_in_a_function_or_class(each: QualifiedName) -> bool:
    """Whether a name is bound there, and so means nothing elsewhere in the file."""
    is_class_s = each.source is QualifiedNameSource.LOCAL and "." in each.name and "<" not in each.name
    return is_class_s or "<locals>" in each.name


def _of_something_else(node: cst.CSTNode) -> list[cst.CSTNode]:
    match node:
        case cst.Arg(keyword=cst.Name() as name) | cst.Attribute(attr=name) | cst.ImportFrom(module=cst.Name() as name):
            return [name]
        case cst.ImportFrom(module=cst.Attribute(value=value, attr=name)):
            return [name, *([value] if isinstance(value, cst.Name) else [])]
        case _:
            return []


def _in_all(file: Edits) -> set[cst.CSTNode]:
    found: set[cst.CSTNode] = set()
    for node in file.nodes:
        targets = (
            [each.target for each in node.targets]
            if isinstance(node, cst.Assign)
            else [node.target]
            if isinstance(node, cst.AnnAssign | cst.AugAssign)
            else []
        )
        if any(isinstance(each, cst.Name) and each.value == "__all__" for each in targets):
            value = getattr(node, "value", None)
            if isinstance(value, cst.List | cst.Tuple):
                found.update(each.value for each in value.elements)
    return found


def _not_looked_up(file: Edits) -> set[cst.CSTNode]:
    """Names that stand for no variable: keywords, attributes, parameters, and what is imported."""
    found: set[cst.CSTNode] = set()
    for node in file.nodes:
        match node:
            case cst.Arg(keyword=cst.Name() as name) | cst.Param(name=cst.Name() as name):
                found.add(name)
            case cst.Attribute(attr=name) | cst.MatchKeywordElement(key=name) | cst.FunctionDef(name=name):
                found.add(name)
            case cst.ImportAlias(name=name):
                found.update([name, *name.children])
            case _:
                pass
    return found


def _dotted(node: cst.BaseExpression) -> str:
    if isinstance(node, cst.Attribute):
        return f"{_dotted(node.value)}.{node.attr.value}"
    assert isinstance(node, cst.Name), "modules have dotted names"
    return node.value
