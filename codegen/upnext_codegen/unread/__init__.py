"""Modules that are not read although the sources lead to them: UPN005 and UPN006."""
