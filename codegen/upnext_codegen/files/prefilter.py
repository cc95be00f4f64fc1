"""Which files have to be parsed: those that mention upnext, or use `.on` or `.event` and import their way to it."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen.names.modules import ModuleRef, Outside

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from upnext_codegen.names.modules import Modules

# Begins with a plain character, which the search then leaps to; alternatives would be tried at every place.
# What comes after tells what is no use of ours: `ov.event.wait`, an assignment, an import, prose ("e.g. on Linux").
_USES = re.compile(rb"\.\s*(?:on|event)\b(?!\s*(?:\.|=[^=])|[ \t]+(?!(?:if|else|or|and|in|is|not|for|as)\b)[^\W\d])")
_QUOTED = (b"'on'", b'"on"', b"'event'", b'"event"')
_BEFORE_IMPORT = re.compile(rb"(?:|[^\n]*[;:])[ \t]*(?:from[ \t]+(\.*[ \t]*[\w.]*)[ \t]+)?")
_BEHIND_IMPORT = frozenset({b" ", b"\t", b"(", b"\\"})
_IMPORTED = re.compile(rb"[ \t]*(\([^)]*\)|(?:[^\n\\;]|\\\r?\n)*)")
_MODULES = re.compile(rb"[ \t]+([^\n;#]+)")
_COMMENT = re.compile(rb"#[^\n]*")
_WORD = re.compile(rb"[\w.]")
_USED = re.compile(rb"((?:\.\w+)+)(\(?)")
_LISTED = re.compile(rb"__all__[^\n=]*=([^\])]*)")
_NAMED = re.compile(rb"[\"']([A-Za-z_][\w.]*)[\"']")
_IMPORTING_CALL = re.compile(rb"\b(?:import_module|__import__)\s*\(")
_IMPORTING_LITERAL = re.compile(rb"import_module\s*\(\s*[\"'](\w[\w.]*)[\"']|__import__\s*\(\s*[\"']([\w.]+)[\"']")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
NOTHING, USES, MENTIONS = 0, 1, 2
ANYTHING = "*"
"""Among the modules that a file imports: one whose name has to be worked out."""


def weight(data: bytes) -> int:
    """Say what a file's bytes hold: nothing of ours, something used like ours, or our name."""
    if b"upnext" in data:
        return MENTIONS
    if data.startswith(_UTF16) or b"\0" in data[:64]:
        return MENTIONS if b"upnext" in data.replace(b"\0", b"") else NOTHING
    if _USES.search(data) or (b"getattr" in data and any(quoted in data for quoted in _QUOTED)):
        return USES
    return NOTHING


def imports_of(data: bytes) -> list[str]:
    """List the modules that a file may use, roughly.

    These are what follows `from`, with and without each name; what follows `import`, and what is used of it, for other
    files may have imported that (`import shop`, `shop.events.placed`); what `import_module` is called with; and what
    `__all__` names, which a star import takes from a package even if it is a module of it.
    """
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    found: dict[str, None] = {}
    position = data.find(b"import")
    while position >= 0:
        before = _BEFORE_IMPORT.fullmatch(data, data.rfind(b"\n", 0, position) + 1, position)
        position += len(b"import")
        if before is not None and data[position : position + 1] in _BEHIND_IMPORT:
            _take(data, position, before[1], found)
        position = data.find(b"import", position)
    if b"__all__" in data:
        for listed in _LISTED.findall(data):
            found.update((f".{name.decode()}", None) for name in _NAMED.findall(listed))
    if b"import_module" in data or b"__import__" in data:
        called = _IMPORTING_LITERAL.findall(data)
        found.update(((one or other).decode("utf-8", "replace"), None) for one, other in called)
        if len(called) < len(_IMPORTING_CALL.findall(data)):
            found[ANYTHING] = None
    return list(found)


def _take(data: bytes, position: int, module: bytes | None, found: dict[str, None]) -> None:
    """Note what stands behind an `import`, and the module that it is from, if any."""
    if module is None:
        plain = _MODULES.match(data, position)
        for each in plain[1].split(b",") if plain else ():
            name, _, alias = (part.strip() for part in each.partition(b" as "))
            found[name.decode("utf-8", "replace")] = None
            bound = name if alias else name.partition(b".")[0]
            _take_used(data, alias or bound, bound, found)
        return
    base = module.replace(b" ", b"").decode("utf-8", "replace")
    found[base] = None
    dotted = base if base.endswith(".") else f"{base}."
    names = _IMPORTED.match(data, position)
    for name in re.findall(rb"\w+", _COMMENT.sub(b"", names[1]).replace(b"\\", b" ")) if names else ():
        found[dotted + name.decode("utf-8", "replace")] = None


def _take_used(data: bytes, local: bytes, module: bytes, found: dict[str, None]) -> None:
    """Note what is used of a module that goes by a name."""
    if not local or module.partition(b".")[0].decode("utf-8", "replace") in sys.stdlib_module_names:
        return
    needle = local + b"."
    position = data.find(needle)
    while position >= 0:
        used = _USED.match(data, position + len(local))
        if used and not (position and _WORD.match(data, position - 1)):
            # What is called is no module.
            chain = used[1].rpartition(b".")[0] if used[2] else used[1]
            if chain:
                found[(module + chain).decode("utf-8", "replace")] = None
        position = data.find(needle, position + len(needle))


@dataclass(slots=True)
class Paths:
    """Follows imports to files that mention upnext.

    Attributes:
        modules: The project's module names.
        mentions: Whether a file mentions upnext.
        imports: The modules that a file imports, as `imports_of` lists them.
    """

    modules: Modules
    mentions: Callable[[str], bool]
    imports: Callable[[str], Collection[str]]
    _known: dict[str, bool] = field(default_factory=dict[str, bool])

    def lead_to_us(self, file: str) -> bool:
        """Whether a file's imports can bring in something of ours."""
        seen = {file}
        stack = [file]
        while stack:
            current = stack.pop()
            if self._known.get(current) or self.mentions(current):
                self._known[file] = True
                return True
            if current in self._known:
                continue
            for each in self._imported(current):
                if not each or self._known.get(each) or self.mentions(each):
                    self._known[file] = True
                    return True
                if each not in seen:
                    seen.add(each)
                    stack.append(each)
        self._known.update(dict.fromkeys(seen, False))
        return False

    def _imported(self, file: str) -> dict[str, None]:
        """Return the files that a file imports, and "" for the module that the catalog is written as."""
        found: dict[str, None] = {}
        for name in _with_packages(self.imports(file)):
            module = name.lstrip(".")
            level = len(name) - len(module)
            source = self.modules.relative(level, module, file) if level else self.modules.find(module, file)
            if isinstance(source, ModuleRef) and source.file is not None:
                found[source.file] = None
            elif isinstance(source, Outside) and source.name == "upnext":
                found[""] = None
        return found


def _with_packages(names: Collection[str]) -> dict[str, None]:
    """Dotted names, and whatever each may be in: the dots of a relative one alone too."""
    found: dict[str, None] = {}
    for name in names:
        rest = name
        # What is around a name comes with every name beside it again.
        while rest and rest not in found:
            found[rest] = None
            before, _, last = rest.rpartition(".")
            if not last:
                break
            rest = before if before.strip(".") else rest[: -len(last)]
    return found
