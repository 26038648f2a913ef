"""One row of settings per environment by a constraint without a condition, which an upsert can name.

Rows for all environments have none, and nulls differ: for them nothing changes.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("connections", "0016_who_connected")]

    operations = [
        migrations.RemoveConstraint("settings", name="settings_per_environment"),
        migrations.AddConstraint(
            "settings",
            models.UniqueConstraint(
                fields=["connection", "environment"], name="settings_per_environment"
            ),
        ),
    ]
