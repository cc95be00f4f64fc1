"""Resolves names across modules without importing any."""
