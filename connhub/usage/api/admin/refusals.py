"""How the admin API says no, besides what the operations refuse."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from connhub.connections.reports import Report
from connhub.errors import Refusal

from ...problems import InvalidRequest, Unauthorized


class NoAdminToken(Unauthorized):
    text = (
        "The call needs a valid admin token: Authorization: Bearer cha_… Check its expiry; it ends "
        "with its person's account, password and role."
    )


class Forbidden(Refusal):
    code = "forbidden"
    text = "The token's person may see this, but not do that to it."
    status = HTTPStatus.FORBIDDEN


class NothingThere(Refusal):
    code = "not-found"
    text = "There is nothing here that the token's person may see."
    status = HTTPStatus.NOT_FOUND


class ReadOnlyToken(Refusal):
    code = "read-only-token"
    text = "This admin token only looks. Use one that may change things."
    status = HTTPStatus.FORBIDDEN


class PersonNeeded(Refusal):
    """What takes a person who has just shown who they are."""

    code = "person-needed"
    text = "This takes somebody who signed in just now. Do it on the page that links names."
    status = HTTPStatus.FORBIDDEN


class PreconditionFailed(Refusal):
    code = "edited-meanwhile"
    text = "It is no longer the version that If-Match names. Nothing was changed."
    status = HTTPStatus.PRECONDITION_FAILED


class InvalidFields(InvalidRequest):
    """`errors` are the texts by field, a field inside others with dots: `parameters.subdomain`."""

    text = "Some fields are wrong; errors says which."

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        self.errors = errors
        super().__init__()


class TestFailed(Refusal):
    code = "test-failed"
    text = "The test failed, so nothing was made. Send anyway to make it all the same."

    def __init__(self, reports: Sequence[tuple[str | None, Report]]) -> None:
        self.reports = reports
        super().__init__()


def members_of(refusal: Refusal) -> dict[str, Any]:
    """What its problem document has besides what all have."""
    members: dict[str, Any] = {}
    if refusal.links:
        members["links"] = [{"label": label, "url": url} for label, url in refusal.links]
    if isinstance(refusal, InvalidFields):
        members["errors"] = refusal.errors
    if isinstance(refusal, TestFailed):
        members["tests"] = [
            {"environment": place, **report.as_json()} for place, report in refusal.reports
        ]
    return members
