from connhub.services.models import AuthMethod

from .api_key import ApiKey
from .aws_sigv4 import AwsSigV4
from .base import Method
from .basic import Basic
from .bearer import Bearer
from .database import Database
from .jwt_bearer import JwtBearer
from .none import NoAuth
from .oauth1 import OAuth1
from .oauth2_client_credentials import OAuth2ClientCredentials
from .oauth2_code import OAuth2Code
from .two_step import TwoStep

METHODS: dict[str, Method] = {
    method.kind: method
    for method in (
        OAuth2Code(),
        OAuth2ClientCredentials(),
        OAuth1(),
        JwtBearer(),
        TwoStep(),
        AwsSigV4(),
        ApiKey(),
        Basic(),
        Bearer(),
        Database(),
        NoAuth(),
    )
}


def is_interactive(method: AuthMethod) -> bool:
    """Whether connecting with it sends the person to the provider."""
    return METHODS[method.kind].is_interactive(method)
