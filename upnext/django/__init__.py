"""Django: sends that commit with its transactions, handlers that are found, and connections that stay sound.

Put "upnext.django" into `INSTALLED_APPS`.
"""

from __future__ import annotations

from upnext.django.outbox import outbox, relay

__all__ = ["outbox", "relay"]
