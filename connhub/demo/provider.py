"""Acme Cloud, started by `python -m connhub.demo.provider`: sign-in, consent, tokens, a small API.

It listens on 127.0.0.1 alone, and lets anybody sign in as anybody: it is for trying out.
"""

import argparse
import hmac
import secrets
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from oauthlib.oauth2 import AccessDeniedError, FatalClientError, OAuth2Error

from connhub.demo import api, pages
from connhub.demo.grants import Client, authorization_server
from connhub.demo.ledger import Ledger
from connhub.demo.samples import PEOPLE
from connhub.demo.server import Request, Response, make_server

SESSION_COOKIE = "acme_session"
MAX_SESSIONS = 1000
STALE = "This page is too old. Go back to ConnHub and start again."


@dataclass
class Session:
    """A browser, and who signed in there if anybody did."""

    id: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    person: str | None = None

    @property
    def cookie(self) -> dict[str, str]:
        return {"Set-Cookie": f"{SESSION_COOKIE}={self.id}; Path=/; HttpOnly; SameSite=Lax"}


class Provider:
    """The provider's state and its answer to each request."""

    def __init__(self, client: Client, state: Path) -> None:
        self.ledger = Ledger(state)
        self.oauth = authorization_server(client, self.ledger)
        self.sessions: dict[str, Session] = {}

    def __call__(self, request: Request) -> Response:
        """Find the view by path and method."""
        views = ROUTES.get(request.path)
        if views is None:
            return pages.problem("There is no page at this address.", status=404)
        if request.method not in views:
            allowed = ", ".join(views)
            return api.error(405, "method_not_allowed", f"Use {allowed}.", Allow=allowed)
        return views[request.method](self, request)

    def who(self, request: Request, scope: str) -> tuple[str | None, str | None]:
        """The person behind the bearer token, or why not: an error code of RFC 6750.

        Only the Authorization header counts, never the query or the body.
        """
        url = f"http://{request.host}{request.path}"
        with self.ledger.lock:
            valid, checked = self.oauth.verify_request(
                url, request.method, None, request.headers, [scope]
            )
        return (checked.user, None) if valid else (None, checked.denial)

    def session(self, request: Request) -> Session | None:
        return self.sessions.get(request.cookie(SESSION_COOKIE))

    def new_session(self, person: str | None = None) -> Session:
        """A session of its own id; beyond a thousand, the oldest goes."""
        session = Session(person=person)
        with self.ledger.lock:
            self.sessions[session.id] = session
            while len(self.sessions) > MAX_SESSIONS:
                del self.sessions[next(iter(self.sessions))]
        return session

    def end_session(self, session: Session) -> None:
        with self.ledger.lock:
            self.sessions.pop(session.id, None)


def ask(provider: Provider, request: Request) -> Response:
    """GET /authorize: check the request, then sign-in page or consent page (RFC 6749, 4.1.1)."""
    return _checked(provider, request, _ask)


def decide(provider: Provider, request: Request) -> Response:
    """POST /authorize: back to the client with a code, or with `access_denied`."""
    session = _session_of_form(provider, request)
    if session is None or session.person is None:
        return pages.problem(STALE, status=403)
    return _checked(provider, request, partial(_decide, session.person))


def sign_in(provider: Provider, request: Request) -> Response:
    """POST /sign-in: a new session for the person who was picked, and on to consent."""
    session, person = _session_of_form(provider, request), request.field("person")
    if session is None or person not in PEOPLE:
        return pages.problem(STALE, status=403)
    provider.end_session(session)
    return _redirect(f"/authorize?{request.query}", **provider.new_session(person).cookie)


def sign_out(provider: Provider, request: Request) -> Response:
    """POST /sign-out: forget who is here, and let somebody else sign in."""
    session = _session_of_form(provider, request)
    if session is None:
        return pages.problem(STALE, status=403)
    provider.end_session(session)
    return _redirect(f"/authorize?{request.query}")


def token(provider: Provider, request: Request) -> Response:
    """POST /token: a code or a refresh token for new tokens. One request at a time."""
    return _endpoint(provider, request, provider.oauth.create_token_response)


def revoke(provider: Provider, request: Request) -> Response:
    """POST /revoke: a refresh token takes its grant with it (RFC 7009)."""
    return _endpoint(provider, request, provider.oauth.create_revocation_response)


def _checked(provider: Provider, request: Request, view: Callable) -> Response:
    """The view, if the authorization request holds; otherwise a page or a redirect that says so."""
    try:
        scopes, details = provider.oauth.validate_authorization_request(request.url)
        return view(provider, request, scopes, details)
    except FatalClientError:
        text = "The application's request is wrong: check its client id and redirect address."
        return pages.problem(text)
    except OAuth2Error as refusal:
        return _redirect(refusal.in_uri(refusal.redirect_uri))


def _ask(provider: Provider, request: Request, scopes: list[str], details: dict) -> Response:
    session = provider.session(request) or provider.new_session()
    if session.person is None:
        page = pages.sign_in(csrf=session.csrf, query=request.query)
    else:
        page = pages.consent(
            csrf=session.csrf,
            query=request.query,
            person=session.person,
            scopes=scopes,
            back_to=details["redirect_uri"],
        )
    return replace(page, headers=page.headers | session.cookie)


def _decide(
    person: str, provider: Provider, request: Request, scopes: list[str], details: dict
) -> Response:
    if request.field("decision") != "allow":
        raise AccessDeniedError(request=details["request"])
    headers, _, _ = provider.oauth.create_authorization_response(
        request.url, scopes=scopes, credentials={"user": person}
    )
    return _redirect(headers["Location"])


def _session_of_form(provider: Provider, request: Request) -> Session | None:
    """The session, if the form came from one of its own pages."""
    session = provider.session(request)
    if session is None:
        return None
    return session if hmac.compare_digest(request.field("csrf"), session.csrf) else None


def _endpoint(provider: Provider, request: Request, answer: Callable) -> Response:
    with provider.ledger.lock:
        headers, body, status = answer(request.url, request.method, request.body, request.headers)
    return Response(body or "", status, "application/json", headers)


def _redirect(to: str, **headers: str) -> Response:
    return Response(status=303, headers={"Location": to, **headers})


def _fixed(page: Callable[[], Response]) -> Callable:
    return lambda provider, request: page()


ROUTES: dict[str, dict[str, Callable]] = {
    "/": {"GET": _fixed(pages.home)},
    "/style.css": {"GET": _fixed(pages.style)},
    "/icon.svg": {"GET": _fixed(pages.icon)},
    "/authorize": {"GET": ask, "POST": decide},
    "/sign-in": {"POST": sign_in},
    "/sign-out": {"POST": sign_out},
    "/token": {"POST": token},
    "/revoke": {"POST": revoke},
    "/api/me": {"GET": api.me},
    "/api/contacts": {"GET": api.contacts, "POST": api.add_contact},
    "/api/orders": {"GET": api.orders},
    "/keyed/orders": {"GET": api.keyed_orders},
}


def main(arguments: list[str] | None = None) -> None:
    """Serve until interrupted or told to end."""
    options = _parser().parse_args(arguments)
    client = Client(options.client_id, options.client_secret_file, tuple(options.redirect_uri))
    try:
        provider = Provider(client, options.state)
    except (OSError, ValueError, KeyError, TypeError):
        sys.exit("The state file is not one of Acme Cloud. Name another, or delete it.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with make_server(options.port, provider) as server:
        sys.stderr.write(f"Acme Cloud on http://127.0.0.1:{options.port}/\n")
        with suppress(KeyboardInterrupt):
            server.serve_forever()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("connhub.demo.provider", description="A provider to try out.")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--state", type=_state_file, required=True, help="JSON file for tokens")
    parser.add_argument(
        "--redirect-uri", action="append", required=True, help="may be given several times"
    )
    parser.add_argument("--client-id", required=True)
    parser.add_argument("--client-secret-file", type=_secret, required=True)
    return parser


def _state_file(path: str) -> Path:
    if not Path(path).parent.is_dir():
        raise argparse.ArgumentTypeError("its folder does not exist; create it.")
    return Path(path)


def _secret(path: str) -> str:
    try:
        secret = Path(path).read_text().strip()
    except OSError:
        raise argparse.ArgumentTypeError("this file cannot be read.") from None
    if not secret:
        raise argparse.ArgumentTypeError("this file is empty; write the client secret into it.")
    return secret


if __name__ == "__main__":
    main()
