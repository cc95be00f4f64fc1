"""Names that may or may not mean a renamed function, where no source decides it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import libcst as cst
from libcst.metadata import QualifiedNameSource

from upnext_codegen.records import Place
from upnext_codegen.renames import references
from upnext_codegen.renames.plan import Undecided

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterator

    from upnext_codegen.renames.edits import Edits
    from upnext_codegen.renames.plan import ProjectSources

_ITSELF = frozenset({"self", "cls"})


def is_handed_on(modules: Collection[str], sources: ProjectSources) -> bool:
    """Whether a module may be available without an import, so that any attribute may be one of its functions.

    A text may name it, as in `importlib.import_module("shop.email")`, or it is a value, as in `return email`.

    Args:
        modules: The dotted names of the module, and of those that pass the function on.
        sources: The project.
    """
    for module in modules:
        whole, last = re.escape(module).encode(), re.escape(module.rpartition(".")[2]).encode()
        named = re.compile(rb"""["'](?:%s|\.+%s)["']""" % (whole, last))
        imported = re.compile(rb"\bimport\b[^#\n]*(?<!\w)%s(?!\w)" % last)
        value = re.compile(rb"(?:\breturn|\byield|=|,|\()\s*(?:[\w.]+\.)?(?<!\w)%s(?=\s*(?:[),\n]|$))" % last)
        for _, data in sources.holding(module.rpartition(".")[2]):
            if named.search(data) or (imported.search(data) and value.search(imported.sub(b"", data))):
                return True
    return False


def unresolved(
    file: Edits, qualname: str, module: str, renamed: Container[cst.Name], *, anywhere: bool
) -> Iterator[Undecided]:
    """List the names in a file that may be a function: through `import *`, or as an attribute of a possible module.

    Args:
        file: The file.
        qualname: What the function is called in its module.
        module: The last name of that.
        renamed: The names that are known to be the function.
        anywhere: Whether its module may be had in any way.
    """
    *owners, name = qualname.split(".")
    by_star = set(_by_star(file, name))
    for node in file.nodes:
        if isinstance(node, cst.Attribute) and node.attr.value == name and node.attr not in renamed:
            if owners or (anywhere and _may_have(file, node.value, module)):
                reason = f"this may be {qualname!r}: if it is, change it by hand"
                yield Undecided(Place(file.file, *file.place_of(node.attr)), reason)
        elif isinstance(node, cst.Name) and node in by_star and node not in renamed:
            reason = f"this name may be {name!r} by `import *`: if it is, change it by hand"
            yield Undecided(Place(file.file, *file.place_of(node)), reason)


def _by_star(file: Edits, name: str) -> Iterator[cst.Name]:
    """Yield the variables of a name that is unbound in a file with `import *`."""
    if not any(isinstance(node, cst.ImportStar) for node in file.nodes):
        return
    others = references.no_variables(file)
    for node in file.nodes:
        if isinstance(node, cst.Name) and node.value == name and node not in others and not file.qualified_names(node):
            yield node


def _may_have(file: Edits, owner: cst.BaseExpression, module: str) -> bool:
    """Whether an expression may be a module, as opposed to another import or a local object."""
    root = owner
    while isinstance(root, cst.Attribute):
        root = root.value
    if isinstance(root, cst.BaseString | cst.BaseNumber | cst.List | cst.Dict | cst.Set | cst.Tuple):
        return False
    if isinstance(root, cst.Call):
        return not (isinstance(root.func, cst.Name) and root.func.value == "super")
    if not isinstance(root, cst.Name):
        return True
    known = file.qualified_names(owner)
    if any(each.source is QualifiedNameSource.IMPORT for each in known):
        return any(each.name.rpartition(".")[2] == module for each in known)
    return owner is not root or root.value not in _ITSELF
