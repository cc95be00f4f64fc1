"""Contracts to the generated files, and onto the disk."""
