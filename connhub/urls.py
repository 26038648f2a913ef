from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from connhub import health
from connhub.connections.views import (
    callback,
    other_account,
    own_sign_ins,
    profile_connections,
    readiness,
    remove_sign_in,
    sign_in_to,
)
from connhub.usage.api import api
from connhub.usage.views import availability, replace, usage

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="connections:list"), name="home"),
    path("", include("connhub.accounts.urls")),
    path("connections/<slug:link_name>/usage/", usage, name="connection_usage"),
    path("connections/<slug:link_name>/replace/", replace, name="connection_replace"),
    path(
        "connections/<slug:link_name>/availability/", availability, name="connection_availability"
    ),
    path("connections/", include("connhub.connections.urls")),
    path("oauth/callback/<slug:service>/", callback, name="oauth_callback"),
    path("oauth/other-account/<uuid:pk>/", other_account, name="other_account"),
    path("readiness/", readiness, name="readiness"),
    path("services/", include("connhub.services.urls")),
    path("integrations/", include("connhub.usage.urls")),
    path("profile/connections/", profile_connections, name="profile_connections"),
    path("profile/sign-ins/", own_sign_ins, name="sign_ins"),
    path("profile/sign-ins/<slug:link_name>/", sign_in_to, name="sign_in_to"),
    path("profile/sign-ins/<slug:link_name>/remove/", remove_sign_in, name="remove_sign_in"),
    path("audit/", include("connhub.audit.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", api.urls),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
