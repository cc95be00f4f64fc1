"""The mypy plugin: `plugins = ["upnext_mypy"]`."""

from __future__ import annotations

try:
    import mypy as mypy
except ImportError as error:
    from upnext.errors import ConfigError

    raise ConfigError("upnext_mypy needs mypy: install upnext[mypy].") from error

from upnext_mypy.plugin import plugin
from upnext_mypy.version import version

__all__ = ["plugin"]


def __getattr__(name: str) -> str:
    """Give `__version__`, which mypy reads when it has constructed the plugin."""
    if name == "__version__":
        return version()
    raise AttributeError(name)
