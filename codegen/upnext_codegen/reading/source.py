"""Turns a file's bytes into a syntax tree, the way Python itself would read it."""

from __future__ import annotations

import ast
import codecs
import re
import unicodedata
import warnings
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING

from upnext_codegen.reading.nesting_limit import is_too_deep

if TYPE_CHECKING:
    from collections.abc import Collection

    from upnext_codegen.reading.downlevel import DownlevelParameter

_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BLANK = re.compile(rb"^[ \t\f]*(?:[#\r\n]|$)")
_LINE_END = re.compile(r"\r\n|\r|\n")
_WORD = re.compile(r"[0-9A-Za-z_\x80-\U0010ffff]+")
_MANY_WORDS = 50
"""Words searched for in a whole text, or as much of it in parts, above which it is looked through once for all."""
_BOM = b"\xef\xbb\xbf"
_OF_DOMAIN_NAMES = frozenset({"punycode", "idna"})
"""Codecs that take the square of the time that a text is long; no editor writes files in them."""
_UNREAD = (("UTF-32", (b"\xff\xfe\0\0", b"\0\0\xfe\xff")), ("UTF-16", (b"\xff\xfe", b"\xfe\xff")))
"""Encodings of which Python reads no sources, by the marks that files in them begin with."""
LARGEST = 32 * 1024 * 1024
"""Bytes above which a file is not parsed; a tree takes up to forty times the memory of its text."""


class SourceError(Exception):
    """Raised when Python could not read a file: the reason, and the line and column (from 1) where it stops."""

    def __init__(self, reason: str, line: int = 1, column: int = 1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.column = column


@dataclass(slots=True)
class SourceText:
    """A file's text, with the positions of its lines.

    Attributes:
        text: All of it, without a byte order mark.
        lines: Its lines as Python counts them, without their ends.
    """

    text: str
    lines: list[str] = field(init=False)
    _searched: float = field(default=0, init=False, repr=False, compare=False)
    _words: dict[str, list[int]] = field(default_factory=dict[str, list[int]], init=False, repr=False, compare=False)
    _between: dict[tuple[int, int], frozenset[str]] = field(
        default_factory=dict[tuple[int, int], frozenset[str]], init=False, repr=False, compare=False
    )

    _attributes: dict[str, dict[str, list[int]]] = field(
        default_factory=dict[str, dict[str, list[int]]], init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        self.lines = _LINE_END.split(self.text) if "\r" in self.text else self.text.split("\n")

    def lines_with(self, words: Collection[str], first: int = 1, last: int | None = None) -> list[int]:
        """The numbers of the lines that contain one of these words, sorted; also in comments and strings.

        Args:
            words: The words, of letters, digits and underscores.
            first: The first line to look at.
            last: The last one; None for that of the file.
        """
        count = len(self.lines)
        last = count if last is None else min(last, count)
        self._searched += len(words) * (last - first + 1) / count
        if self._searched > _MANY_WORDS:
            places_of = self._lines_by_word()
            return sorted({line for word in words for line in _within(places_of.get(word, []), first, last)})
        text = self.text if (first, last) == (1, count) else "\n".join(self.lines[first - 1 : last])
        text = text if text.isascii() else unicodedata.normalize("NFKC", text)
        places: set[int] = set()
        for word in words:
            place = text.find(word)
            while place >= 0:
                end = place + len(word)
                if not _is_inside(text, place - 1) and not _is_inside(text, end):
                    places.add(place)
                    end = text.find("\n", end)
                place = text.find(word, end) if end >= 0 else -1
        found: list[int] = []
        line, position = first, 0
        for place in sorted(places):
            line += text.count("\n", position, place)
            position = place
            if not found or found[-1] != line:
                found.append(line)
        return found

    def attributes_of(self, name: str) -> dict[str, list[int]]:
        """What is taken from a name, as in `name.attribute`, each with its lines; "" for the name alone.

        As by `lines_with`, comments and strings are looked at, too. What stands behind the end of a line is not seen.
        An attribute of that name is something else.
        """
        found = self._attributes.get(name)
        if found is None:
            found = self._attributes[name] = {}
            mention = re.compile(rf"(?<![\w.]){re.escape(name)}(?!\w)(?:\s*\.\s*(\w+))?")
            for line in self.lines_with((name,)):
                text = self.lines[line - 1]
                text = text if text.isascii() else unicodedata.normalize("NFKC", text)
                for attribute in dict.fromkeys(mention.findall(text)):
                    found.setdefault(attribute, []).append(line)
        return found

    def words_between(self, first: int, last: int) -> frozenset[str]:
        """The words in these lines; also in comments and strings."""
        found = self._between.get((first, last))
        if found is None:
            text = "\n".join(self.lines[first - 1 : last])
            text = text if text.isascii() else unicodedata.normalize("NFKC", text)
            found = self._between[first, last] = frozenset(_WORD.findall(text))
        return found

    def _lines_by_word(self) -> dict[str, list[int]]:
        """Index the text once by all of its words, which pays off if many are looked up."""
        if not self._words:
            text = self.text if self.text.isascii() else unicodedata.normalize("NFKC", self.text)
            for line, content in enumerate(text.split("\n"), 1):
                for word in dict.fromkeys(_WORD.findall(content)):
                    self._words.setdefault(word, []).append(line)
        return self._words

    def column(self, line: int, offset: int) -> int:
        """The column from 1, in characters, of a byte offset in a line, as in `ast`."""
        content = self.lines[line - 1] if line <= len(self.lines) else ""
        if content.isascii():
            return offset + 1
        return len(content.encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "replace")) + 1


def _within(lines: list[int], first: int, last: int) -> list[int]:
    """Those of some sorted numbers that are between two."""
    return lines[bisect_left(lines, first) : bisect_right(lines, last)]


def _is_inside(text: str, place: int) -> bool:
    """Whether a character belongs to a word."""
    return 0 <= place < len(text) and (text[place].isalnum() or text[place] == "_" or not text[place].isascii())


def tree_of(data: bytes) -> tuple[SourceText, ast.Module]:
    """Decode and parse a file; its line ends are normalised like the parser's, so that line numbers agree.

    Raises:
        SourceError: Python could not read it, or it is too large to try.
    """
    text = _text_of(data)
    return text, parse(text)


def check_syntax(data: bytes) -> None:
    """Check whether Python could run a file, which is faster than parsing it into a tree.

    Raises:
        SourceError: It could not, or the file is too large to try.
    """
    text = _text_of(data)
    if not compiles(text):
        parse(text)


def compiles(text: SourceText) -> bool:
    """Check whether Python could run a text: its compiler refuses some that its parser accepts.

    Returns:
        False where the syntax may be newer than this Python.

    Raises:
        SourceError: It could not: two parameters have one name, or a `break` is in no loop.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text.text, "<source>", "exec", dont_inherit=True, optimize=0)
    except SyntaxError as error:
        if _is_parsed(text.text):
            raise _fault(error, text) from error
        return False
    except (RecursionError, MemoryError, SystemError, OverflowError) as error:
        raise SourceError("it is nested too deeply for Python's parser") from error
    except ValueError as error:
        raise SourceError(str(error)) from error
    return True


def _is_parsed(text: str) -> bool:
    try:
        _parsed(text)
    except SyntaxError:
        return False
    return True


def _text_of(data: bytes) -> SourceText:
    if len(data) > LARGEST:
        raise SourceError(f"it is larger than {LARGEST // (1024 * 1024)} MB")
    text = SourceText(decode(data))
    if "\r" in text.text:
        text.text = "\n".join(text.lines)
    return text


def decode(data: bytes) -> str:
    """Decode a file as Python does: byte order mark, PEP 263 comment, else UTF-8.

    Raises:
        SourceError: It is in another encoding, or in one that is not read, or holds a NUL.
    """
    for unread, marks in _UNREAD:
        if data.startswith(marks):
            raise SourceError(f"it is {unread}, and Python reads no {unread} sources")
    body = data.removeprefix(_BOM)
    encoding = _declared(body)
    if encoding is not None and body is not data and _plain(encoding) not in {"utf-8", "utf8", "utf-8-sig"}:
        raise SourceError(f"it has a UTF-8 byte order mark and declares the encoding {encoding}")
    try:
        if encoding is not None and codecs.lookup(encoding).name in _OF_DOMAIN_NAMES:
            raise SourceError(f"it declares the encoding {encoding}, which is for domain names and not read here")
        text = body.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        line, column = _place(body, error.start, encoding or "utf-8")
        raise SourceError(f"it is not {encoding or 'UTF-8'} here", line, column) from error
    except (LookupError, UnicodeError, TypeError, ValueError) as error:
        raise SourceError(f"it declares the unknown encoding {encoding}") from error
    nul = text.find("\0")
    if nul >= 0:
        lines = _LINE_END.split(text[:nul])
        raise SourceError("it holds a NUL here", len(lines), len(lines[-1]) + 1)
    return text


def parse(text: SourceText) -> ast.Module:
    """Parse a text; syntax that is too new for this Python is first rewritten in place.

    Raises:
        SourceError: No Python could parse it.
    """
    try:
        return _parsed(text.text)
    except SyntaxError as error:
        downleveled = _downleveled(text, error.lineno or 1)
        if downleveled is not None:
            return downleveled
        raise _fault(error, text) from error
    except (RecursionError, MemoryError, SystemError, OverflowError) as error:
        raise SourceError("it is nested too deeply for Python's parser") from error
    except ValueError as error:
        raise SourceError(str(error)) from error


def _downleveled(text: SourceText, line: int) -> ast.Module | None:
    if is_too_deep(text.text):
        return None
    # Loaded here because it takes a quarter of a second, and few files need it.
    try:
        from upnext_codegen.reading.downlevel import downlevel  # noqa: PLC0415

        downleveled = downlevel(text.text, line)
    except ImportError:
        return None  # There is no libcst for this Python: code that it cannot parse is then a finding.
    if downleveled is None:
        return None
    try:
        return _with_type_parameters(_parsed(downleveled.text), downleveled.type_parameters)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _parsed(text: str) -> ast.Module:
    with warnings.catch_warnings():
        # Doubtful escapes and the like are for the user's own linter to report.
        warnings.simplefilter("ignore")
        return ast.parse(text)


def _with_type_parameters(tree: ast.Module, found: dict[tuple[str, int], tuple[DownlevelParameter, ...]]) -> ast.Module:
    """Put type parameters where newer Pythons have them."""
    for node in ast.walk(tree) if found else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            key = (node.name, node.lineno)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            key = (node.targets[0].id, node.lineno)
        else:
            continue
        if key not in found:
            continue
        parameters = [
            SimpleNamespace(name=name, bound=_expression(bound), default_value=_expression(default))
            for name, bound, default in found[key]
        ]
        setattr(node, "type_params", parameters)  # noqa: B010 - older Pythons have no such attribute to assign
    return tree


def _expression(text: str | None) -> ast.expr | None:
    return None if text is None else ast.parse(f"({text})", mode="eval").body


def _fault(error: SyntaxError, text: SourceText) -> SourceError:
    line = max(error.lineno or 1, 1)
    column = max(error.offset or 1, 1)
    if line > len(text.lines):
        line, column = len(text.lines), 1
    return SourceError(error.msg, line, column)


def _declared(body: bytes) -> str | None:
    """The encoding declared by a comment on one of the first two lines."""
    for line in re.split(rb"\r\n|\r|\n", body[:2000], maxsplit=2)[:2]:
        found = _COOKIE.match(line)
        if found:
            return found[1].decode("ascii", "replace")
        if not _BLANK.match(line):
            return None
    return None


def _plain(encoding: str) -> str:
    return encoding.lower().replace("_", "-")


def _place(body: bytes, start: int, encoding: str) -> tuple[int, int]:
    lines = re.split(rb"\r\n|\r|\n", body[:start])
    return len(lines), len(lines[-1].decode(encoding, "replace")) + 1
