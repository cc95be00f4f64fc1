"""Recognises Git LFS pointers, which a checkout contains where the real files were not fetched."""

from __future__ import annotations

POINTER = "a pointer of Git LFS in place of the file"
"""What messages call one."""


def is_pointer(text: str) -> bool:
    """Return whether a text is what Git LFS leaves in place of a file."""
    return text.startswith("version https://git-lfs.github.com/spec/")
