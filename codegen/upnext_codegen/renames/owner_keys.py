"""Keys of `owner` in `[tool.upnext]` that name a renamed event."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from upnext_codegen.layout.pyproject import NAME, read
from upnext_codegen.layout.settings import settings_in
from upnext_codegen.owners import owning_pattern
from upnext_codegen.records import Place
from upnext_codegen.renames.plan import Undecided

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def lost_owner(root: Path, old: str, new: str) -> Iterator[Undecided]:
    """Yield the key of an event's owner, if it would no longer match the new name."""
    patterns = settings_in(read(root)).owner
    before, after = owning_pattern(old, patterns), owning_pattern(new, patterns)
    if before is not None and (after is None or after[1] != before[1]):
        pattern, owner = before
        reason = f"{new!r} does not belong to {owner} by this, as {old!r} does: if it is to, change it by hand"
        yield Undecided(_place_of(pattern, root), reason)


def _place_of(pattern: str, root: Path) -> Place:
    """Return the place of a key in pyproject.toml; its beginning if the key is written in another way."""
    text = (root / NAME).read_text(encoding="utf-8-sig")
    key = re.escape(pattern)
    found = re.compile(rf"""(?:(["']){key}\1|(?<![\w"'-]){key})\s*=""").search(text, max(text.find("owner"), 0))
    if found is None:
        return Place(NAME, 1, 1)
    above = text[: found.start()]
    return Place(NAME, above.count("\n") + 1, len(above) - above.rfind("\n"))
