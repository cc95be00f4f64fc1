"""Expressions that inspect the names in their function: renaming or adding one would change their result."""

from __future__ import annotations

import libcst as cst

_WITHOUT_ARGUMENTS = frozenset({"locals", "vars", "dir"})
_CODE = frozenset({"eval", "exec"})


def looks_at_own_names(node: cst.CSTNode) -> bool:
    """Return whether an expression may depend on the names of the variables around it, as in `log(**locals())`."""
    match node:
        case cst.Call(func=cst.Name(value=name), args=arguments):
            return name in _WITHOUT_ARGUMENTS and not arguments
        case cst.Name(value=name):
            return name in _CODE
        case cst.Attribute(attr=cst.Name(value="f_locals")):
            return True
        case _:
            return False
