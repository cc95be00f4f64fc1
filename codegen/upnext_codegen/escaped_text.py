"""Escapes text for Python literals and for terminals: whatever is not printable is escaped."""

from __future__ import annotations


def quote(text: str, *, ascii_only: bool = False) -> str:
    """Write text as a double-quoted Python string literal.

    Everything that a terminal or an editor would not show as itself is escaped: control characters, line separators,
    marks that turn the direction of writing, lone surrogates.
    """
    if text.isprintable() and (text.isascii() or not ascii_only):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return '"' + "".join(_escaped(char, ascii_only=ascii_only) for char in text) + '"'


def visible(text: str) -> str:
    """Return text that is safe on a terminal: whatever is not printable is escaped."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char, ascii_only=False) for char in text)


def _escaped(char: str, *, ascii_only: bool) -> str:
    if char in '"\\':
        return "\\" + char
    if char.isascii() and char.isprintable():
        return char
    if not ascii_only and char.isprintable():
        return char
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(char) or _numbered(ord(char))


def _numbered(point: int) -> str:
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
