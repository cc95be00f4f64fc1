"""Folders that nothing marks as a project: nothing is written there, and the message says where to go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext_codegen.errors import ConfigurationError
from upnext_codegen.files.left_out import PROJECT
from upnext_codegen.layout.probing import is_file
from upnext_codegen.layout.pyproject import NAME
from upnext_codegen.project import LOCK

if TYPE_CHECKING:
    from pathlib import Path

    from upnext_codegen.files.discover import Discovery
    from upnext_codegen.project import Project
    from upnext_codegen.records import Scan

_MOST_NAMED = 5


def is_none(project: Project, scan: Scan) -> bool:
    """Whether a folder is not a project: no file at its root says that it is one, and no source in it uses upnext."""
    return not project.is_marked and scan.is_empty


def refuse(project: Project, found: Discovery) -> None:
    """Report that a folder is not a project, and list the projects below it.

    Raises:
        ConfigurationError: Always.
    """
    way_out = projects_below(project.root, found) or f" Run this in a project, or make a {NAME} there first."
    raise ConfigurationError(
        f"No event is declared in {project.root}, and it has no {NAME}, so nothing is written.{way_out}"
    )


def projects_below(root: Path, found: Discovery) -> str:
    """Return a sentence that names the projects below a folder which use upnext, "" if there are none."""
    others = [path.rstrip("/") for path, reason in found.left_out if reason == PROJECT]
    own = [path for path in others if _uses_upnext(root / path)]
    named = ", ".join([*own[:_MOST_NAMED], *([f"{len(own) - _MOST_NAMED} more"] if len(own) > _MOST_NAMED else [])])
    return f" Below it are projects of their own: {named}. Run this there." if own else ""


def _uses_upnext(folder: Path) -> bool:
    try:
        return is_file(folder / LOCK) or b"upnext" in (folder / NAME).read_bytes()
    except OSError:
        return False
