from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("usage", "0011_functions_use_connections")]

    operations = [
        migrations.RemoveField("function", "connection"),
        migrations.AddField(
            "function",
            "connections",
            models.ManyToManyField(
                related_name="functions", through="usage.FunctionUse", to="connections.connection"
            ),
        ),
        migrations.AddConstraint(
            "function",
            models.UniqueConstraint(fields=("integration", "name"), name="function_once"),
        ),
        migrations.AddConstraint(
            "function",
            models.UniqueConstraint(
                condition=models.Q(("integration", None)),
                fields=("name",),
                name="function_alone_once",
            ),
        ),
    ]
