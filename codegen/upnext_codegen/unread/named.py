"""Modules named in texts of a file, for code that imports them dynamically: `import_module(name)` and the like."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from upnext_codegen.reading.imports import COMPUTED
from upnext_codegen.reading.tree import children

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MODULE = re.compile(r"\.*[^\W\d]\w*(?:\.[^\W\d]\w*)*")


def may_import_by_name(imports: Iterable[str]) -> bool:
    """Return, from the list of `imports_of`, whether a file imports modules named in texts elsewhere in it."""
    return any(each == COMPUTED or (each.startswith(".") and each.endswith("=")) for each in imports)


def modules_in_texts(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the possible modules named in texts, each with the text; a relative name with its package.

    A text that is compared with something names nothing that is imported.
    """
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Compare):
            continue
        waiting += children(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            module = _module(node.value)
            if module is not None and not module.startswith("."):
                yield module, node
        elif isinstance(node, ast.Call):
            module = _relative_to_package(node)
            if module is not None:
                yield module, node


def _module(text: str) -> str | None:
    """Parse a text as the name of a module, of something in one (`shop.mail:send`), or of its file."""
    name = text.removesuffix(".py").removeprefix("./").replace("/", ".") if text.endswith(".py") else text
    name = name.partition(":")[0]
    return name if _MODULE.fullmatch(name) else None


def _relative_to_package(call: ast.Call) -> str | None:
    """Read `import_module(".mail", "shop")`."""
    texts = {each.arg: each.value for each in call.keywords if each.arg is not None}
    named = dict(zip(("name", "package"), call.args, strict=False)) | texts
    match named.get("name"), named.get("package"):
        case ast.Constant(str() as name), ast.Constant(str() as package) if name.startswith("."):
            module = name.lstrip(".")
            parents = package.split(".")[: len(package.split(".")) - (len(name) - len(module)) + 1]
            return _module(".".join([*parents, module]))
        case _:
            return None
