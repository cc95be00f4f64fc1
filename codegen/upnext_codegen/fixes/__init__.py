"""Findings that have one right answer, and the change to the sources that gives it."""
