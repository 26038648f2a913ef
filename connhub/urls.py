from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from connhub import health
from connhub.connections.views import (
    callback,
    connect_link,
    expiring,
    open_connect_link,
    other_account,
    own_sign_ins,
    profile_connections,
    readiness,
    remove_sign_in,
    sign_in_to,
)
from connhub.sharing.views import team_shares
from connhub.usage.api.admin.api import api as admin_api
from connhub.usage.api.runtime import api
from connhub.usage.standalone_urls import of_each as standing_alone
from connhub.usage.views import (
    access,
    availability,
    connection_calls,
    connection_latency,
    leaving,
    leaving_act,
    own_access,
    person_access,
    problem,
    problems,
    replace,
    usage,
)


def share_pages(kind: str) -> tuple:
    """The share pages of objects of one kind, under a namespace of its own."""
    return include("connhub.sharing.urls", f"{kind}_share"), {"kind": kind}


urlpatterns = [
    path("", RedirectView.as_view(pattern_name="connections:list"), name="home"),
    path("", include("connhub.accounts.urls")),
    path("connections/<slug:link_name>/usage/", usage, name="connection_usage"),
    path("connections/<slug:link_name>/calls/", connection_calls, name="connection_calls"),
    path(
        "connections/<slug:link_name>/calls/latency/", connection_latency, name="connection_latency"
    ),
    path("connections/<slug:link_name>/access/", access, name="connection_access"),
    path("connections/<slug:link_name>/replace/", replace, name="connection_replace"),
    path(
        "connections/<slug:link_name>/availability/", availability, name="connection_availability"
    ),
    path("connections/", include("connhub.connections.urls")),
    path("connections/<slug:key>/share/", *share_pages("connection")),
    path("oauth/callback/<slug:service>/", callback, name="oauth_callback"),
    path("oauth/other-account/<uuid:pk>/", other_account, name="other_account"),
    path("connect/open/<slug:link_token>/", open_connect_link, name="open_connect_link"),
    path("connect/<uuid:pk>/", connect_link, name="connect_link"),
    path("readiness/", readiness, name="readiness"),
    path("expiry/", expiring, name="expiry"),
    path("services/", include("connhub.services.urls")),
    path("services/<slug:key>/share/", *share_pages("service")),
    path("teams/<uuid:public_id>/shared/", team_shares, name="team_shares"),
    path("integrations/", include("connhub.usage.urls")),
    path("projects/", include("connhub.usage.project_urls")),
    *(path(f"{noun}s/", include(standing_alone(noun))) for noun in ("flow", "app", "function")),
    path("integrations/<slug:key>/share/", *share_pages("integration")),
    path("profile/connections/", profile_connections, name="profile_connections"),
    path("profile/access/", own_access, name="profile_access"),
    path("people/<uuid:public_id>/access/", person_access, name="person_access"),
    path("people/<uuid:public_id>/leaving/", leaving, name="leaving"),
    path("people/<uuid:public_id>/leaving/act/", leaving_act, name="leaving_act"),
    path("profile/sign-ins/", own_sign_ins, name="sign_ins"),
    path("profile/sign-ins/<slug:link_name>/", sign_in_to, name="sign_in_to"),
    path("profile/sign-ins/<slug:link_name>/remove/", remove_sign_in, name="remove_sign_in"),
    path("audit/", include("connhub.audit.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/admin/", admin_api.urls),
    path("api/v1/problems/", problems, name="problems"),
    path("api/v1/problems/<slug:code>", problem, name="problem"),
    path("api/v1/", api.urls),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
