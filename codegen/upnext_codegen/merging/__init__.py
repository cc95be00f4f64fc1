"""Merges all handlers of an event into one contract, or into a finding that says why there is none."""
