"""Findings that have one right answer, and the change to the sources that gives it."""

FIXABLE = frozenset({"UPN003", "UPN102", "UPN103", "UPN108"})
"""Codes of findings that may have a fix; who has none of them does without libcst, which takes long to import."""
