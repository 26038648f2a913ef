from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_event_kind_and_indexes")]

    operations = [
        migrations.CreateModel(
            name="Position",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=500, unique=True)),
                ("sequence", models.BigIntegerField(default=0)),
                ("holder", models.UUIDField(null=True)),
                ("held_until", models.DateTimeField()),
            ],
            options={"default_permissions": ()},
        )
    ]
