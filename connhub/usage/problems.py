"""What stands in the way of a call to the runtime API."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from connhub.errors import Refusal

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Unauthorized(Refusal):
    code = "unauthorized"
    text = "The call needs a valid integration key: Authorization: Bearer chk_… Check its expiry."
    status = HTTPStatus.UNAUTHORIZED


class InvalidRequest(Refusal):
    code = "invalid-request"
    text = "The request can't be read. Check that its body is JSON."
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class NotFound(Refusal):
    code = "not-found"
    text = "There is no such call. See /api/v1/docs for those that there are."
    status = HTTPStatus.NOT_FOUND


class NotUsable(Refusal):
    """There is no such connection, or it is not for this key: nobody can tell which.

    `integration` is the slug of the key's, and `link_names` what was asked for.
    """

    code = "not-registered"
    text = (
        "No connection of this name is registered with the key's integration. "
        "Check the link name, or register the connection."
    )
    status = HTTPStatus.NOT_FOUND

    def __init__(self, integration: str, *link_names: str) -> None:
        self.integration, self.link_names = integration, link_names
        super().__init__()


class AuthorizeAsUser(Refusal):
    """The same for a user who is missing, unknown or has no access as for one to authorize.

    `environment` is the slug of the one to authorize for, where it has settings of its own.
    """

    code = "authorize-as-user"
    text = (
        "This connection uses the credentials of the login user. Name one user with access to the "
        "key's integration in X-ConnHub-User, and have them authorize at authorize_url."
    )

    def __init__(self, environment: str) -> None:
        self.environment = environment
        super().__init__()


class NotHTTP(Refusal):
    code = "not-http"
    text = "This service is not called over HTTP. Fetch the credentials and connect to it directly."


class CredentialsNotAllowed(Refusal):
    code = "credentials-not-allowed"
    text = (
        "This connection is for proxied calls only. "
        "Call the service through ConnHub, or change the connection's access mode."
    )
    status = HTTPStatus.FORBIDDEN


class RateLimited(Refusal):
    """`wait_s` is the number of seconds after which the next call may come."""

    code = "rate-limited"
    text = "Too many calls. Wait as long as Retry-After says."
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, wait_s: int) -> None:
        self.wait_s = wait_s
        super().__init__()


class RequestTooLarge(Refusal):
    code = "request-too-large"
    text = "The request's body is larger than ConnHub passes on. Send it in smaller parts."
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class RequestIncomplete(Refusal):
    code = "request-incomplete"
    text = "The request's body did not arrive in time. Send it again."
    status = HTTPStatus.REQUEST_TIMEOUT


class UpstreamUnreachable(Refusal):
    code = "upstream-unreachable"
    status = HTTPStatus.BAD_GATEWAY


class UpstreamTimeout(Refusal):
    code = "upstream-timeout"
    text = "The service did not answer in time. Whether it did what was asked is not known."
    status = HTTPStatus.GATEWAY_TIMEOUT


class UpstreamMalformed(Refusal):
    code = "upstream-malformed"
    text = "The service's answer broke off or can't be read. Try again later."
    status = HTTPStatus.BAD_GATEWAY


class AnswerTooLarge(Refusal):
    code = "answer-too-large"
    text = "The service's answer is larger than ConnHub passes on. Ask for less of it at a time."
    status = HTTPStatus.BAD_GATEWAY


class InternalError(Refusal):
    code = "internal-error"
    text = "Something went wrong inside ConnHub. Try again; tell whoever runs it if it stays."
    status = HTTPStatus.INTERNAL_SERVER_ERROR
