"""What of connections runs out: grants, given secrets, client secrets, certificates, old values."""

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.urls import reverse

from connhub.accounts.models import User
from connhub.services.models import OAuthApp
from connhub.sharing import roles

from .auth import is_interactive
from .expiry import Ending, Source
from .models import Connection, Credential, Rotation


def _seen(user: User, mine: bool, path: str = "") -> Q:
    """The condition on the connection that `path` leads to."""
    live = Q(**{f"{path}deleted_at": None, f"{path}login_user": False})
    if user.is_super_admin and not mine:
        return live
    return live & roles.administers(user, Connection, of=f"{path}pk")


def _credentials(user: User, mine: bool) -> QuerySet[Credential]:
    held = Credential.objects.own().live().filter(_seen(user, mine, "connection__"))
    shown = held.select_related("connection__service", "connection__auth_method", "environment")
    return shown.defer("payload", "test_report")


def grants(user: User, mine: bool) -> QuerySet[Credential]:
    return _credentials(user, mine).filter(expires_at__isnull=False, renewable=False)


def secrets(user: User, mine: bool) -> QuerySet[Credential]:
    return _credentials(user, mine).filter(ends_at__isnull=False)


def certificates(user: User, mine: bool) -> QuerySet[Credential]:
    return _credentials(user, mine).filter(certificate_ends_at__isnull=False)


def old_values(user: User, mine: bool) -> QuerySet[Rotation]:
    kept = Rotation.objects.in_grace()
    found = kept.filter(_seen(user, mine, "credential__connection__"))
    return found.select_related("credential__connection__service", "credential__environment").defer(
        "slot", "test_report"
    )


def client_secrets(user: User, mine: bool) -> QuerySet[OAuthApp]:
    """Of the connections' own apps, and of shared ones that they use; to super admins, of all shared."""
    using = Connection.objects.filter(_seen(user, mine), oauth_app=OuterRef("pk"))
    seen = Q(Exists(using)) | (Q(shared=True) if user.is_super_admin else Q())
    apps = OAuthApp.objects.filter(seen, ends_at__isnull=False, client_secret__isnull=False)
    first = using.order_by("pk")
    return (
        apps.select_related("service", "environment")
        .defer("client_secret")
        .annotate(
            of_name=Subquery(first.values("name")[:1]),
            of_link_name=Subquery(first.values("link_name")[:1]),
            of_pk=Subquery(first.values("pk")[:1]),
        )
    )


def _show(credential: Credential, what: str, action: str, url_name: str) -> Ending:
    connection, environment = credential.connection, credential.environment
    query = f"?environment={environment.slug}" if environment else ""
    url = reverse(url_name, args=[connection.link_name]) + query if url_name else ""
    return Ending(
        what,
        connection.name,
        connection.get_absolute_url(),
        connection.service,
        environment,
        action,
        url,
        connection.pk,
    )


def _show_grant(credential: Credential) -> Ending:
    return _show(credential, "Access grant", "Reconnect", "connections:reconnect")


def _show_secret(credential: Credential) -> Ending:
    if is_interactive(credential.connection.auth_method):
        return _show(credential, "Secret", "Reconnect", "connections:reconnect")
    return _show(credential, "Secret", "Rotate secret", "connections:rotate")


def _show_certificate(credential: Credential) -> Ending:
    return _show(credential, "Server certificate", "Test", "connections:test")


def _show_old_value(rotation: Rotation) -> Ending:
    return _show(
        rotation.credential, "Old value, in its grace time", "Look at it", "connections:rotate"
    )


def _show_client_secret(app: Any) -> Ending:
    if app.shared or not app.of_link_name:
        url = app.service.get_absolute_url()
        return Ending("Shared client secret", f"{app.service}", url, app.service, app.environment)
    url = reverse("connections:summary", args=[app.of_link_name])
    edit = reverse("connections:edit", args=[app.of_link_name])
    return Ending("Client secret", app.of_name, url, app.service, None, "Edit", edit, app.of_pk)


SOURCES = (
    Source("grant", "Access grants", "expires_at", grants, _show_grant, "connection__service"),
    Source("secret", "Secrets", "ends_at", secrets, _show_secret, "connection__service"),
    Source(
        "client-secret", "Client secrets", "ends_at", client_secrets, _show_client_secret, "service"
    ),
    Source(
        "certificate",
        "Server certificates",
        "certificate_ends_at",
        certificates,
        _show_certificate,
        "connection__service",
    ),
    Source(
        "old-value",
        "Old values",
        "grace_ends_at",
        old_values,
        _show_old_value,
        "credential__connection__service",
        "credential__environment",
        harmless=True,
    ),
)
