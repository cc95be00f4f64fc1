"""`# upnext: ignore[...]` comments."""

from __future__ import annotations

import io
import re
import tokenize

# Unclosed brackets and longer words are not such comments: they would silence everything by mistake.
_COMMENT = re.compile(r"#\s*upnext:\s*ignore(?:\s*\[([^\]]*)\]|(?![\w-]|\s*\[))")


def find_ignores(text: str) -> tuple[tuple[int, tuple[str, ...] | None], ...]:
    """Find the lines with an ignore comment, and their codes (None for all)."""
    if "upnext" not in text or not _COMMENT.search(text):
        return ()
    found: list[tuple[int, tuple[str, ...] | None]] = []
    for line, comment in _comments(text):
        codes = [match[1] for match in _COMMENT.finditer(comment)]
        if None in codes:
            found.append((line, None))
        elif codes:
            found.append((line, tuple(re.findall(r"\w+", " ".join(codes)))))
    return tuple(found)


def _comments(text: str) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    try:
        # One at a time: whatever precedes an error still counts.
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                found.append((token.start[0], token.string))  # noqa: PERF401
    except (tokenize.TokenError, SyntaxError):
        # Syntax newer than this Python: what follows is read line by line.
        seen = found[-1][0] if found else 0
        rows = text.split("\n")
        found += [(line, row) for line, row in enumerate(rows, 1) if line > seen and "#" in row]
    return found
