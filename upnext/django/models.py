"""The tables of the outbox, created by `manage.py migrate`."""

from __future__ import annotations

from django.db import models

from upnext.outbox.row import MAX_ORDER_KEY


class OutboxRow(models.Model):
    """A send, from the transaction in which it is written until a relay has sent it."""

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    event_id: models.CharField[str, str] = models.CharField(max_length=40, unique=True)
    name: models.CharField[str, str] = models.CharField(max_length=700)
    is_task: models.BooleanField[bool, bool] = models.BooleanField()
    body: models.TextField[str, str] = models.TextField()
    headers: models.TextField[str, str] = models.TextField()
    key: models.CharField[str, str] = models.CharField(max_length=200)
    due_at: models.FloatField[float | None, float | None] = models.FloatField(null=True)
    ordered_by: models.CharField[str | None, str | None] = models.CharField(max_length=MAX_ORDER_KEY, null=True)  # noqa: DJ001  # no order is not the order ""
    attempts: models.IntegerField[int, int] = models.IntegerField(default=0)
    available_at: models.FloatField[float, float] = models.FloatField(default=0.0)
    error: models.TextField[str, str] = models.TextField(default="")

    class Meta:
        """The table."""

        db_table = "upnext_outbox"
        indexes = (models.Index(fields=["ordered_by", "id"], name="upnext_outbox_ordered_by"),)

    def __str__(self) -> str:
        """Show the send."""
        return f"{self.name} ({self.event_id})"


class OutboxLock(models.Model):
    """The one row that a relay writes first when it claims others, so that no two do at once."""

    id: models.IntegerField[int, int] = models.IntegerField(primary_key=True)

    class Meta:
        """The table."""

        db_table = "upnext_outbox_lock"

    def __str__(self) -> str:
        """Show its purpose."""
        return "the relays' lock"
