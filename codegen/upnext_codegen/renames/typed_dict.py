"""The TypedDict in `**fields: Unpack[Order]`, and its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from upnext_codegen.graph.selection import module_of
from upnext_codegen.records import Place
from upnext_codegen.renames.references import imported, uses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from upnext_codegen.renames.edits import Edits
    from upnext_codegen.renames.plan import ProjectSources


class TypedDictClass(NamedTuple):
    """A TypedDict at the top of a module.

    Attributes:
        file: Its file.
        module: The name of that module.
        node: Its statement.
        asker: The annotation that named it.
    """

    file: Edits
    module: str
    node: cst.ClassDef
    asker: cst.CSTNode

    @property
    def name(self) -> str:
        """Its name."""
        return self.node.name.value

    def key(self, name: str) -> cst.AnnAssign | None:
        """Return the statement of a key, unless it is inherited."""
        for line in self.node.body.body:
            for each in line.body if isinstance(line, cst.SimpleStatementLine) else ():
                if isinstance(each, cst.AnnAssign) and isinstance(each.target, cst.Name) and each.target.value == name:
                    return each
        return None

    def other_uses(self, file: Edits, roots: Sequence[str]) -> Iterator[Place]:
        """Yield where else a file names it."""
        for node, _ in uses(file, module_of(file.file, roots), {f"{self.module}.{self.name}"}):
            if node is not self.asker and node is not self.node.name:
                yield Place(file.file, *file.place_of(node))


def typed_dict_of(
    sources: ProjectSources, read: Callable[[str], Edits | None], file: Edits, further: cst.Param
) -> TypedDictClass | None:
    """Return the TypedDict that a `**` parameter unpacks, None if it cannot be found.

    Args:
        sources: The project.
        read: Reads a file, None where its syntax cannot be read.
        file: The file of the function.
        further: The parameter.
    """
    written = None if further.annotation is None else further.annotation.annotation
    match written:
        case cst.Subscript(slice=[cst.SubscriptElement(slice=cst.Index(value=cst.Name() as asker))]):
            pass
        case _:
            return None
    module, name = module_of(file.file, sources.roots), asker.value
    for source, alias in imported(file, module):
        if (alias.evaluated_alias or alias.evaluated_name) == name:
            path = next((each for each in sources.files() if module_of(each, sources.roots) == source), None)
            defining = None if path is None else read(path)
            if defining is None:
                return None
            module, name, file = source, alias.evaluated_name, defining
            break
    found = [node for node in file.module.body if isinstance(node, cst.ClassDef) and node.name.value == name]
    return TypedDictClass(file, module, found[0], asker) if len(found) == 1 else None
