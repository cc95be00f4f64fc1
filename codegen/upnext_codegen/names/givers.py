"""Functions of Python that return what somebody else made, or something that holds it: it may well be ours."""

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

GIVE_ANYTHING = frozenset(f"{module}.{name}" for module, names in _LISTS.items() for name in names.split())
"""By their full names."""
