"""The OAuth app that all connections of a service share: a client id and secret, kept once."""

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from connhub.accounts.models import Environment, User
from connhub.accounts.people import require_now
from connhub.audit.log import record
from connhub.errors import Refusal

from .models import AuthMethod, OAuthApp, Service

SIGN_IN_URLS = {"oauth2_code": "token_url", "oauth1": "access_token_url"}


class NotShareable(Refusal):
    code = "oauth-app-not-shareable"
    text = "Each connection of this service names its own server, so each needs its own OAuth app."


class SecretNeeded(Refusal):
    code = "client-secret-needed"
    text = "Enter the client secret: a stored one belongs to the client id that it came with."


class StillInUse(Refusal):
    code = "oauth-app-in-use"
    text = "Connections use this OAuth app. Delete them first, or change the app instead."


def redirect_uri(service: Service) -> str:
    """The one address that the service may send people back to, from the configured base URL."""
    return settings.CONNHUB_URL + reverse("oauth_callback", args=[service.slug])


def is_shareable(service: Service) -> bool:
    """Whether one client can serve all connections: people sign in, and always at one server."""
    return sign_in_method(service) is not None


def sign_in_method(service: Service) -> AuthMethod | None:
    """The auth method that a shared app is for: the first whose client one server alone sees."""
    methods = [m for m in service.auth_methods.all() if m.kind in SIGN_IN_URLS]
    offered = (method for method in methods if "retired" not in method.config)
    return next((method for method in offered if _has_one_server(method)), None)


def _has_one_server(method: AuthMethod) -> bool:
    if method.config.get("signature_method") == "PLAINTEXT":  # every call carries the secret
        return False
    names = (SIGN_IN_URLS[method.kind], "request_token_url")
    last, *others = (method.config.get(name) or "" for name in names)
    return bool(last) and not any("{" in urlsplit(url).netloc for url in (last, *others))


def shared_for(method: AuthMethod) -> QuerySet[OAuthApp]:
    """The shared apps that connections with this auth method use.

    A service that knows OAuth 1.0a and 2.0 gives out other ids and secrets for each.
    """
    main = sign_in_method(method.service)
    apps = method.service.oauth_apps.filter(shared=True)
    return apps if main is None or main.kind == method.kind else apps.none()


def shared(service: Service) -> QuerySet[OAuthApp]:
    """Its shared apps, each with how many live connections use it as `uses`."""
    live = Q(connection__deleted_at=None, connection__isnull=False)
    apps = service.oauth_apps.filter(shared=True).select_related(
        "environment", "created_by", "changed_by"
    )
    return apps.annotate(uses=Count("connection", filter=live)).order_by("environment__position")


def serving(method: AuthMethod, environment: Environment | None) -> OAuthApp | None:
    """The shared app for connections of one environment (None: of all at once).

    That is the environment's own, else the one for all; one environment's never serves them all.
    """
    apps = {app.environment_id: app for app in shared_for(method)}
    own = apps.get(environment.pk) if environment else None
    return own or apps.get(None)


def unserved(
    method: AuthMethod, environments: Iterable[Environment | None]
) -> list[Environment | None]:
    """Those of the environments for which there is no shared app."""
    served = set(shared_for(method).values_list("environment_id", flat=True))
    if None in served:
        return []
    return [each for each in environments if each is None or each.pk not in served]


@transaction.atomic
def put(
    service: Service,
    *,
    client_id: str,
    client_secret: str,
    environment: Environment | None,
    by: User,
    ends_at: datetime | None = None,
) -> OAuthApp:
    """Set the shared app for one environment or (None) for all; a blank secret stays as it is.

    `ends_at` is when the secret is said to end.
    Connections that have the app use it from their next token request on.

    Raises:
        PermissionDenied: `by` is no super admin.
        NotShareable: the token URL's host differs by connection, or nobody signs in.
        SecretNeeded: the client id is another one, and no secret came with it.
    """
    by = require_now(by, "service.set_app")
    service = Service.objects.select_for_update(no_key=True).get(pk=service.pk)
    if not is_shareable(service):
        raise NotShareable
    app = service.oauth_apps.filter(shared=True, environment=environment).first()
    is_new = app is None
    app = app or OAuthApp(service=service, environment=environment, shared=True, created_by=by)
    fields = _change(app, client_id, client_secret)
    if app.ends_at != ends_at:
        app.ends_at = ends_at
        fields.append("ends_on")
    app.changed_by, app.changed_at = by, timezone.now()
    app.save()
    action = "oauth_app.created" if is_new else "oauth_app.changed"
    where = environment.slug if environment else "all"
    record(action, by=by, on=service, fields=fields, detail={"environment": where})
    return app


def _change(app: OAuthApp, client_id: str, client_secret: str) -> list[str]:
    fields = []
    if app.client_id != client_id:
        if app.client_secret and not client_secret:
            raise SecretNeeded
        app.client_id = client_id
        fields.append("client_id")
    if client_secret:
        app.client_secret.put(client_secret)
        fields.append("client_secret")
    return fields


@transaction.atomic
def remove(app: OAuthApp, *, by: User) -> None:
    """Destroy a shared app and its secret.

    Raises:
        PermissionDenied: `by` is no super admin.
        StillInUse: connections use it; a deleted one's memory of it is no hindrance.
    """
    by = require_now(by, "service.set_app")
    using = app.connection_set.select_for_update(no_key=True)
    live = using.filter(deleted_at=None)
    if count := live.count():
        noun = "connection uses" if count == 1 else "connections use"
        raise StillInUse(
            f"{count} {noun} this OAuth app. Delete them first, or change the app instead.",
            links=[(str(each), each.get_absolute_url()) for each in live[:10]],
        )
    using.update(oauth_app=None)
    where = app.environment.slug if app.environment else "all"
    record("oauth_app.removed", by=by, on=app.service, detail={"environment": where})
    app.delete()
