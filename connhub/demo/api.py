"""The API of Acme Cloud: JSON, by bearer token or, under /keyed/, by API key."""

import hmac
import json
from collections.abc import Callable
from functools import wraps

from connhub.demo import samples
from connhub.demo.server import Request, Response

API_KEY = "acme-demo-key"  # no secret: all it opens is made up, and on loopback
MAX_PER_PAGE = 100
CONTACT_FIELDS = {"name": 80, "email": 120, "company": 80}  # longest value, in characters


def json_response(content: object, status: int = 200, **headers: str) -> Response:
    """An answer in JSON; `WWW_Authenticate=` stands for the header WWW-Authenticate."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(json.dumps(content, ensure_ascii=False), status, "application/json", named)


def error(status: int, code: str, message: str, **headers: str) -> Response:
    """What went wrong: a stable code and a sentence."""
    return json_response({"error": code, "message": message}, status, **headers)


def by_token(scope: str) -> Callable:
    """Let only bearer tokens with this scope in; the view also gets the person (RFC 6750)."""

    def decorate(view: Callable) -> Callable:
        @wraps(view)
        def checked(provider, request: Request) -> Response:
            person, denial = provider.who(request, scope)
            if denial == "insufficient_scope":
                challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
                text = f"This token lacks the scope {scope}."
                return error(403, denial, text, WWW_Authenticate=challenge)
            if denial:
                challenge = f'Bearer error="{denial}"'
                text = "The access token is missing, expired or revoked."
                return error(401, denial, text, WWW_Authenticate=challenge)
            return view(provider, request, person)

        return checked

    return decorate


@by_token("profile.read")
def me(provider, request: Request, person: str) -> Response:
    """The person who allowed the token."""
    return json_response({"id": person, **samples.PEOPLE[person]})


@by_token("contacts.read")
def contacts(provider, request: Request, person: str) -> Response:
    """All contacts, by page, the added ones last."""
    return _paged(samples.contacts() + provider.ledger.added_contacts, request)


@by_token("contacts.write")
def add_contact(provider, request: Request, person: str) -> Response:
    """A new contact from `name`, `email` and `company`."""
    try:
        given = json.loads(request.body)
    except ValueError:
        return error(400, "invalid_json", "The body is not JSON.")
    if not _is_contact(given):
        text = "Send name and email, and company if known, as text of at most {name}, {email} and "
        text += "{company} characters."
        return error(422, "invalid_contact", text.format(**CONTACT_FIELDS))
    contact = {name: given.get(name, "") for name in CONTACT_FIELDS}
    added = provider.ledger.add_contact(contact, first_id=len(samples.contacts()) + 1)
    return json_response(added, 201)


@by_token("orders.read")
def orders(provider, request: Request, person: str) -> Response:
    """All orders, by page, the newest first."""
    return _paged(samples.orders(), request)


def keyed_orders(provider, request: Request) -> Response:
    """The same orders for whoever shows the API key in the header X-Api-Key."""
    given = request.headers.get("X-Api-Key", "")
    if not hmac.compare_digest(given.encode(), API_KEY.encode()):
        return error(401, "invalid_api_key", "Send the API key in the header X-Api-Key.")
    return _paged(samples.orders(), request)


def _paged(items: list[dict], request: Request) -> Response:
    page = _number(request, "page", default=1, most=10_000)
    per_page = _number(request, "per_page", default=20, most=MAX_PER_PAGE)
    if page is None or per_page is None:
        text = f"page and per_page are whole numbers from 1, per_page at most {MAX_PER_PAGE}."
        return error(400, "invalid_page", text)
    start, end = (page - 1) * per_page, page * per_page
    next_page = page + 1 if end < len(items) else None
    link = f'<{request.path}?page={next_page}&per_page={per_page}>; rel="next"'
    content = {
        "items": items[start:end],
        "page": page,
        "per_page": per_page,
        "total": len(items),
        "next_page": next_page,
    }
    return json_response(content, Link=link) if next_page else json_response(content)


def _number(request: Request, name: str, *, default: int, most: int) -> int | None:
    given = request.parameter(name)
    if not given:
        return default
    is_number = given.isascii() and given.isdigit() and len(given) <= len(str(most))
    return int(given) if is_number and 1 <= int(given) <= most else None


def _is_contact(given: object) -> bool:
    if not isinstance(given, dict) or not given.get("name") or not given.get("email"):
        return False
    return given.keys() <= CONTACT_FIELDS.keys() and all(
        isinstance(given[name], str) and len(given[name]) <= CONTACT_FIELDS[name] for name in given
    )
