"""Django support: sends that commit with transactions, handler discovery, and healthy database connections.

Put "upnext.django" into `INSTALLED_APPS`.
"""

from __future__ import annotations

from upnext.errors import ConfigError

try:
    import django as django  # the modules below need it, and asgiref, which comes with it
except ImportError as error:
    raise ConfigError("upnext.django needs Django: install upnext[django].") from error

from upnext.django.outbox import outbox, relay

__all__ = ["outbox", "relay"]
