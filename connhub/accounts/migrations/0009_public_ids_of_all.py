from uuid import uuid4

from django.db import migrations

MODELS = (
    "user",
    "invitation",
)


def give_each_one(apps, schema_editor):
    for name in MODELS:
        rows = apps.get_model("accounts", name)._base_manager.filter(public_id=None)
        for pk in rows.values_list("pk", flat=True):
            rows.filter(pk=pk).update(public_id=uuid4())

    ids = apps.get_model("accounts", "TeamId").objects
    for pk in apps.get_model("auth", "Group").objects.values_list("pk", flat=True):
        ids.create(group_id=pk)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_public_ids")]

    # On the way back the columns go, and with them what was given.
    operations = [migrations.RunPython(give_each_one, migrations.RunPython.noop)]
