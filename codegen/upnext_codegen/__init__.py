"""Reads a project's event handlers as source text and writes its catalog; never imports the project."""
