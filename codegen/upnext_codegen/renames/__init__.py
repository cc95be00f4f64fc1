"""Renames: what they change in the sources, and what has to be decided by hand."""
