import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

OF_EACH = "%(class)ss"


def owner(name=OF_EACH):
    return models.ForeignKey(
        blank=True,
        null=True,
        on_delete=django.db.models.deletion.SET_NULL,
        related_name=name,
        to=settings.AUTH_USER_MODEL,
    )


def integration():
    return models.ForeignKey(
        blank=True,
        null=True,
        on_delete=django.db.models.deletion.PROTECT,
        related_name=OF_EACH,
        to="usage.integration",
    )


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("usage", "0009_rate_count"),
    ]

    operations = [
        migrations.AddField("project", "owner", owner("projects")),
        migrations.AddField("app", "owner", owner()),
        migrations.AddField("function", "owner", owner()),
        migrations.AlterField("flow", "owner", owner()),
        *(
            migrations.AlterField(name, "integration", integration())
            for name in ("flow", "app", "function")
        ),
        *(
            migrations.AddField(
                name,
                "saved_at",
                models.DateTimeField(auto_now=True, default=django.utils.timezone.now),
                preserve_default=False,
            )
            for name in ("app", "function")
        ),
        migrations.AlterModelOptions(
            name="function", options={"default_permissions": (), "ordering": ["name"]}
        ),
    ]
