from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("services", "0008_grants_to_self")]

    operations = [
        migrations.AlterModelOptions(
            "oauthapp", {"default_permissions": (), "verbose_name": "OAuth app"}
        )
    ]
