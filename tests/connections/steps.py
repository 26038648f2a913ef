"""What the tests of connections do and look at again and again."""

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import connections as databases
from django.urls import reverse
from django.utils import timezone

from connhub.audit.models import Event
from connhub.connections.models import Connection, Credential
from tests.factories import PASSWORD

# How the authorization server of the tests says whose token it is.
IDENTITY = {"path": "/me", "field": "user"}


def proceed(client, connection: Connection, query: str = "") -> str:
    """The provider's URL that Proceed leads to."""
    url = reverse("connections:authorize", args=[connection.link_name]) + query
    return client.post(url, headers={"HX-Request": "true"}).headers["HX-Redirect"]


def way_back(client, oauth_server, connection: Connection, *, allow=True, query="") -> str:
    """The callback's path and query, as the provider sends it after the person's decision."""
    target = oauth_server.authorize(proceed(client, connection, query), allow=allow)
    return target.removeprefix(settings.CONNHUB_URL)


def enter_password_again(client) -> None:
    """As an export wants it, whose page asks."""
    typed = {"proof-held": "", "proof-password": PASSWORD}
    client.post(reverse("connections:export"), typed)


def expire(credential: Credential, seconds_ago: int = 1) -> Credential:
    """As if its access token had ended."""
    ended_at = timezone.now() - timedelta(seconds=seconds_ago)
    Credential.objects.filter(pk=credential.pk).update(expires_at=ended_at)
    return again(credential)


def again(credential: Credential) -> Credential:
    """As the database has it now."""
    return Credential.objects.select_related(
        "connection__service", "connection__auth_method", "connection__oauth_app", "environment"
    ).get(pk=credential.pk)


def secrets(credential: Credential) -> dict[str, str]:
    return again(credential).payload.open().reveal()


def actions(thing) -> list[str]:
    """What was done with it, oldest first; who was kept from it and what was refused left out."""
    return [action for action, _ in outcomes(thing)]


def outcomes(thing) -> list[tuple[str, str]]:
    done = Event.objects.about(thing).exclude(kind__in=["access", "change"])
    return list(done.order_by("sequence").values_list("action", "outcome"))


def in_own_connection(act: Callable):
    """The function for a thread, which leaves no database connection open."""

    def run(*args, **kwargs):
        try:
            return act(*args, **kwargs)
        finally:
            databases.close_all()

    return run
