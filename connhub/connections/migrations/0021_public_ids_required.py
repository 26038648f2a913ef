from django.db import migrations

import connhub.public_ids


class Migration(migrations.Migration):
    dependencies = [("connections", "0020_public_ids_of_all")]

    operations = [
        migrations.AlterField(
            model_name="savedview", name="public_id", field=connhub.public_ids.PublicId()
        ),
    ]
