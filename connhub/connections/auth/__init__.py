from .api_key import ApiKey
from .base import Method
from .basic import Basic
from .bearer import Bearer
from .database import Database
from .none import NoAuth
from .oauth2_code import OAuth2Code

METHODS: dict[str, Method] = {
    method.kind: method
    for method in (OAuth2Code(), ApiKey(), Basic(), Bearer(), Database(), NoAuth())
}
