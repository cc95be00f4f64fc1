"""What the lock does not say about an application: its name, and the events it sends."""

from __future__ import annotations

from pathlib import Path

from upnext_codegen.layout.pyproject import read, table
from upnext_codegen.project import find_project
from upnext_codegen.scan import scan


def application(start: Path) -> tuple[str, str]:
    """Return the project's name and version from the pyproject.toml around a folder.

    Raises:
        ConfigurationError: If its settings cannot be used.
    """
    root = find_project(start).root
    project = table(read(root), "project")
    name, version = project.get("name"), project.get("version")
    return name if isinstance(name, str) else root.name, version if isinstance(version, str) else "0.0.0"


def sent_events(start: Path) -> frozenset[str]:
    """Return the events that the sources of the project around a folder certainly send.

    Raises:
        ConfigurationError: If its settings cannot be used.
    """
    found, _ = scan(find_project(start))
    return frozenset(each.names[0] for each in found.sends if each.kind == "event" and len(each.names) == 1)
