"""What the authorization server says about its users in an id_token, rightly or wrongly."""

from oauth2_provider.oauth2_validators import OAuth2Validator

# Set through the tests' side door; `tampered` breaks the signature.
overrides: dict = {}
tampered: list[bool] = []


class Validator(OAuth2Validator):
    def get_additional_claims(self, request):
        name = request.user.username
        return {"email": f"{name}@acme.example", "email_verified": True, "name": name.title()}

    def get_id_token_dictionary(self, token, token_handler, request):
        claims, expires_at = super().get_id_token_dictionary(token, token_handler, request)
        return claims | overrides, expires_at

    def finalize_id_token(self, id_token, token, token_handler, request):
        signed = super().finalize_id_token(id_token, token, token_handler, request)
        head, body, signature = signed.split(".")
        return f"{head}.{body}.{signature[::-1]}" if tampered else signed
