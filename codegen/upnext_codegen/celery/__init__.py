"""Celery tasks: found in the sources, and checked where they are called. No other component knows of them."""
