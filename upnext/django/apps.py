"""The Django application: what runs when Django starts."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules

from upnext.django.connections import look_after_connections

HANDLERS = "handlers"
"""The module of each application that is imported at the start."""


class UpnextConfig(AppConfig):
    """Imports the `handlers` module of every application, and manages connections around jobs."""

    name = "upnext.django"
    label = "upnext"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Start: from now on senders know the handlers, and workers run them."""
        autodiscover_modules(HANDLERS)
        look_after_connections()
