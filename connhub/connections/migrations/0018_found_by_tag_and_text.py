from django.db import DatabaseError, migrations, transaction

BY_TAG = "CREATE INDEX connections_by_tag ON connections_connection USING gin (tags jsonb_path_ops)"
BY_TEXT = (
    "CREATE INDEX connections_by_text ON connections_connection"
    " USING gin (LOWER(name) gin_trgm_ops, link_name gin_trgm_ops)"
)


def make(apps, schema_editor):
    """On PostgreSQL; without pg_trgm, or the right to add it, the search reads every name."""
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute(BY_TAG)
    try:
        with transaction.atomic(using=schema_editor.connection.alias):
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            schema_editor.execute(BY_TEXT)
    except DatabaseError:
        pass


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX IF EXISTS connections_by_tag, connections_by_text")


class Migration(migrations.Migration):
    dependencies = [("connections", "0017_settings_per_environment")]

    operations = [migrations.RunPython(make, drop, elidable=False)]
