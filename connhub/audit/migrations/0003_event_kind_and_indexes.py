"""Each filter of the audit log gets an index that ends in the log's order; actions get a group."""

from django.db import migrations, models
from django.db.models import F, Value
from django.db.models.functions import StrIndex, Substr

from connhub.audit import append_only


def remove_triggers(apps, schema_editor):
    append_only.remove(schema_editor.connection)


def install_triggers(apps, schema_editor):
    append_only.install(schema_editor.connection)


def set_kinds(apps, schema_editor):
    """No column that the chain's MACs cover."""
    dot = StrIndex(F("action"), Value("."))
    events = apps.get_model("audit", "Event").objects
    events.filter(action__contains=".").update(kind=Substr("action", 1, dot - 1))
    events.exclude(action__contains=".").update(kind=Substr("action", 1, 30))


def index(name, *fields):
    return migrations.AddIndex("event", models.Index(fields=fields, name=f"event_by_{name}"))


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_append_only")]
    # The triggers stand aside only while this commits as a whole.
    atomic = True

    operations = [
        migrations.RunPython(remove_triggers, install_triggers),
        migrations.RemoveIndex("event", "audit_event_object__f084ad_idx"),
        migrations.RemoveIndex("event", "audit_event_actor_t_8fcf30_idx"),
        migrations.RemoveIndex("event", "audit_event_action_c5314a_idx"),
        migrations.AlterModelOptions(
            "event", {"default_permissions": (), "ordering": ["-at", "-sequence"]}
        ),
        migrations.AlterField(
            "event",
            "sequence",
            models.BigIntegerField("number", primary_key=True, serialize=False),
        ),
        migrations.AddField(
            "event", "kind", models.CharField(default="", max_length=30), preserve_default=False
        ),
        migrations.RunPython(set_kinds, migrations.RunPython.noop),
        index("time", "at", "sequence"),
        index("object", "object_type", "object_id", "at", "sequence"),
        index("actor", "actor_type", "actor_id", "at", "sequence"),
        index("kind", "kind", "at", "sequence"),
        index("action", "action", "at", "sequence"),
        index("outcome", "outcome", "at", "sequence"),
        index("request", "request_id"),
        migrations.RunPython(install_triggers, remove_triggers),
    ]
