"""pytest fixtures for applications that send events: recorded sends, handlers run inline, real workers.

`upnext_contracts` needs hypothesis, and is imported from `upnext_pytest.contracts`. Names are loaded on first use,
because every pytest run loads the plugin and few of them use it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upnext_pytest.sends import Sends as Sends
    from upnext_pytest.sends import Sent as Sent
    from upnext_pytest.workers import RunWorkers as RunWorkers
    from upnext_pytest.workers import Workers as Workers

__all__ = ["RunWorkers", "Sends", "Sent", "Workers"]

_HOME_OF = {
    "RunWorkers": "upnext_pytest.workers",
    "Sends": "upnext_pytest.sends",
    "Sent": "upnext_pytest.sends",
    "Workers": "upnext_pytest.workers",
}

if not TYPE_CHECKING:  # for a checker a module with this function has every name, misspelt or not

    def __getattr__(name: str) -> object:
        """Load a public name from the module that defines it."""
        if name not in _HOME_OF:
            msg = f"module 'upnext_pytest' has no attribute {name!r}"
            raise AttributeError(msg)
        return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
