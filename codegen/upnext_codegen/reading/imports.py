"""The imports of a file, found in its bytes without parsing: never too few, sometimes too many.

Each import is one text:

- `a.b` for `import a.b`, which binds `a`; `a.b=` for `import a.b as c` and for `import_module("a.b")`;
- `a.b:x,y` for `from a.b import x, y`, with its leading dots; a star is `*`;
- `.:x,y` also for the names in the `__all__` of a package, which a star import may have to import from it;
- `?` for a module whose name is computed;
- `!` for a name that is looked up but imported elsewhere: in `sys.modules`, or by a function that takes a path.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

COMPUTED = "?"
"""Among the imports of a file: a module whose name has to be worked out."""
LOOKED_UP = "!"
"""Among the imports of a file: whatever is looked up under its name."""
UNNAMED = frozenset({COMPUTED, LOOKED_UP})

_GAP = rb"(?:[ \t\f]|\\\n)"
_NAME = rb"[\w\x80-\xff]++"
# None of them reads past what no import can contain: one line can fill a file and have `import` at every word.
_NAMED = re.compile(
    rb"from(?=[ \t\f.\\])((?:GAP|\.)*+(?:(?!import\b)NAME(?:GAP*+\.GAP*+NAME)*+)?GAP*+)\bimport\b"
    rb"GAP*+(\((?:[^()#]|#[^\n]*+)*+\)|(?:[^\n\\;]|\\\n)*+)".replace(b"GAP", _GAP).replace(b"NAME", _NAME)
)
_PLAIN = re.compile(rb"import" + _GAP + rb"++((?:[\w\x80-\xff., \t\f*]|\\\n)*+)")
_AS = re.compile(rb"\s+as\s+")
_COMMENT = re.compile(rb"#[^\n]*")
_WORDS = re.compile(rb"[\w\x80-\xff]+|\*")
_CALL = re.compile(rb"\b(?:import_module|__import__)\s*\(")
_LITERAL = re.compile(rb"\b(?:import_module|__import__)\s*\(\s*[\"'](\.*\w[\w.]*|\.+)[\"']\s*[,)]")
_FINDERS = (
    *("runpy", "pkgutil", "pydoc", "importlib.util", "importlib:util", "importlib.metadata", "lazy_loader"),
    *("import_string", "import_from_string", "import_object"),
)
"""Modules and functions that find something by a path in a text."""
_LOOKING_UP = re.compile(rb"\bmodules\s*(?:\[\s*(?!__name__|[\"']__main__)|\.\s*(?:get|items|values|__getitem__)\b|\))")
_HANDED_ON = re.compile(rb"\bimport_module\b(?!\s*\()")
_BY_ITS_NAME = re.compile(rb"\bimport[ \t]+(?:[\w, \t]*,[ \t]*)?import_module[ \t]*(?:[,#;\n]|\Z)")
_LISTED = re.compile(rb"__all__[^\n=]*=([^\])]*)")
_QUOTED = re.compile(rb"[\"']([A-Za-z_][\w.]*)[\"']")
# Letters that Python reads as the plain ones in "upnext": fullwidth, mathematical, raised and lowered ones.
_COMPATIBLE = re.compile(rb"\xef\xbd|\xf0\x9d|\xe1\xb5|\xe2\x81\xbf|\xe2\x82|\xe2\x93|\xcb[\xa3]")


def plain(data: bytes) -> bytes:
    """Return a file's bytes with ASCII spellings of letters that Python folds, and with plain line ends."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not data.isascii() and _COMPATIBLE.search(data):
        data = unicodedata.normalize("NFKC", data.decode("utf-8", "replace")).encode()
    return data


def mentions_upnext(data: bytes) -> bool:
    """Whether a file can name upnext."""
    return b"upnext" in data or (not data.isascii() and b"upnext" in plain(data))


def imports_of(data: bytes, *, of_package: bool) -> list[str]:
    """List the imports of a file, roughly: including some in comments and strings.

    Args:
        data: Its bytes.
        of_package: Whether it is the `__init__.py` of a package.
    """
    data = plain(data)
    if b"import" not in data:
        return []
    found: dict[str, None] = {}
    taken: list[tuple[int, int]] = []
    for each in _NAMED.finditer(data):
        taken.append(each.span())
        module = b"".join(_WORDS_AND_DOTS.findall(each[1]))
        names = [name for name, _ in _parts(each[2])]
        found[f"{_text(module)}:{_text(b','.join(names))}"] = None
    _take_plain(data, taken, found)
    if of_package and b"__all__" in data:
        for listed in _LISTED.findall(data):
            quoted = sorted({name.decode() for name in _QUOTED.findall(listed)})
            if quoted:
                found[f".:{','.join(quoted)}"] = None
    if b"import_module" in data or b"__import__" in data:
        called = _LITERAL.findall(data)
        found.update((f"{_text(name)}=", None) for name in called)
        handed_on = len(_HANDED_ON.findall(data)) > len(_BY_ITS_NAME.findall(data))
        if handed_on or len(called) < len(_CALL.findall(data)):
            found[COMPUTED] = None
    listed = " ".join(found)
    if ("sys" in listed and b"modules" in data and _LOOKING_UP.search(data)) or any(
        each in listed for each in _FINDERS
    ):
        found[LOOKED_UP] = None
    return list(found)


_WORDS_AND_DOTS = re.compile(rb"[\w\x80-\xff]+|\.")


def dotted(imports: Iterable[str]) -> Iterator[str]:
    """Yield the modules that imports may mean: `from a import b` may mean `a.b`."""
    for each in imports:
        if each in UNNAMED:
            continue
        module, colon, names = each.partition(":")
        module = module.removesuffix("=")
        yield module
        if colon:
            base = module if module.endswith(".") else f"{module}."
            yield from (base + name for name in names.split(",") if name and name != "*")


def _take_plain(data: bytes, taken: list[tuple[int, int]], found: dict[str, None]) -> None:
    spans = iter([*taken, (len(data), len(data))])
    start, end = next(spans)
    position = data.find(b"import")
    while position >= 0:
        while position >= end and end < len(data):
            start, end = next(spans)
        each = _PLAIN.match(data, position) if position < start or position >= end else None
        for name, alias in _parts(each[1]) if each else ():
            found[_text(name) + ("=" if alias else "")] = None
        position = data.find(b"import", each.end() if each else position + 6)


def _parts(clause: bytes) -> list[tuple[bytes, bool]]:
    """The names of an import clause, and whether each is renamed."""
    text = _COMMENT.sub(b"", clause).replace(b"\\\n", b" ").strip(b"() \t\f\n")
    found: list[tuple[bytes, bool]] = []
    for each in text.split(b","):
        name, *alias = _AS.split(each.strip())
        if name:
            found.append((b"".join(_DOTTED.findall(name.split(None, 1)[0] if b"." not in name else name)), bool(alias)))
    return [(name, alias) for name, alias in found if name]


_DOTTED = re.compile(rb"[\w\x80-\xff]+|\.|\*")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
