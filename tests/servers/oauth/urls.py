"""Where things are: django-oauth-toolkit under /o/, sign-in, and a small protected API."""

from django.contrib.auth.views import LoginView
from django.urls import include, path
from oauth2_provider.urls import metadata_urlpatterns

from tests.servers.oauth import views

urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("login/", LoginView.as_view(), name="login"),
    path("api/me", views.me),
    path("api/echo", views.echo),
    *metadata_urlpatterns,
]
