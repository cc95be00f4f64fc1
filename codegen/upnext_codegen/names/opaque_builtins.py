"""Built-in functions that return their argument, or something that holds it, and so possibly an upnext object."""

from __future__ import annotations

_LISTS = {
    "builtins": """
        __import__ dict eval filter frozenset getattr globals iter list locals map max min next reversed set sorted
        tuple vars zip
    """,
    "collections": "ChainMap OrderedDict defaultdict deque",
    "copy": "copy deepcopy",
    "django.utils.module_loading": "import_string",
    "functools": "reduce",
    "importlib": "__import__ import_module",
    "importlib.metadata": "EntryPoint",
    "importlib.util": "module_from_spec",
    "inspect": "getattr_static getmembers getmembers_static",
    "operator": "attrgetter call itemgetter methodcaller",
    "pkgutil": "resolve_name",
    "pydoc": "locate",
    "runpy": "run_module run_path",
    "types": "SimpleNamespace",
    "weakref": "proxy ref",
    "werkzeug.utils": "import_string",
}

OPAQUE = frozenset(f"{module}.{name}" for module, names in _LISTS.items() for name in names.split())
"""By their full names."""
