"""References to a function of the project: imports, uses, `__all__`, and texts with its full dotted name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import libcst as cst
from libcst.metadata import QualifiedNameSource

from upnext_codegen.graph.selection import module_of
from upnext_codegen.renames.edits import text_of, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterator
    from collections.abc import Set as AbstractSet

    from libcst.metadata import QualifiedName

    from upnext_codegen.renames.edits import Edits
    from upnext_codegen.renames.plan import ProjectSources

_STAR = re.compile(rb"\bimport(?:[ \t\f]|\\\r?\n)*\*")
_DOTTED = re.compile(r"[\w.:]+")


def names_passed_on(
    name: str, sources: ProjectSources, read: Callable[[str], Edits | None], *, aliased: bool
) -> set[str]:
    """Return every dotted name by which a module's name can be imported, including re-exports.

    Args:
        name: Its dotted name, where it is defined.
        sources: The project.
        read: Reads a file, None if it cannot be read.
        aliased: Whether names count that a module gives it: `from shop.events import placed as order_placed`.
    """
    found, waiting = {name}, [name]
    while waiting:
        source, _, last = waiting.pop().rpartition(".")
        for path, data in sources.holding("import"):
            if last.encode() not in data and _STAR.search(data) is None:
                continue
            file, module = read(path), module_of(path, sources.roots)
            if file is None:
                continue
            fresh = {f"{module}.{each}" for each in _passed_on(file, module, source, last, aliased=aliased)} - found
            found |= fresh
            waiting += fresh
    return found


def names_of(
    module: str, qualname: str, sources: ProjectSources, read: Callable[[str], Edits | None], *, aliased: bool
) -> set[str]:
    """Return every dotted name of a function, or of a static method, whose class may be re-exported."""
    top, dot, rest = qualname.partition(".")
    passed_on = names_passed_on(f"{module}.{top}", sources, read, aliased=aliased or bool(rest))
    return {f"{each}{dot}{rest}" for each in passed_on}


def _passed_on(file: Edits, module: str, source: str, name: str, *, aliased: bool) -> Iterator[str]:
    """Yield the names that a module gives to a name of another one, and which can be imported from it."""
    for each, alias in imported(file, module):
        if each == source and alias.evaluated_name == name:
            called = alias.evaluated_alias or name
            if aliased or called == name:
                yield called
    if not name.startswith("_") and source in stars(file, module):
        yield name
    if aliased:
        yield from _other_names(file, module, f"{source}.{name}")


def _other_names(file: Edits, module: str, name: str) -> Iterator[str]:
    """Yield the module-level variables that contain something as well: `order_placed = placed`."""
    for variable, value in variables(file):
        if isinstance(value, cst.Name | cst.Attribute) and name in dotted_names(file, module, value):
            yield variable


def variables(file: Edits) -> Iterator[tuple[str, cst.BaseExpression]]:
    """Yield the variables of a module, and of its classes, with their values."""
    for statement in file.module.body:
        inner = statement.body.body if isinstance(statement, cst.ClassDef) else [statement]
        prefix = f"{statement.name.value}." if isinstance(statement, cst.ClassDef) else ""
        for line in inner:
            for small in line.body if isinstance(line, cst.SimpleStatementLine) else ():
                if isinstance(small, cst.Assign | cst.AnnAssign) and small.value is not None:
                    targets = (
                        [each.target for each in small.targets] if isinstance(small, cst.Assign) else [small.target]
                    )
                    for each in targets:
                        if isinstance(each, cst.Name):
                            yield f"{prefix}{each.value}", small.value


def imported(file: Edits, module: str) -> Iterator[tuple[str, cst.ImportAlias]]:
    """Yield the names that a file imports from modules, with the modules."""
    for node in file.imports:
        if not isinstance(node.names, cst.ImportStar):
            yield from ((_source(node, file, module), alias) for alias in node.names)


def stars(file: Edits, module: str) -> list[str]:
    """List the modules that a file imports everything from: `from shop.events import *`."""
    return [_source(node, file, module) for node in file.imports if isinstance(node.names, cst.ImportStar)]


def _source(node: cst.ImportFrom, file: Edits, module: str) -> str:
    """Return the dotted name of the module that is imported from."""
    return _absolute("." * len(node.relative) + (_dotted(node.module) if node.module else ""), file, module)


def _absolute(name: str, file: Edits, module: str) -> str:
    """Return a relative dotted name as an absolute one."""
    rest = name.lstrip(".")
    dots = len(name) - len(rest)
    if not dots:
        return name
    parts = module.split(".")
    kept = parts[: len(parts) - dots + file.file.endswith("__init__.py")]
    return ".".join([*kept, *([rest] if rest else [])])


def uses(file: Edits, module: str, names: Collection[str], *, aliased: bool = False) -> Iterator[tuple[cst.Name, bool]]:
    """Yield the names in a file's code that denote a function, and whether each is an attribute of a module.

    Imports and the definition are not among them; those under another name, which the file gives it, only if asked.
    """
    last = {name.rpartition(".")[2] for name in names}
    if not aliased and not any(isinstance(node, cst.Name) and node.value in last for node in file.nodes):
        return  # as if only strings contain it: resolving names takes long
    keywords = no_variables(file)
    for node in file.nodes:
        if not isinstance(node, cst.Name | cst.Attribute) or node in keywords:
            continue
        found = node if isinstance(node, cst.Name) else node.attr
        if not aliased and found.value not in last:
            continue
        for name in dotted_names(file, module, node):
            if name in names:
                if aliased or found.value == name.rpartition(".")[2]:
                    yield found, isinstance(node, cst.Attribute)
                break


def dotted_names(file: Edits, module: str, node: cst.CSTNode) -> Iterator[str]:
    """Yield the absolute dotted names that a name in a file's code may denote."""
    known = file.qualified_names(node)
    for each in known:
        is_local = each.source is QualifiedNameSource.LOCAL
        yield f"{module}.{each.name}" if is_local else _absolute(each.name, file, module)
    written = "" if known else _written(node)
    if written:
        yield from (f"{source}.{written}" for source in stars(file, module))


def _written(node: cst.CSTNode) -> str:
    """Return a name as written, "" for anything else."""
    if isinstance(node, cst.Attribute):
        owner = _written(node.value)
        return f"{owner}.{node.attr.value}" if owner else ""
    return node.value if isinstance(node, cst.Name) else ""


def texts(
    file: Edits, module: str, names: Collection[str], new: str, *, but: Container[str]
) -> Iterator[tuple[cst.SimpleString, str]]:
    """Yield string literals that certainly name a function, or something of it, and their replacements.

    Args:
        file: The file.
        module: The name of its module.
        names: The function's dotted names.
        new: The name that it is to have.
        but: Texts that are the name of something else as well.
    """
    own = {name.rpartition(".")[2] for name in names if name.rpartition(".")[0] == module}
    listed = _in_all(file) if own else set[cst.CSTNode]()
    for node in file.nodes:
        text = text_of(node) if isinstance(node, cst.SimpleString) else None
        if text is None or not isinstance(node, cst.SimpleString):
            continue
        if text in own and node in listed:
            yield node, new
        # "shop.email:confirm" and "shop.email.confirm.send" refer to it as well.
        elif text not in but and _DOTTED.fullmatch(text) and (name := _start_in(names, text.replace(":", "."))):
            yield node, f"{text[: len(name) - len(name.rpartition('.')[2])]}{new}{text[len(name) :]}"


def _start_in(names: Collection[str], text: str) -> str:
    return next((name for name in names if text == name or text.startswith(f"{name}.")), "")


def declared_global(file: Edits, name: str) -> Iterator[cst.Name]:
    """Yield where functions declare a name as the module's: `global confirm`."""
    for node in file.nodes:
        if isinstance(node, cst.Global):
            yield from (each.name for each in node.names if each.name.value == name)


def siblings(file: Edits, function: cst.FunctionDef, name: str) -> Iterator[cst.CSTNode]:
    """Yield other members with a name in a function's class."""
    for node in file.nodes:
        if isinstance(node, cst.ClassDef) and function in node.body.body:
            for each in walk(node.body):
                if isinstance(each, cst.Name | cst.FunctionDef | cst.ClassDef) and any(
                    found.source is QualifiedNameSource.LOCAL and found.name == f"{node.name.value}.{name}"
                    for found in file.qualified_names(each)
                ):
                    yield each
                    return


def meaning(file: Edits, name: str, renamed: AbstractSet[cst.CSTNode]) -> cst.CSTNode | None:
    """Return a place where a name has another meaning, None if it is free.

    Args:
        file: The file.
        name: The name that other names are to become.
        renamed: These.
    """
    others = {each for node in file.nodes for each in _of_something_else(node)}
    for node in file.nodes:
        if isinstance(node, cst.Name) and node.value == name and node not in others:
            if any(not _is_in_a_function_or_class(each) for each in file.qualified_names(node)):
                return node
        elif isinstance(node, cst.ImportAlias) and (node.evaluated_alias or node.evaluated_name) == name:
            return node
    for node in file.nodes:
        if isinstance(node, cst.FunctionDef | cst.ClassDef | cst.Lambda):
            inside = _seeing(node)
            given = [] if isinstance(node, cst.ClassDef) else walk(node.params)
            clash = [each for each in (*given, *inside) if isinstance(each, cst.Name) and each.value == name]
            if not renamed.isdisjoint(inside) and any(each not in others for each in clash):
                return clash[0]
    return None


def _seeing(scope: cst.FunctionDef | cst.ClassDef | cst.Lambda) -> list[cst.CSTNode]:
    """Return the nodes in a function's or class's body for which names bound there have that meaning.

    A class's names mean nothing in its functions: `send` is another one in `def send(self): send()`.
    """
    if not isinstance(scope, cst.ClassDef):
        inside = walk(scope.body)
        hidden = {name for each in inside if isinstance(each, cst.ClassDef) for name in _bound(each)}
        return [each for each in inside if each not in hidden]
    found: list[cst.CSTNode] = []
    waiting: list[cst.CSTNode] = [scope.body]
    while waiting:
        node = waiting.pop()
        found.append(node)
        body = node.body if isinstance(node, cst.FunctionDef | cst.ClassDef | cst.Lambda) else None
        waiting += reversed([each for each in node.children if each is not body])
    return found


def _bound(node: cst.ClassDef) -> Iterator[cst.Name]:
    """Yield the names defined or assigned in a class."""
    for line in node.body.body:
        if isinstance(line, cst.FunctionDef | cst.ClassDef):
            yield line.name
        for small in line.body if isinstance(line, cst.SimpleStatementLine) else ():
            targets = [each.target for each in small.targets] if isinstance(small, cst.Assign) else []
            targets += [small.target] if isinstance(small, cst.AnnAssign) else []
            yield from (each for each in targets if isinstance(each, cst.Name))


def _is_in_a_function_or_class(each: QualifiedName) -> bool:
    """Whether a name is bound there, and so has no meaning elsewhere in the file."""
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


def no_variables(file: Edits) -> set[cst.CSTNode]:
    """Names that do not denote variables: keywords, attributes, parameters, and imported names."""
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
