"""What every page about signing in shows."""

from django.conf import settings
from django.http import HttpRequest


def sign_in_ways(request: HttpRequest) -> dict:
    """Context processor: the label of single sign-on, if there is one, and whether passwords do."""
    label = settings.OIDC_LABEL if settings.OIDC_ISSUER else ""
    return {"sso_label": label, "passwords": settings.PASSWORD_SIGN_IN}
