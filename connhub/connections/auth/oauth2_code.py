from connhub.services.models import AuthMethod

from .base import Injection, Method, Values


class OAuth2Code(Method):
    """OAuth 2.0 authorization code with PKCE (RFC 6749 section 4.1, RFC 7636)."""

    kind = "oauth2_code"
    label = "OAuth 2.0"
    interactive = True

    def apply(self, values: Values, method: AuthMethod) -> Injection:
        token = values["access_token"]
        return Injection(headers=(("Authorization", f"Bearer {token}"),), secrets=(token,))

    def usable(self, values: Values, method: AuthMethod) -> dict[str, str]:
        return {"access_token": values["access_token"]}
