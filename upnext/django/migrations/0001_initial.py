"""The tables of the outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import migrations, models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    """Creates both tables."""

    initial: ClassVar[bool | None] = True
    dependencies: ClassVar[Sequence[tuple[str, str]]] = ()
    operations: ClassVar[Sequence[Operation]] = (
        migrations.CreateModel(
            name="OutboxLock",
            fields=[("id", models.IntegerField(primary_key=True, serialize=False))],
            options={"db_table": "upnext_outbox_lock"},
        ),
        migrations.CreateModel(
            name="OutboxRow",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("event_id", models.CharField(max_length=40, unique=True)),
                ("name", models.CharField(max_length=700)),
                ("is_task", models.BooleanField()),
                ("body", models.TextField()),
                ("headers", models.TextField()),
                ("key", models.CharField(max_length=200)),
                ("due_at", models.FloatField(null=True)),
                ("ordered_by", models.CharField(max_length=200, null=True)),
                ("attempts", models.IntegerField(default=0)),
                ("available_at", models.FloatField(default=0.0)),
                ("error", models.TextField(default="")),
            ],
            options={
                "db_table": "upnext_outbox",
                "indexes": [models.Index(fields=["ordered_by", "id"], name="upnext_outbox_ordered_by")],
            },
        ),
    )
