"""What stands in an installation's database, as Python that prints it."""

import json

from .installation import Installation

STATE = """
import json
from connhub.accounts.models import Letter, Session, User
from connhub.audit.models import Event, Position
from connhub.connections.models import Authorization, Connection, Credential, Import
from huey.contrib.djhuey import HUEY
from django.utils import timezone
def opened(credential):
    return credential.payload.open().reveal() if credential.payload else None
last = Event.objects.order_by("-sequence").first()
print(json.dumps({
    "people": sorted(User.objects.values_list("email", flat=True)),
    "connections": {c.link_name: c.get_status_display() for c in Connection.objects.all()},
    "secrets": {c.connection.link_name: opened(c) for c in Credential.objects.all()},
    "grant": list(Credential.objects.filter(connection__link_name="crm").values_list(
        "status", "renewable", "lease_until", "fence", "intent_version")[0]),
    "under_way": {m.__name__: m.objects.count() for m in (Session, Letter, Authorization, Import)},
    "held": Position.objects.filter(held_until__gt=timezone.now()).count(),
    "queue": len(HUEY),
    "last": [last.action, last.detail],
    "events": Event.objects.count(),
}, default=str))
"""


def state(installation: Installation) -> dict:
    return json.loads(installation.python(STATE))
