"""Facts to handlers: declarations, decorators, signatures and the types in annotations."""
