"""A function uses several connections: one row of its own, and one for each of them."""

import django.db.models.deletion
from django.db import migrations, models


def take_together(apps, schema_editor):
    """Rows of one name and integration become the uses of the first of them."""
    functions, uses = _tables(apps)
    first = {}
    for function in functions.order_by("pk"):
        kept = first.setdefault((function.integration_id, function.name), function)
        uses.create(function=kept, connection_id=function.connection_id)
        if kept is not function:
            function.delete()


def take_apart(apps, schema_editor):
    """A row for each use; a function without any goes, for it could not be told any more."""
    functions, uses = _tables(apps)
    for function in functions.order_by("pk"):
        theirs = list(uses.filter(function=function).order_by("pk"))
        if not theirs:
            function.delete()
        for number, use in enumerate(theirs):
            if number:
                function.pk = None
            function.connection_id = use.connection_id
            function.save()


def _tables(apps):
    return [apps.get_model("usage", name).objects for name in ("Function", "FunctionUse")]


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0001_initial"),
        ("usage", "0010_apps_and_functions_have_owners"),
    ]

    operations = [
        migrations.CreateModel(
            name="FunctionUse",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="function_uses",
                        to="connections.connection",
                    ),
                ),
                (
                    "function",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="uses",
                        to="usage.function",
                    ),
                ),
            ],
            options={
                "verbose_name": "function",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("function", "connection"), name="function_use_once"
                    )
                ],
            },
        ),
        migrations.RemoveConstraint("function", "function_once"),
        migrations.RemoveConstraint("function", "function_alone_once"),
        migrations.AlterField(
            "function",
            "connection",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="connections.connection",
            ),
        ),
        migrations.RunPython(take_together, take_apart),
    ]
