"""Turns one file's source text into facts: the bindings, classes, calls and functions that matter."""
