from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0010_rotation"),
    ]

    operations = [
        migrations.AddField(
            model_name="credential",
            name="ends_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name="credential",
            index=models.Index(
                condition=models.Q(("expires_at__isnull", False), ("renewable", False)),
                fields=["expires_at"],
                name="grants_by_end",
            ),
        ),
        migrations.AddIndex(
            model_name="credential",
            index=models.Index(
                condition=models.Q(("ends_at__isnull", False)),
                fields=["ends_at"],
                name="secrets_by_end",
            ),
        ),
        migrations.AddIndex(
            model_name="credential",
            index=models.Index(
                condition=models.Q(("certificate_ends_at__isnull", False)),
                fields=["certificate_ends_at"],
                name="certificates_by_end",
            ),
        ),
    ]
