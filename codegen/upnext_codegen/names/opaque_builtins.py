"""Functions of Python that return what they are given, or what holds it: it may well be an upnext object."""

from __future__ import annotations

_LISTS = {
    "builtins": """
        __import__ dict eval filter frozenset getattr globals iter list locals map max min next reversed set sorted
        tuple vars zip
    """,
    "collections": "ChainMap OrderedDict defaultdict deque",
    "copy": "copy deepcopy",
    "importlib": "import_module",
    "types": "SimpleNamespace",
    "weakref": "proxy",
}

OPAQUE = frozenset(f"{module}.{name}" for module, names in _LISTS.items() for name in names.split())
"""By their full names."""
