"""Acme Cloud as a process, and a person with a browser in front of it."""

from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import requests
from oauthlib.oauth2 import WebApplicationClient
from requests_oauthlib import OAuth2Session

from tests.servers.forms import read_form
from tests.servers.process import listens, python, running, temporary_folder

CALLBACK = "http://127.0.0.1:8000/oauth/callback/acme/"
CLIENT_ID, CLIENT_SECRET = "connhub", "s3cret-of-the-client"
ALL_SCOPES = "profile.read contacts.read contacts.write orders.read"
CHALLENGE = {"code_challenge": "x" * 43, "code_challenge_method": "S256"}


class Acme:
    """The address of a running Acme Cloud, and a person with a browser in front of it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def authorization_url(self, *, scope: str = ALL_SCOPES, **parameters: str) -> str:
        session = OAuth2Session(CLIENT_ID, redirect_uri=CALLBACK, scope=scope, state="st4te")
        return session.authorization_url(f"{self.url}/authorize", **parameters)[0]

    def answer(self, url: str, decision: str) -> requests.Response:
        """Sign in as Nora and answer the consent page."""
        with requests.Session() as browser:
            page = browser.get(url, timeout=10)
            query = urlsplit(url).query
            form = read_form(page.text)
            page = browser.post(
                f"{self.url}/sign-in?{query}", {**form, "person": "nora"}, timeout=10
            )
            form = {**read_form(page.text), "decision": decision}
            return browser.post(page.url, form, timeout=10, allow_redirects=False)

    def connect(self, *, scope: str = ALL_SCOPES) -> OAuth2Session:
        """A session that went through the whole flow."""
        client = WebApplicationClient(CLIENT_ID)
        verifier = client.create_code_verifier(64)
        challenge = client.create_code_challenge(verifier, "S256")
        url = self.authorization_url(
            scope=scope, code_challenge=challenge, code_challenge_method="S256"
        )
        back = self.answer(url, "allow").headers["Location"]
        session = OAuth2Session(CLIENT_ID, redirect_uri=CALLBACK, scope=scope, state="st4te")
        session.fetch_token(
            f"{self.url}/token",
            authorization_response=back,
            code_verifier=verifier,
            client_secret=CLIENT_SECRET,
            timeout=10,
        )
        return session

    def refresh(self, session: OAuth2Session, token: str) -> dict:
        auth = (CLIENT_ID, CLIENT_SECRET)
        return session.refresh_token(
            f"{self.url}/token", refresh_token=token, auth=auth, timeout=10
        )


def provider(port: int, state: Path) -> AbstractContextManager[None]:
    """A process of the provider, with its state at this path."""
    folder = temporary_folder("acme")
    (folder / "client-secret").write_text(CLIENT_SECRET)
    command = python(
        "connhub.demo.provider",
        *("--port", port, "--state", state, "--redirect-uri", CALLBACK),
        *("--client-id", CLIENT_ID, "--client-secret-file", folder / "client-secret"),
    )
    return running(command, folder=folder, ready=lambda: listens(port))
