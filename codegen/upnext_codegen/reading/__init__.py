"""One file's source text to facts: bindings, classes, calls and functions that matter."""
