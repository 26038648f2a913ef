from .api_key import ApiKey
from .aws_sigv4 import AwsSigV4
from .base import Method
from .basic import Basic
from .bearer import Bearer
from .database import Database
from .jwt_bearer import JwtBearer
from .none import NoAuth
from .oauth2_client_credentials import OAuth2ClientCredentials
from .oauth2_code import OAuth2Code
from .two_step import TwoStep

METHODS: dict[str, Method] = {
    method.kind: method
    for method in (
        OAuth2Code(),
        OAuth2ClientCredentials(),
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
