"""Whether a file takes something of upnext by a name that is worked out: `import_module(name)`, `globals()[name]`.

A name for that must come from somewhere: from a text in the file, or from a constant that it imports. Where there is
none, such a call gives nothing that can be followed, and only an `.on` of its result has to be told of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from upnext_codegen.names.modules import ExternalName, ModuleRef
from upnext_codegen.names.scopes import ModuleImport, NameImport

if TYPE_CHECKING:
    from upnext_codegen.names.lookup import Lookup
    from upnext_codegen.names.scopes import Binding, Scope, SourceModule

Leads: TypeAlias = Callable[[ModuleRef | ExternalName | None], bool]

_ON = re.compile(r"\.[\s\\]*on\b(?![ \t]*[\w\"'])|[\"']on[\"']")
_BEFORE = re.compile(r"(?<![\w.])([^\W\d]\w*)(?:\.\w+)*\Z")
_LONGEST = 200
"""Characters of `events.shop.placed` that are looked at."""
_OF_TEXTS = frozenset({"compile", "eval", "exec"})
_OF_NAMES = frozenset({"globals", "locals", "vars"})
_TEXT = re.compile(r"(?<=[\"'}])\.*[^\W\d][\w.]*(?=[\"'{])")
"""A whole text, or a part of one between values that are put into it."""
_CALL = r"(?:import_module|__import__|modules)\s*[(\[]"
_PUT_TOGETHER = re.compile(
    rf"{_CALL}[^\n,]*?(?:[\"']\s*(?:\+|%|\.format|\.join)|\+\s*[\"'])"
    rf"|{_CALL}\s*[rR]?[fF][\"'][^\"'\n]*(?:[^.\"'{{]\{{|\}}[^.\"'}}])"
)
"""A name that is put together where it is given: its parts may be anything."""
_FINDING = frozenset({"import_from_string", "import_object", "import_string", "pkgutil", "pydoc", "runpy", "spec_from"})
"""Modules, and functions of whatever module, that find something by its name in a text."""
_RUN = re.compile(r"(?:eval|exec|compile)\s*\(\s*\w*[\"'][^\n]*\.\s*on\b")
_ITSELF = re.compile(r"(?<!\.)(?<!ogger\()__(?:name|package|spec)__(?!\s*==)")


def importing_names(
    module: SourceModule, names: Container[str], scopes: Iterable[Scope], lookup: Lookup, leads: Leads
) -> dict[str, str]:
    """The names by which a file imports modules whose names are worked out, if that can lead to upnext.

    Args:
        module: The file.
        names: Those that can be of upnext without that.
        scopes: Its own scope, and those of functions and classes in it that import something.
        lookup: Finds modules.
        leads: Whether a module, or something in a package, can be of upnext.

    Returns:
        For each name the attribute of it that does so, "" where it does so itself.
    """
    text = module.text.text
    found: dict[str, str] = {}
    by_name = "import_module" in text or "__import__" in text
    if not by_name and not ("sys" in text and "modules" in text):
        return found
    if not (_attaches_unknown(module, names) or _can_name(module, lookup, leads)):
        return found
    if by_name:
        found |= {"import_module": "", "__import__": ""}
    for scope in scopes:
        for each in scope.every():
            match each.binding:
                case ModuleImport(source) if source.partition(".")[0] == "importlib":
                    found[each.name] = "import_module"
                case ModuleImport("sys"):
                    found[each.name] = "modules"
                case NameImport(0, "importlib", "import_module") | NameImport(0, "sys", "modules"):
                    found[each.name] = ""
                case _:
                    pass
    return found


def running_names(module: SourceModule, names: set[str]) -> set[str]:
    """The functions by which a file takes its own names out of texts, if one of these names can be among them."""
    text = module.text.text
    called = {each for each in _OF_NAMES | _OF_TEXTS if _is_called(each, text)}
    if not called or _attaches_unknown(module, names):
        return called
    if any(not names.isdisjoint(each.split(".")) for each in _texts(text)):
        return called
    return called & _OF_TEXTS if _ON.search(text) else set()


def finding_names(module: SourceModule) -> set[str]:
    """The names of what finds modules, or what they have, by a text, and of what runs a text that attaches."""
    text = module.text.text
    runs = any(_is_called(each, text) for each in _OF_TEXTS) and _RUN.search(text)
    found = {*_OF_TEXTS} if runs else set[str]()
    if not any(each in text for each in _FINDING):
        return found
    return {*found, *(each.name for each in module.scope.every() if _finds(each.binding))}


def _is_called(name: str, text: str) -> bool:
    """Whether a text calls a function by its plain name."""
    # A regular expression that begins with what stands before takes ten times as long.
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
            return source in _FINDING or source == "importlib.util"
        case NameImport(_, source, name):
            return source in _FINDING or name in _FINDING or f"{source}.{name}" == "importlib.util"
        case _:
            return False


def _attaches_unknown(module: SourceModule, names: Container[str]) -> bool:
    """Whether a file attaches to something else than these names, which has to be told of where it is not known."""
    if "__getattr__" in module.scope.definitions:
        return True
    text = module.text.text
    for each in _ON.finditer(text):
        owner = _BEFORE.search(text, max(0, each.start() - _LONGEST), each.start())
        if owner is None or owner[1] not in names:
            return True
    return False


def _can_name(module: SourceModule, lookup: Lookup, leads: Leads) -> bool:
    """Whether a text in a file, or a constant that it imports, can be a part of the name of a module that leads on."""
    if _PUT_TOGETHER.search(module.text.text):
        return True
    texts = [*_texts(module.text.text)]
    is_relative = any(each.startswith(".") for each in texts) or _ITSELF.search(module.text.text)
    if is_relative and leads(_package_of(module, lookup)):
        return True
    tops = {each.partition(".")[0] for each in texts} - {"", "__init__", "__main__"}
    if any(leads(lookup.modules.find(each, module.file)) for each in sorted(tops)):
        return True
    return any(isinstance(each, ModuleRef) for each in _with_constants(module, lookup))


def _texts(text: str) -> Iterator[str]:
    return (each[0] for each in _TEXT.finditer(text))


def _package_of(module: SourceModule, lookup: Lookup) -> ModuleRef | ExternalName | None:
    return lookup.imported(module.file, 1, "")


def _with_constants(module: SourceModule, lookup: Lookup) -> Iterator[ModuleRef | ExternalName | None]:
    """Yield the modules that a file imports constants from, which may be names of others."""
    for each in module.scope.every():
        match each.binding:
            case NameImport(level, source, name) if name.isupper() and _is_given(each.name, module.text.text):
                yield lookup.imported(module.file, level, source)
            case _:
                pass


def _is_given(name: str, text: str) -> bool:
    """Whether a call is given a name as it is."""
    return bool(re.search(rf"[(,=]\s*{name}\s*[,)]", text))
