from http import HTTPStatus

from connhub.middleware import refuse

from .context import Context, current
from .log import AuditUnavailable, record
from .things import named_in_url

DENIED = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
SAFE = ("GET", "HEAD", "OPTIONS")


class AuditContextMiddleware:
    """Lets every event of a request say where it came from, and records what came to nothing.

    Whoever is signed in and gets 403 or 404 on a page of ConnHub's was denied it; a change that
    was refused has been rolled back, and that somebody tried is on record all the same.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        token = current.set(Context(request.client_ip, request.id))
        try:
            response = self.get_response(request)
            _record_failure(request, response.status_code)
        except AuditUnavailable as unavailable:
            return refuse(request, unavailable)
        finally:
            current.reset(token)
        return response


def _record_failure(request, status: int) -> None:
    where = request.resolver_match
    if where is None or not request.user.is_authenticated:
        return
    if status in DENIED:
        action, outcome = "access.denied", "denied"
    elif status == HTTPStatus.CONFLICT and request.method not in SAFE:
        action, outcome = "change.refused", "failed"
    else:
        return
    detail = {"method": request.method, "path": request.path[:200]}
    if refusal := getattr(request, "refusal", None):
        detail["code"] = refusal.code
    thing = named_in_url(where.route, where.kwargs)
    record(action, by=request.user, on=thing, outcome=outcome, detail=detail, change=False)
