"""Two people with one link at the same moment, each served by a process of its own."""

import re
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from threading import Barrier

import pytest
import requests

from connhub.audit.models import Event
from connhub.connections.models import ConnectLink, Credential
from tests.connections.connect_links.conftest import send
from tests.factories import AuthMethodFactory, ServiceFactory, connect
from tests.servers.app import running_app

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 4
PLAIN = "This link can't be used any more"


@pytest.fixture
def app(oauth_server, upstream, allow):
    ports = (oauth_server.port, upstream.port)
    allow(*ports)
    allowed = ",".join(f"127.0.0.1:{port}" for port in ports)
    with running_app(processes=2, CONNHUB_EGRESS_ALLOW=allowed) as server:
        yield server


def read(answer: requests.Response) -> str:
    return unescape(answer.text)


class Visitor:
    """Somebody with the link, in a browser of their own."""

    def __init__(self, app, sent):
        self.browser = requests.Session()
        self.url = app.url + sent.page
        self.page = read(self.browser.get(app.url + sent.url, timeout=30))

    def submit(self, **typed) -> str:
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.page)
        assert token
        data = typed | {"csrfmiddlewaretoken": token[1]}
        return read(self.browser.post(self.url, data, timeout=30))

    def go(self, url: str) -> str:
        return read(self.browser.get(url, timeout=30))


def at_once(acts) -> list[str]:
    """What each of them was answered, all begun at the same moment."""
    start = Barrier(len(acts))

    def run(act):
        start.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def expect_one_winner(answers, done) -> None:
    assert sorted((done in said, PLAIN in said) for said in answers) == [
        (False, True),
        (True, False),
    ]


def test_of_two_who_come_back_from_the_provider_one_connects(app, ada, oauth_server):
    client = oauth_server.register(f"{app.url}/oauth/callback/acme/")
    service = ServiceFactory(slug="acme", name="Acme", base_url=oauth_server.api_url)
    urls = {name: getattr(oauth_server, name) for name in ("authorize_url", "token_url", "issuer")}
    method = AuthMethodFactory(service=service, kind="oauth2_code", config=urls)
    crm = connect(
        ada, method=method, name="CRM", link_name="crm", secrets={}, scopes=["read"],
        client_id=client.client_id, client_secret=client.client_secret,
    )  # fmt: skip

    for _ in range(ROUNDS):
        sent = send(crm, ada)
        visitors = [Visitor(app, sent) for _ in range(2)]
        leaving = [re.search(r"0;url=([^\"]+)", visitor.submit()) for visitor in visitors]
        back = [oauth_server.authorize(there[1]) for there in leaving if there]
        answers = at_once(
            [lambda v=v, url=url: v.go(url) for v, url in zip(visitors, back, strict=True)]
        )
        expect_one_winner(answers, "CRM is connected to Acme")

    assert Credential.objects.count() == 1
    assert Event.objects.filter(action="connection.connected").count() == ROUNDS
    assert Event.objects.filter(action="connect_link.used").count() == ROUNDS
    assert not ConnectLink.objects.filter(used_at=None).exists()


def test_of_two_who_type_a_secret_one_is_taken_at_its_word(app, ada, upstream):
    service = ServiceFactory(
        name="Parcels", base_url=upstream.url, test={"method": "GET", "path": "/key"}
    )
    parcels = connect(ada, method=AuthMethodFactory(service=service), name="Parcels")

    for _ in range(ROUNDS):
        sent = send(parcels, ada)
        visitors = [Visitor(app, sent) for _ in range(2)]
        answers = at_once([lambda v=v: v.submit(key_1=upstream.api_key) for v in visitors])
        expect_one_winner(answers, "Parcels is connected")

    assert Event.objects.filter(action="connection.reconnected").count() == ROUNDS
    assert Event.objects.filter(action="connect_link.used").count() == ROUNDS
    assert parcels.credentials.get().payload.open().reveal() == {"key_1": upstream.api_key}
