"""What the bytes of a file say about whether it has to be read; errs on the side of reading."""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache

from upnext_codegen.names.exported_names import ANYTHING
from upnext_codegen.reading.imports import UNNAMED

_ATTRIBUTE = re.compile(rb"\.(?:[\s\\]|#[^\n]*\n)*(\w+)")
_TAKEN = re.compile(rb"getattr\s*[(,]\s*[\w.\x80-\xff]+\s*,\s*[\"'](\w+)[\"']\s*[,)]")
"""An attribute that is taken by its name in quotes."""
_QUOTED = re.compile(rb"[\w.\x80-\xff]+\s*,\s*[\"']\w+[\"']\s*[,)]")
_ALONE = re.compile(rb"[ \t]*(?:[),\]}\n#;]|\Z|\.\s*__(?:dict|getattr)|(?:if|else|or|and|for)\b)")
"""What stands behind a module that is given to something, kept, returned, or asked for more than an attribute."""
_ENDS = frozenset({*(each.encode() for each in "),]}\n#; \t."), b""})
_BEFORE = frozenset(each.encode() for each in "=([{,:;*|@+&^~<>%")
_KEYWORDS = frozenset(b"and await else if in is not or return yield".split())
_ASSIGNED_ALONE = re.compile(rb"([\w\x80-\xff]+)\s*(?::[^=]*)?=")
_MOST_NAMES = 100
"""Names that a file gives its modules, from which on it counts as one that hands them on."""
_PATHS = b"EntryPoint importlib.__import__ lazy_loader resolve_name run_module run_path spec_from"
_BY_PATH = tuple(_PATHS.split())
"""What gives a module, or something in one, by a text that may be put together."""
_IN_WORDS = frozenset(each.encode() for each in f"{string.ascii_letters}{string.digits}_")
_AS = re.compile(rb"as[ \t\f\\\n]+([\w\x80-\xff]+)")
_DEFINED = re.compile(rb"(?:def|class)[ \t]+([\w\x80-\xff]+)")
_ASSIGNED = re.compile(rb"(?<![\w\x80-\xff])[\w\x80-\xff]++(?=[ \t]*+[=:,])")
_NO_IMPORT = re.compile(rb"[ \t]*(?:except|(?:async[ \t]+)?with|case)\b[^:]*\Z")
# (These begin with plain text if they can: Python's regular expressions are ten times as fast then.)
_WORD = re.compile(rb"[\w\x80-\xff]+")
_FEW = 30
"""Words that are looked for one by one in less time than it takes to list all attributes of a file."""


def bound_by(imports: Iterable[str]) -> set[str]:
    """The names that imports, as in `imports_of`, bind, without those that they rename."""
    found: set[str] = set()
    for each in imports:
        module, colon, names = each.partition(":")
        found.update(names.split(",") if colon else [module.partition(".")[0]])
    return found


def last_names(imported: str) -> list[str]:
    """The last names of the modules that one import, as in `imports_of`, can mean, and the names that it takes.

    For the package around a file, and for a module whose name has to be worked out, that is "".
    """
    if imported in UNNAMED:
        return [""]
    module, colon, names = imported.partition(":")
    last = module.removesuffix("=").rpartition(".")[2]
    if colon:
        return [last, *names.split(",")]
    return [last] if module.endswith("=") else [last, module.partition(".")[0]]


def renamed(data: bytes) -> set[str]:
    """The names after `as` in a file, except those of exceptions and contexts."""
    found: set[str] = set()
    for each in _whole_words(_AS, data):
        start = each.start()
        if not _NO_IMPORT.match(data, data.rfind(b"\n", 0, start) + 1, start):
            found.add(each[1].decode("utf-8", "replace"))
    return found


def aliases(data: bytes, names: Collection[bytes]) -> Iterator[bytes]:
    """Yield other names that imports give to some modules."""
    for each in _whole_words(_AS, data):
        before = _WORD.findall(data, max(0, each.start() - 100), each.start())
        if before and before[-1] in names:
            yield each[1]


def bound_names(data: bytes) -> set[str]:
    """The names that a file may bind: assigned, defined, or imported under another name; and some more.

    `ANYTHING` is among them if it has a `__getattr__`.
    """
    made_up = {ANYTHING} if b"__getattr__" in data else set[str]()
    found = {*_DEFINED.findall(data), *_ASSIGNED.findall(data)}
    return {each.decode("utf-8", "replace") for each in found} | renamed(data) | made_up


def attributes_in(data: bytes) -> set[bytes]:
    """The attributes in bytes, and the words after any other dot."""
    return {*_ATTRIBUTE.findall(data)}


def holds_word(data: bytes, words: Collection[str]) -> bool:
    """Whether the bytes of a file can contain one of these words as an attribute."""
    encoded = _encoded(frozenset(words))
    if encoded is None:
        return True
    if len(encoded) <= _FEW:
        encoded = [word for word in encoded if word in data]
    return bool(encoded) and not attributes_in(data).isdisjoint(encoded)


@lru_cache(maxsize=8)
def _encoded(words: frozenset[str]) -> Collection[bytes] | None:
    """Words as bytes, None if one is not ASCII, for which Python has several spellings."""
    return frozenset(map(str.encode, words)) if all(map(str.isascii, words)) else None


def _whole_words(pattern: re.Pattern[bytes], data: bytes) -> Iterator[re.Match[bytes]]:
    """Yield the matches of a pattern at word boundaries."""
    for each in pattern.finditer(data):
        before = data[each.start() - 1 : each.start()]
        if not before.isalnum() and before != b"_":
            yield each


def contains_any_word(data: bytes, words: Collection[str]) -> bool:
    """Whether the bytes of a file contain one of these words as a whole word."""
    encoded = {*map(str.encode, words)}
    if len(encoded) <= _FEW:
        encoded = {word for word in encoded if word in data}
    return bool(encoded) and not encoded.isdisjoint(_WORD.findall(data))


def takes_by_name(data: bytes, words: Collection[str], modules: Collection[str], bound: Collection[str]) -> bool:
    """Whether bytes may take one of some attributes other than by writing it after a dot.

    Args:
        data: The bytes.
        words: The attributes.
        modules: The names, without dots, of the modules and packages that have them; renamed ones count as well.
        bound: The names that imports bind.
    """
    if b"getattr" in data and any(each.decode() in words for each in _TAKEN.findall(data)):
        return True
    if modules and stands_alone(data, modules, bound):
        return True
    # The name of a module that is imported by a computed name is unknown; the names taken from it are written
    # out somewhere all the same.
    imports_any = b"import_module" in data or b"__import__" in data
    takes_any = imports_any and any(each in data for each in (b"getattr", b"__dict__", b"vars"))
    return any(each in data for each in _BY_PATH) or (takes_any and contains_any_word(data, words))


def stands_alone(data: bytes, modules: Collection[str], bound: Collection[str]) -> bool:
    """Whether one of some modules appears in bytes without an attribute: its receiver can take any attribute.

    Args:
        data: The bytes.
        modules: Their names, without dots.
        bound: The names that imports bind.
    """
    names = {each.encode() for each in modules}
    first = {*names} if "*" in bound else {each.encode() for each in bound} & names
    first.update(aliases(data, names))
    waiting = [*(names | first)]
    while waiting:
        name = waiting.pop()
        length, at = len(name), data.find(name)
        while at >= 0:
            end = at + length
            # In most places the surrounding characters decide, without calling anything.
            if data[end : end + 1] in _ENDS and data[at - 1 : at] not in _IN_WORDS:
                other = _renaming(data, at, end, names, first)
                if other == b"" or len(first) > _MOST_NAMES:
                    return True
                if other is not None and other not in first:
                    first.add(other)
                    waiting.append(other)
            at = data.find(name, end)
    return False


def _renaming(data: bytes, at: int, end: int, names: Collection[bytes], first: Collection[bytes]) -> bytes | None:
    """The new name of a module at a place, as in `other = module`.

    Returns:
        The name, nothing where the module stands alone otherwise, None where it does not: where an attribute is behind
        it, an import names it, or it is a word in a text.
    """
    if not _ALONE.match(data, end):
        return None
    line = data[data.rfind(b"\n", 0, at) + 1 : at].strip()
    if _is_imported(data, at, line):
        return None
    if line.endswith(b"."):
        package = _WORD.findall(line)
        is_module = bool(package) and package[-1] in names
        return b"" if is_module or (data[at:end] in first and data[at:end] not in names) else None
    if data[at:end] not in first:
        return None
    renamed_to = _ASSIGNED_ALONE.fullmatch(line)
    if renamed_to and data[end : end + 1] in {b"\n", b""}:
        return renamed_to[1]
    is_code = not line or line[-1:] in _BEFORE or line.rsplit(None, 1)[-1] in _KEYWORDS
    return b"" if is_code else None


def _is_imported(data: bytes, at: int, line: bytes) -> bool:
    """Whether the word after a line's beginning is imported, or passed to a function that takes one attribute."""
    if line.startswith((b"import", b"from ")) or (line.endswith(b"attr(") and _QUOTED.match(data, at)):
        return True
    opened = data.rfind(b"(", max(0, at - 4000), at)
    return opened >= 0 and data[max(0, opened - 8) : opened].rstrip().endswith(b"import")
