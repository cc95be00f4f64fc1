"""Names in the stub for imported things: private, so that they cannot collide with names of the project."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping

from upnext_codegen.catalog.class_names import module_aliases
from upnext_codegen.types import AnyType, Type
from upnext_codegen.types.traversal import classes_in, walk

CATALOG = "upnext_catalog"
"""The module of the classes that the stub defines for types, wherever it stands."""

ALWAYS = {
    "_Literal": "from typing import Literal as _Literal",
    "_upnext_event": "import upnext.event as _upnext_event",
}
ANY = {"_Any": "from typing import Any as _Any"}
OVERLOADED = {"_overload": "from typing import overload as _overload"}
TYPED = {
    "_Callable": "from collections.abc import Callable as _Callable",
    "_Generic": "from typing import Generic as _Generic",
    "_ParamSpec": "from typing import ParamSpec as _ParamSpec",
    "_TypeVar": "from typing import TypeVar as _TypeVar",
    "_TypedDict": "from typing import TypedDict as _TypedDict",
    "_moment": "from datetime import datetime as _moment",
    "_timedelta": "from datetime import timedelta as _timedelta",
    "_upnext_options": "import upnext.options as _upnext_options",
    "_upnext_receipt": "import upnext.receipt as _upnext_receipt",
}
PAYLOADS = {"_NotRequired": "from typing import NotRequired as _NotRequired"}
WORKERS = {
    "_Protocol": "from typing import Protocol as _Protocol",
    "_Self": "from typing_extensions import Self as _Self",
    "_upnext_worker": "import upnext.worker as _upnext_worker",
}
MODULE = {
    "_upnext_worker": WORKERS["_upnext_worker"],
}
_DEFINED = ("_P", "_Q", "_R", "_E_co", "_R_co", "_T", "_T_co", "_Sends", "_Sender", "_Event", "_Handler", "_On")
OWN = frozenset({*ALWAYS, *ANY, *OVERLOADED, *TYPED, *PAYLOADS, *WORKERS, *_DEFINED})
"""Every private name that the stub may use for itself."""

_SPECIAL = frozenset({"Any", "Literal"})


class StubNames:
    """Names for the classes of one stub.

    Args:
        types: Every type that the stub writes.
        shared: What modules are imported as that types name otherwise.
    """

    def __init__(self, types: Iterable[Type], shared: Mapping[str, str]) -> None:
        written = tuple(types)
        modules = {module for item in written for module in modules_of(item)}
        self._imported = {module: shared.get(module, module) for module in modules}
        self._aliases = module_aliases(set(self._imported.values()), OWN)
        self.uses_any = any(isinstance(part, AnyType) for item in written for part in walk(item))

    def imports(self) -> dict[str, str]:
        """Return an import line for each alias."""
        return {alias: f"import {module} as {alias}" for module, alias in self._aliases.items()}

    def __call__(self, module: str, qualname: str) -> str:
        """Name one class."""
        if module == "typing" and qualname in _SPECIAL:
            return f"_{qualname}"
        return qualname if _is_plain(module, qualname) else f"{self._aliases[self._imported[module]]}.{qualname}"


def modules_of(written: Type) -> frozenset[str]:
    """Return the modules needed to write a type, without the built-in ones."""
    return frozenset(owner.module for owner in classes_in(written) if not _is_plain(owner.module, owner.qualname))


def _is_plain(module: str, qualname: str) -> bool:
    if module == CATALOG:
        return True
    if module == "typing":
        return qualname in _SPECIAL
    # Classes of the stub start with a capital; a built-in that does too, like `Exception`, is qualified by its module.
    return module == "builtins" and (qualname == "None" or (qualname.islower() and hasattr(builtins, qualname)))
