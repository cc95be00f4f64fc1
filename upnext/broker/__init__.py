"""The one door to the server: what is stored there, how it moves, and how its failures are told."""
