from uuid import uuid4

from django.db import migrations

MODELS = ("savedview",)


def give_each_one(apps, schema_editor):
    for name in MODELS:
        rows = apps.get_model("connections", name)._base_manager.filter(public_id=None)
        for pk in rows.values_list("pk", flat=True):
            rows.filter(pk=pk).update(public_id=uuid4())


class Migration(migrations.Migration):
    dependencies = [("connections", "0019_public_ids")]

    # On the way back the columns go, and with them what was given.
    operations = [migrations.RunPython(give_each_one, migrations.RunPython.noop)]
