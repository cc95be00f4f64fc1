"""Writes contracts to the generated files."""
