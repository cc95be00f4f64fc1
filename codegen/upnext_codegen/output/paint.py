"""Colour for terminals that support it."""

from __future__ import annotations

from dataclasses import dataclass

_CODES = {"error": "1;31", "warning": "1;33", "help": "36", "bold": "1", "faint": "2"}


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours text, or leaves it plain.

    Attributes:
        colour: Whether the reader is a terminal that wants colour.
    """

    colour: bool = False

    def __call__(self, style: str, text: str) -> str:
        """Return the text in a style: "error", "warning", "help", "bold" or "faint"."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.colour and text else text
