"""Learn from the record who connected what is connected now.

Backwards there is nothing to do: the column goes.
"""

from django.db import migrations

BATCH = 1000
CONNECTING = (
    "connection.created", "connection.imported", "connection.edited", "connection.environment_set",
    "connection.connected", "connection.reconnected",
)  # fmt: skip


def learn(apps, schema_editor):
    """The person of the newest event that can have brought a credential to its place."""
    Credential = apps.get_model("connections", "Credential")
    people = set(apps.get_model("accounts", "User").objects.values_list("pk", flat=True))
    newest = _newest(apps.get_model("audit", "Event"))
    changed = []
    own = Credential.objects.filter(user=None, payload__isnull=False).defer("payload")
    for credential in own.select_related("environment").iterator(BATCH):
        found = [
            newest.get((str(credential.connection_id), place)) for place in _places(credential)
        ]
        known = [each for each in found if each]
        person = max(known, key=lambda each: each[0])[1] if known else None
        if person in people:
            credential.connected_by_id = person
            changed.append(credential)
    Credential.objects.bulk_update(changed, ["connected_by"], BATCH)


def _newest(events) -> dict:
    """By connection and environment, as the record names it: which event, and whose (None: nobody's)."""
    newest = {}
    found = events.objects.filter(object_type="connection", action__in=CONNECTING, outcome="ok")
    rows = found.order_by("sequence").values_list(
        "sequence", "object_id", "action", "actor_type", "actor_id", "fields", "detail"
    )
    for sequence, connection, action, actor_type, actor_id, fields, detail in rows.iterator(BATCH):
        if action == "connection.edited" and not _holds_a_secret(fields):
            continue
        person = int(actor_id) if actor_type == "user" and actor_id.isdigit() else None
        newest[connection, detail.get("environment", "")] = (sequence, person)
    return newest


def _holds_a_secret(fields) -> bool:
    """Whether an edit that named these fields brought another credential."""
    described = {"name", "description", "tags", "access_mode", "ends_on", "client_secret_ends_on"}
    return bool(set(fields) - described)


def _places(credential) -> list[str]:
    """How events name the place of a credential; an event may name none."""
    if credential.environment is None:
        return ["", "all"]
    return ["", credential.environment.slug, credential.environment.name]


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0015_credential_connected_by"),
        ("audit", "0004_position"),
    ]

    operations = [migrations.RunPython(learn, migrations.RunPython.noop, elidable=True)]
