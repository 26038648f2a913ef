from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("connections", "0018_found_by_tag_and_text")]

    operations = [
        migrations.AddField(
            model_name="savedview",
            name="public_id",
            field=models.UUIDField(editable=False, null=True),
        ),
    ]
