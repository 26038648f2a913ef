"""What can go wrong: an exception for each code of ConnHub's problem documents, and three besides."""

from collections.abc import Mapping
from typing import Any

import httpx2

MARK = "X-ConnHub-Problem"  # on ConnHub's own refusals; it lets no service send it


class ConnHubError(Exception):
    """The base of all of them. None holds a key or a secret."""


class Unreachable(ConnHubError):
    """No answer came from ConnHub, or it broke off."""


class UnexpectedAnswer(ConnHubError):
    """What answered does not speak ConnHub's API: the URL may be wrong."""


class Problem(ConnHubError):
    """ConnHub refused the call, for a reason that this version of the client may not know.

    `url` is the page that mends it and `retry_after` the seconds to wait; None where ConnHub
    says nothing of it. `request_id` is what the log of ConnHub has the call under.
    """

    code = ""

    def __init__(
        self, code: str, status: int, document: Mapping[str, Any], retry_after: int | None = None
    ) -> None:
        super().__init__(code, status, document, retry_after)
        self.code = code
        self.status = status
        self.title = str(document.get("title") or code.replace("-", " ").capitalize())
        self.detail = str(document.get("detail") or self.title)
        self.url: str | None = document.get("authorize_url") or document.get("mend_url")
        self.request_id: str | None = document.get("request_id")
        self.retry_after = retry_after

    def __str__(self) -> str:
        said = f"{self.code}: {self.detail}"
        return f"{said} See {self.url}" if self.url else said


# --- The key, and what it may use -----------------------------------------------------------------


class Unauthorized(Problem):
    """The key is unknown, revoked or expired."""

    code = "unauthorized"


class NotRegistered(Problem):
    """There is no such connection, or the key may not use it."""

    code = "not-registered"


class CredentialsNotAllowed(Problem):
    """The connection is for proxied calls only."""

    code = "credentials-not-allowed"


class FlowSlugTaken(Problem):
    """The slug belongs to a flow of another integration."""

    code = "flow-slug-taken"


class NoSuchFlow(Problem):
    """The key's integration has no flow of the slug."""

    code = "no-such-flow"


class AppSlugTaken(Problem):
    """The slug belongs to an app of another integration."""

    code = "app-slug-taken"


class NoSuchDataObject(Problem):
    """No app of the key's integration has a data object of the name."""

    code = "no-such-data-object"


class TooManyDataObjects(Problem):
    """The app has as many data objects as an app can have."""

    code = "too-many-data-objects"


class NoSuchFunction(Problem):
    """The key's integration has no function of the name."""

    code = "no-such-function"


class PreconditionFailed(Problem):
    """The flow is not in the state that the call was meant for."""

    code = "precondition-failed"


class RegistrationNotOffered(Problem):
    """An integration app can't use a connection that it doesn't come with."""

    code = "registration-not-offered"


# --- The connection, and whoever has to mend it at `url` ------------------------------------------


class AuthorizeAsUser(Problem):
    """The call names no login user with access who has authorized: they do so at `url`."""

    code = "authorize-as-user"


class NotConnected(Problem):
    """The connection has no credential yet in the key's environment."""

    code = "not-connected"


class ReconnectNeeded(Problem):
    """The service no longer accepts the connection's authorization."""

    code = "reconnect-needed"


class ConnectionRevoked(Problem):
    """The connection was revoked."""

    code = "connection-revoked"


class ConnectionDisabled(Problem):
    """The connection is disabled."""

    code = "connection-disabled"


class CredentialUnreadable(Problem):
    """The stored credential can't be opened."""

    code = "credential-unreadable"


class CredentialIncomplete(Problem):
    """The service asks for more than the connection holds."""

    code = "credential-incomplete"


class AppMissing(Problem):
    """The connection has no client id and secret."""

    code = "app-missing"


class AddressIncomplete(Problem):
    """Part of the service's address is missing or can't be used."""

    code = "address-incomplete"


class PlaintextNeedsHTTPS(Problem):
    """The connection sends its secrets with every call, which is only done over https."""

    code = "plaintext-needs-https"


# --- The call -------------------------------------------------------------------------------------


class BadPath(Problem):
    """The path or query has something in it that ConnHub does not pass on."""

    code = "bad-path"


class BadHeader(Problem):
    """A header is malformed or not passed on."""

    code = "bad-header"


class HeadersTooLarge(Problem):
    """There are too many headers, or too large ones."""

    code = "headers-too-large"


class MethodNotAllowed(Problem):
    """ConnHub does not pass the method on, or the service is limited to others."""

    code = "method-not-allowed"


class PathNotAllowed(Problem):
    """The service is limited to other paths."""

    code = "path-not-allowed"


class FormNeeded(Problem):
    """The service takes its key in a form, so that the body has to be one."""

    code = "form-needed"


class Unsignable(Problem):
    """The query or the form can't be signed."""

    code = "cannot-be-signed"


class NotHTTP(Problem):
    """The service is not called over HTTP: fetch the credentials and connect to it directly."""

    code = "not-http"


class InvalidRequest(Problem):
    """A call to ConnHub itself says something that it can't read."""

    code = "invalid-request"


class NotFound(Problem):
    """ConnHub has no such call; it may be older than this client."""

    code = "not-found"


class RequestTooLarge(Problem):
    """The body is larger than ConnHub passes on."""

    code = "request-too-large"


class RequestIncomplete(Problem):
    """The body did not arrive in time."""

    code = "request-incomplete"


# --- The moment -----------------------------------------------------------------------------------


class RateLimited(Problem):
    """There were too many calls: `retry_after` says when the next may come."""

    code = "rate-limited"


class RenewalFailed(Problem):
    """The access token has expired, and the service did not renew it just now."""

    code = "renewal-failed"


class AuditUnavailable(Problem):
    """ConnHub can't write its record, without which it does nothing."""

    code = "audit-unavailable"


class DatabaseAway(Problem):
    """ConnHub can't reach its database."""

    code = "database-away"


class InternalError(Problem):
    """Something went wrong inside ConnHub."""

    code = "internal-error"


# --- The service ----------------------------------------------------------------------------------


class UpstreamUnreachable(Problem):
    """The service can't be reached."""

    code = "upstream-unreachable"


class UpstreamTimeout(Problem):
    """The service did not answer in time; whether it did what was asked is not known."""

    code = "upstream-timeout"


class UpstreamMalformed(Problem):
    """The service's answer broke off or can't be read."""

    code = "upstream-malformed"


class AnswerTooLarge(Problem):
    """The service's answer is larger than ConnHub passes on."""

    code = "answer-too-large"


BY_CODE = {each.code: each for each in Problem.__subclasses__()}


def problem_in(response: httpx2.Response) -> Problem:
    """The exception for an answer that has the mark; one to a HEAD has no document."""
    try:
        document = response.json()
    except ValueError:
        document = {}
    code, wait_s = response.headers[MARK], response.headers.get("Retry-After", "")
    return BY_CODE.get(code, Problem)(
        code,
        response.status_code,
        document if isinstance(document, dict) else {},
        int(wait_s) if wait_s.isdecimal() else None,
    )
