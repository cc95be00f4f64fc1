"""Errors that stop a run: nothing is written, and the command exits with 2."""

from __future__ import annotations


class ConfigurationError(Exception):
    """Raised when a setting of the project is invalid; the message names it and the alternatives."""
