"""The only way to the server: what is stored there, how it moves, and how failures are reported."""
