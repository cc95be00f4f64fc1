"""Compares the sources with what is deployed: published contracts, and waiting jobs."""
