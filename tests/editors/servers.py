"""The language servers, each with no settings but the interpreter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.editors.client import Editor
from tests.installed import TOOLS


def pyright(folder: Path, python: Path) -> Editor:
    """Start the server that Pylance is built on."""
    return Editor(folder, [str(TOOLS / "pyright-langserver"), "--stdio"], {"python": {"pythonPath": str(python)}})


def ty(folder: Path, python: Path) -> Editor:
    environment = {"environment": {"python": str(python.parent.parent)}}
    return Editor(folder, [str(TOOLS / "ty"), "server"], {"ty": {"configuration": environment}})


def pyrefly(folder: Path, python: Path) -> Editor:
    """Start pyrefly's server, told to show errors: in a project without a section for pyrefly it shows next to none."""
    settings = {"pythonPath": str(python), "pyrefly": {"displayTypeErrors": "force-on"}}
    return Editor(folder, [str(TOOLS / "pyrefly"), "lsp"], {"python": settings})


SERVERS: dict[str, Callable[[Path, Path], Editor]] = {"pyright": pyright, "ty": ty, "pyrefly": pyrefly}
"""How to start each one in a folder, with an interpreter."""
