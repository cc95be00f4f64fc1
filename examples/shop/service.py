"""Everything that `upnext run service.py` runs: the worker with all its handlers, and the API."""

from shop import accounts, analytics, billing, email, inventory
from shop.api import api
from shop.events import worker

__all__ = ["accounts", "analytics", "api", "billing", "email", "inventory", "worker"]
