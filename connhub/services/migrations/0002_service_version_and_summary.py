from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("services", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="service",
            name="summary",
            field=models.CharField(blank=True, max_length=300),
        ),
        migrations.AddField(
            model_name="service",
            name="version",
            field=models.CharField(blank=True, max_length=40),
        ),
        migrations.AlterField(
            model_name="service",
            name="colour",
            field=models.CharField(blank=True, max_length=7),
        ),
        migrations.AlterField(
            model_name="service",
            name="monogram",
            field=models.CharField(blank=True, max_length=3),
        ),
    ]
