"""Reports the errors of `upnext gen` at their places.

The catalog repeats them, so mypy tracks them like everything it reads. It cannot know that the calls below depend on
them; the plugin tells it, and mypy's daemon then rechecks those when an error appears or disappears. All errors are
reported at the first of the calls that mypy checks in a file, because it reports nothing twice.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from mypy.checker import TypeChecker
from mypy.nodes import (
    AssignmentStmt,
    AwaitExpr,
    Block,
    CallExpr,
    ClassDef,
    Context,
    Decorator,
    ExpressionStmt,
    ForStmt,
    FuncDef,
    IfStmt,
    MatchStmt,
    MypyFile,
    NameExpr,
    OverloadedFuncDef,
    Statement,
    TryStmt,
    TypeInfo,
    Var,
    WhileStmt,
    WithStmt,
)
from mypy.plugin import CheckerPluginInterface
from mypy.types import LiteralType, UnionType, get_proper_type, get_proper_types

from upnext_mypy.codes import CONFLICT, aside, report
from upnext_mypy.refresh import CATALOG

_FINDINGS = "_findings"
_WHERE = re.compile(r"(?P<code>\w+) (?P<name>.+)#(?P<nth>\d+)(?P<lines>[+-]\d+):(?P<column>\d+) in (?P<file>.+)")


def show_findings(api: CheckerPluginInterface, module: str) -> None:
    """Report the catalog's errors about the file that is being checked.

    Args:
        api: The checker.
        module: The name of the catalog's module.
    """
    if not isinstance(api, TypeChecker):
        return
    tree = api.tree
    owner = "Catalog" if module == CATALOG else "Worker"
    tree.plugin_deps.setdefault(f"<{module}.{owner}.{_FINDINGS}>", set()).add(api.tscope.current_target())
    catalog = api.modules.get(module)
    texts = [] if catalog is None else list(_texts(catalog, owner))
    if catalog is None or not texts:
        return
    found = list(
        _findings_of(texts, Path(catalog.path).absolute().parent, os.path.normpath(Path(tree.path).absolute()))
    )
    places: defaultdict[str, list[Statement]] = defaultdict(list)
    for name, node in _named(tree.defs) if found else ():
        places[name].append(node)
    for where, message, notes in found:
        nodes = sorted(places[where["name"]], key=lambda node: node.line)
        if int(where["nth"]) < len(nodes):
            line = nodes[int(where["nth"])].line + int(where["lines"])
            context = Context(line, int(where["column"]) - 1)
            context.end_line = line
            with aside(api):
                report(api, f"{where['code']}: {message}", context, CONFLICT, notes=notes)


def _findings_of(texts: list[str], folder: Path, path: str) -> Iterator[tuple[re.Match[str], str, list[str]]]:
    """Return what a catalog in a folder says about one file: the places, errors and notes."""
    for text in texts:
        head, message, *notes = text.split("\n")
        where = _WHERE.fullmatch(head)
        if where is not None and os.path.normpath(folder / where["file"]) == path:
            yield where, message, notes


def _texts(catalog: MypyFile, name: str) -> Iterator[str]:
    owner = catalog.names.get(name)
    found = owner.node.names.get(_FINDINGS) if owner is not None and isinstance(owner.node, TypeInfo) else None
    if found is None or not isinstance(found.node, Var) or found.node.type is None:
        return
    written = get_proper_type(found.node.type)
    for item in get_proper_types(written.items if isinstance(written, UnionType) else [written]):
        if isinstance(item, LiteralType) and isinstance(item.value, str):
            yield item.value


def _named(body: list[Statement]) -> Iterator[tuple[str, Statement]]:
    """Return the named statements, in the form of `upnext_codegen.catalog.anchors`."""
    for node in body:
        match node:
            case Decorator():
                yield from _named([node.func])
            case OverloadedFuncDef():
                yield from _named([*node.unanalyzed_items])
            case FuncDef():
                yield f"def {node.name}", node
                yield from _named(node.body.body)
            case ClassDef():
                yield f"class {node.name}", node
                yield from _named(node.defs.body)
            case AssignmentStmt(lvalues=[NameExpr() as target, *_]):
                yield f"{target.name} =", node
            case ExpressionStmt(expr=CallExpr() | AwaitExpr()):
                yield "call", node
            case _:
                for block in _blocks(node):
                    yield from _named(block.body)


def _blocks(node: Statement) -> list[Block]:
    blocks: list[Block | None] = []
    match node:
        case Block():
            blocks = [node]
        case IfStmt():
            blocks = [*node.body, node.else_body]
        case ForStmt() | WhileStmt():
            blocks = [node.body, node.else_body]
        case WithStmt():
            blocks = [node.body]
        case TryStmt():
            blocks = [node.body, *node.handlers, node.else_body, node.finally_body]
        case MatchStmt():
            blocks = [*node.bodies]
        case _:
            pass
    return [block for block in blocks if block is not None]
