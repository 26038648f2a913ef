import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("services", "0003_service_admins"),
    ]

    operations = [
        migrations.CreateModel(
            name="Operation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("method", models.CharField(max_length=7)),
                ("path", models.CharField(max_length=300)),
                ("summary", models.CharField(blank=True, max_length=200)),
                ("operation_id", models.CharField(blank=True, max_length=100)),
                (
                    "service",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="operations",
                        to="services.service",
                    ),
                ),
            ],
            options={
                "ordering": ["path", "method"],
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("service", "method", "path"), name="operation_once"
                    )
                ],
            },
        ),
    ]
