"""Sends that commit with a transaction of the user's database: written to a table there, sent from it by a relay."""
