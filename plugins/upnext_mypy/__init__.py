"""The mypy plugin: `plugins = ["upnext_mypy"]`."""

from __future__ import annotations

from upnext_mypy.plugin import plugin

__all__ = ["plugin"]
