from django.db import migrations

import connhub.public_ids


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_public_ids_of_all")]

    operations = [
        migrations.AlterField(
            model_name="user", name="public_id", field=connhub.public_ids.PublicId()
        ),
        migrations.AlterField(
            model_name="invitation", name="public_id", field=connhub.public_ids.PublicId()
        ),
    ]
