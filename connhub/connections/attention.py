"""What only a person can put right, in words: which connection, where, since when, what it stops."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, QuerySet, Window

from connhub.accounts.models import Environment, User
from connhub.audit.models import Event

from .models import Connection, Credential, Status


@dataclass(frozen=True, slots=True)
class Attention:
    """The worst of the connections that need a person, and how many they are."""

    total: int
    connection: Connection
    environment: Environment | None
    since: datetime | None
    flows: int

    @property
    def lost_authorization(self) -> bool:
        return self.connection.status == Status.RECONNECT_NEEDED


def needing_attention(user: User) -> QuerySet[Connection]:
    """What only a person can put right, worst first."""
    mine = Connection.objects.administered_by(user)
    failing = mine.filter(status__gte=Status.FAILING, disabled_at=None)
    return failing.order_by("-status", "link_name")


def attention_for(user: User) -> Attention | None:
    """The banner's words for this person; None if nothing needs them."""
    found = needing_attention(user).select_related("service")
    connection = found.annotate(total=Window(Count("pk"))).first()
    if connection is None:
        return None
    own = Credential.objects.own().filter(connection=connection, status=connection.status)
    credential = own.select_related("environment").order_by("-environment__position").first()
    lost = Event.objects.about(connection).filter(action="connection.reconnect_needed").first()
    is_lost = connection.status == Status.RECONNECT_NEEDED
    flows = connection.steps.aggregate(flows=Count("flow", distinct=True))["flows"]
    return Attention(
        total=connection.total,
        connection=connection,
        environment=credential.environment if credential else None,
        since=lost.at if lost and is_lost else None,
        flows=flows,
    )
