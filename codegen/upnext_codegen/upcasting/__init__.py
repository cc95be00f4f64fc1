"""Upcasters: what they take and give, what they bridge, and where they lead nowhere."""
