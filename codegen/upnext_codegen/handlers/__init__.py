"""Turns facts into handlers: declarations, decorators, signatures, and types in annotations."""
