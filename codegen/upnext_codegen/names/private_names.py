"""Name mangling: Python compiles `__trace` in a class `Mailer` as `_Mailer__trace`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upnext_codegen.names.scopes import Scope


def at_run_time(name: str, scope: Scope) -> str:
    """The run-time name of a parameter or annotated variable.

    Args:
        name: The name, as it is written.
        scope: The scope that the variable, or the function with the parameter, is defined in.
    """
    if not name.startswith("__") or name.endswith("__"):
        return name
    around: Scope | None = scope
    while around is not None and not isinstance(around.node, ast.ClassDef):
        around = around.parent
    owner = around.node.name.lstrip("_") if around is not None and isinstance(around.node, ast.ClassDef) else ""
    return f"_{owner}{name}" if owner else name
