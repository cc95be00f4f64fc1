"""Contracts in open formats, for programs in other languages."""
