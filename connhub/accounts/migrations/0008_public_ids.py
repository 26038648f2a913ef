import django.db.models.deletion
from django.db import migrations, models

import connhub.public_ids


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_second_factor_wrong_codes"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.AddField(
            model_name="user", name="public_id", field=models.UUIDField(editable=False, null=True)
        ),
        migrations.AddField(
            model_name="invitation",
            name="public_id",
            field=models.UUIDField(editable=False, null=True),
        ),
        migrations.CreateModel(
            name="TeamId",
            fields=[
                (
                    "group",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="team_id",
                        serialize=False,
                        to="auth.group",
                    ),
                ),
                ("public_id", connhub.public_ids.PublicId()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.AlterModelManagers(name="team", managers=[]),
    ]
