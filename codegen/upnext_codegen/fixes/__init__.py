"""Automatic fixes for findings that have exactly one right answer."""
