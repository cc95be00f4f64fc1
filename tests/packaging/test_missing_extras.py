"""Integrations whose extra is not installed say which one it is."""

from __future__ import annotations

import subprocess
import sys

NEEDS = {
    "upnext.api": ("fastapi", "upnext.Api needs FastAPI and uvicorn: install upnext[api]."),
    "upnext.sqlalchemy": ("sqlalchemy", "upnext.sqlalchemy needs SQLAlchemy 2: install upnext[sqlalchemy]."),
    "upnext.django": ("django", "upnext.django needs Django: install upnext[django]."),
    "upnext.django.tasks": ("django", "upnext.django needs Django: install upnext[django]."),
    "upnext_mypy": ("mypy", "upnext_mypy needs mypy: install upnext[mypy]."),
}
_SCRIPT = f"""
import importlib, sys
for module, (missing, said) in {NEEDS!r}.items():
    sys.modules[missing] = None
    try:
        importlib.import_module(module)
    except Exception as error:
        print(module, type(error).__name__, error)
    else:
        print(module, "imported")
"""


def test_a_missing_extra_is_named() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{module} ConfigError {said}" for module, (_, said) in NEEDS.items()]
