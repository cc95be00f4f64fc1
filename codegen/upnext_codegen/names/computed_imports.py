"""Names that a file takes dynamically: `import_module(name)`, `globals()[name]`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from upnext_codegen.names.scopes import ModuleImport, NameImport

if TYPE_CHECKING:
    from upnext_codegen.names.scopes import Binding, Scope, SourceModule

_OF_TEXTS = frozenset({"compile", "eval", "exec"})
_OF_NAMES = frozenset({"globals", "locals", "vars"})
_NAMES = "EntryPoint import_from_string import_object import_string lazy_loader pkgutil pydoc runpy spec_from"
_FINDING = frozenset(_NAMES.split())
"""Modules, and functions of whatever module, that find something by its name in a text."""
_RUN = re.compile(r"(?:eval|exec|compile)\s*\(\s*\w*[\"'][^\n]*\.\s*on\b")


def importing_names(module: SourceModule, scopes: Iterable[Scope]) -> dict[str, str]:
    """The names under which a file imports modules with computed names.

    Args:
        module: The file.
        scopes: Its own scope, and those of functions and classes in it that import something.

    Returns:
        For each name the attribute of it that does so, "" where it does so itself.
    """
    text = module.text.text
    found: dict[str, str] = {}
    by_name = "import_module" in text or "__import__" in text
    if not by_name and not ("sys" in text and "modules" in text):
        return found
    if by_name:
        found |= {"import_module": "", "__import__": ""}
    for scope in scopes:
        for each in scope.every():
            match each.binding:
                case ModuleImport(source) if source.partition(".")[0] == "importlib":
                    found[each.name] = "" if ".__import__" in text else "import_module"
                case ModuleImport("sys"):
                    found[each.name] = "modules"
                case NameImport(0, "importlib", "import_module") | NameImport(0, "sys", "modules"):
                    found[each.name] = ""
                case _:
                    pass
    return found


def running_names(module: SourceModule) -> set[str]:
    """The functions by which a file takes its own names from texts."""
    return {each for each in _OF_NAMES | _OF_TEXTS if _is_called(each, module.text.text)}


def finding_names(module: SourceModule) -> set[str]:
    """The names of what finds modules or their attributes by a text, and of what runs a text that attaches."""
    text = module.text.text
    runs = any(_is_called(each, text) for each in _OF_TEXTS) and _RUN.search(text)
    found = {*_OF_TEXTS} if runs else set[str]()
    if not any(each in text for each in _FINDING):
        return found
    return {*found, *(each.name for each in module.scope.every() if _finds(each.binding))}


def _is_called(name: str, text: str) -> bool:
    """Whether a text calls a function by its plain name."""
    # A regular expression that begins with the preceding text takes ten times as long.
    place = text.find(name)
    while place >= 0:
        end = place + len(name)
        before = text[place - 1 : place]
        if not (before in {".", "_"} or before.isalnum()) and text[end : end + 20].lstrip().startswith("("):
            return True
        place = text.find(name, end)
    return False


def _finds(binding: Binding) -> bool:
    match binding:
        case ModuleImport(source):
            return source in _FINDING or source in {"importlib", "importlib.metadata", "importlib.util"}
        case NameImport(_, source, name):
            return source in _FINDING or name in _FINDING or f"{source}.{name}" == "importlib.util"
        case _:
            return False
