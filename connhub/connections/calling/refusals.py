"""What a call may not have in it."""

from http import HTTPStatus

from connhub.errors import Refusal


class BadPath(Refusal):
    code = "bad-path"
    text = (
        "The path or query has something in it that ConnHub does not pass on, "
        "such as dot segments, empty segments or encoded slashes."
    )
    status = HTTPStatus.BAD_REQUEST


class MethodNotAllowed(Refusal):
    """`allowed` are the methods that are, as the Allow header has them."""

    code = "method-not-allowed"
    text = "This method can't be called here. The Allow header names those that can."
    status = HTTPStatus.METHOD_NOT_ALLOWED

    def __init__(self, allowed: str) -> None:
        self.allowed = allowed
        super().__init__()


class PathNotAllowed(Refusal):
    code = "path-not-allowed"
    text = (
        "The service is limited to other paths. Call one of those, or have an admin of the service "
        "allow this one."
    )
    status = HTTPStatus.FORBIDDEN


class BadHeader(Refusal):
    code = "bad-header"
    text = "A header of the request is malformed or not passed on. Leave it out or correct it."
    status = HTTPStatus.BAD_REQUEST


class HeadersTooLarge(Refusal):
    code = "headers-too-large"
    text = "The request has too many headers, or too large ones: at most 100, and 64 KiB in all."
    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


class FormNeeded(Refusal):
    code = "form-needed"
    text = (
        "This service takes its key in a form: send the body as application/x-www-form-urlencoded."
    )
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
