"""Sends that commit with a database transaction: written to a table, and delivered from there by a relay."""
