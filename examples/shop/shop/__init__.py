"""A small shop: orders come in over HTTP, and its parts react to what happened."""
