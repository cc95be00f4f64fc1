"""The names of classes in the stub: `order.placed` becomes `OrderPlaced`.

A name depends only on its own event, so adding an event elsewhere renames nothing. Events that would share a name
(`order.placed` and `order_placed`) are told apart, each by a part of its own hash.
"""

from __future__ import annotations

import hashlib
import keyword
import re
from collections import Counter
from collections.abc import Iterable

SUFFIXES = ("Send", "Handler", "On", "Worker", "Results", "Payload")
"""What the other classes of an event, those of workers, and those of other projects' payloads end with; no event's own
class may."""

_WORD = re.compile(r"[^A-Za-z0-9]+")
_TAKEN = frozenset({"Catalog"})


def class_names(events: Iterable[str]) -> dict[str, str]:
    """Name a class for each event."""
    plain = {event: class_name(event) for event in events}
    count = Counter(plain.values())
    return {event: name if count[name] == 1 else f"{name}_{digest(event)}" for event, name in plain.items()}


def class_name(event: str) -> str:
    """Name the class of an event regardless of other events."""
    words = [word for word in _WORD.split(event) if word]
    name = "".join(word[0].upper() + word[1:] for word in words)
    if not name or name[0].isdigit() or keyword.iskeyword(name) or name in _TAKEN or name.endswith(SUFFIXES):
        return f"Event{name}" if name[:1].isdigit() else f"{name}Event"
    return name


def digest(text: str) -> str:
    """Return a short text that distinguishes the name from equal ones."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def module_aliases(modules: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """Name each imported module so that neither a class of the stub nor another module can have that name.

    Args:
        modules: Full names.
        taken: The stub's own private names.
    """
    plain = {module: "_" + module.replace(".", "_") for module in modules}
    count = Counter(plain.values())
    used = frozenset(taken)
    return {
        module: alias if count[alias] == 1 and alias not in used else f"{alias}_{digest(module)}"
        for module, alias in plain.items()
    }
