"""SECURITY 2.1, 9.4: no secret comes out again, on any page, for anybody, nor in the logs.

Every URL is walked, so a new one is covered by itself. One with an argument that is not known yet
fails with a hint where to add a value.
"""

import base64
import logging
from collections.abc import Iterator
from datetime import date
from urllib.parse import quote

import pytest
from django.contrib.contenttypes.models import ContentType
from django.forms import PasswordInput
from django.test import Client
from django.utils import timezone

from connhub.accounts import admin_tokens, environments, invitations
from connhub.accounts.models import Invitation, SecondFactor, Team, User
from connhub.audit.context import NOWHERE
from connhub.audit.models import Event
from connhub.connections import login_users, rotation
from connhub.connections.auth.base import Granted
from connhub.connections.bulk_tests import testing as bulk
from connhub.connections.bulk_tests.models import BulkTest
from connhub.connections.bundles import exporting, imports
from connhub.connections.bundles.models import Import
from connhub.connections.connect_links import making
from connhub.connections.keeping import keep
from connhub.connections.models import Authorization, Connection, Credential, Rotation
from connhub.forms import SecretField
from connhub.services.models import OAuthApp
from connhub.services.views import FORMS
from connhub.sharing import roles
from connhub.usage import data_objects, declaring, flows, functions, keys, registration
from connhub.usage.models import CallDay
from connhub.vault.fields import SealedField
from connhub.vault.keyring import digest
from tests.conftest import CANARY
from tests.every_url import Page, pages
from tests.factories import PASSWORD, AuthMethodFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db

PASSPHRASE = CANARY + " under which a file is sealed"
CAST = ["ada", "bob", "eve", "root", "nobody"]
KINDS = {
    "api_key": {"key_1": CANARY},
    "basic": {"username": "grace", "password": CANARY},
    "bearer": {"token": CANARY},
    "database": {"password": CANARY},
    "oauth2_code": {"access_token": CANARY, "refresh_token": CANARY, "id_token": CANARY},
    "oauth1": {"oauth_token": CANARY, "oauth_token_secret": CANARY},
}
SIGNS_IN = {
    "oauth2_code": {
        "authorize_url": "https://login.service.example/authorize",
        "token_url": "https://login.service.example/token",
        "revoke_url": "https://login.service.example/revoke",
    },
    "oauth1": {
        "request_token_url": "https://login.service.example/initiate",
        "authorize_url": "https://login.service.example/authorize",
        "access_token_url": "https://login.service.example/token",
    },
}
# Catch-alls, which answer 404 to everything, and single sign-on, which is not set up here.
FINDS_NOTHING = {
    "admin:unnamed", "api-1:nothing_here", "api-1:api-root", "accounts:sso",
    "admin-api:nothing_here", "admin-api:api-root",
    "accounts:sso_callback", "admin:accounts_session_history",
}  # fmt: skip


# --- What a secret looks like wherever it turns up ------------------------------------------------


def spellings(secret: str) -> set[str]:
    """The secret as it is, reversed, in halves, and encoded in the ways that pages and headers know."""
    half = len(secret) // 2
    parts = {secret[:half], secret[half:]}
    parts |= {part[::-1] for part in parts}
    encoded = {quote(secret, safe=""), secret.encode().hex()}
    for shift in range(3):  # base64 differs with where in a longer text the secret begins
        text = base64.b64encode(b"\0" * shift + secret.encode()).decode().rstrip("=")
        encoded.add(text[shift and 4 : -2])
    return parts | encoded


@pytest.mark.parametrize(
    "text",
    [
        f"<p>{CANARY}</p>",
        f"key={quote(CANARY, safe='')}",
        CANARY[::-1],
        CANARY[: len(CANARY) // 2] + "…",
        "…" + CANARY[len(CANARY) // 2 :],
        CANARY.encode().hex(),
        base64.b64encode(CANARY.encode()).decode(),
        base64.b64encode(f"u:{CANARY}".encode()).decode(),
        base64.b64encode(f"grace:{CANARY}".encode()).decode(),
        base64.b64encode(f"grace1:{CANARY}@".encode()).decode(),
    ],
)
def test_a_leak_would_be_found(text):
    assert leaks(text, {CANARY})


def leaks(text: str, secrets: set[str]) -> list[str]:
    return [spelling for secret in secrets for spelling in spellings(secret) if spelling in text]


# --- Secrets planted wherever one can be stored -----------------------------------------------------


@pytest.fixture
def planted(ada, bob, root, integration, settings) -> dict[str, list]:
    """A secret in every place, and the values of every URL's arguments that lead to them."""
    settings.CONNHUB_EGRESS_ALLOW = []
    made = {kind: plant(kind, ada) for kind in KINDS}
    own = plant_for_login_users(ada)
    plant_rotations(made, ada)
    registration.register(integration, [*made.values(), own], by=ada)
    key, token = keys.issue(integration, environments.lowest(), name="flow", by=ada)
    flows.declare("nightly", name="Nightly", steps=steps(made), by=key)
    flows.create("alone", name="Alone", steps=steps(made), integration=None, by=ada)
    for place in (integration, None):
        key_of = "inside" if place else "alone"
        for sort, uses in ((data_objects.SORT, objects(made)), (functions.SORT, used(made))):
            declaring.create(sort, key_of, name=key_of, uses=uses, integration=place, by=ada)
    pending = Authorization(
        connection=made["oauth2_code"], user=ada, redirect_uri="https://x.example", state_digest="s",
        session_digest="s", expires_at=key.expires_at,
    )  # fmt: skip
    pending.verifier.put(CANARY)
    granted = {"secrets": {"access_token": CANARY}, "scopes": [], "expires_at": None}
    pending.grant.put(granted | {"renewable": False})
    pending.save()
    integration.memberships.create(user=bob)
    admin_tokens.issue("pipeline", by=bob)
    plant_second_factor(ada)
    url = invitations.invite("new@acme.example", role="member", by=root)
    of_shared = plant_shares(made["bearer"], bob, by=ada)
    team = Team.objects.create(name="Data platform")
    for thing in (made["api_key"], made["api_key"].service, integration):
        roles.grant(thing, team, by=ada)
    roles.grant(made["api_key"].service, ada, by=ada)
    of_login_users = {
        "profile/sign-ins/.link_name": [own.link_name],
        "api/v1/admin/connections/<slug:link_name>/sign-ins.link_name": [own.link_name],
        "connections:sign_ins.link_name": [own.link_name],
        "connections:remove_sign_in.link_name": [own.link_name],
        "connections:remove_sign_in.pk": [own.credentials.get().pk],
    }
    return (
        arguments(made, integration, key, bob)
        | of_login_users
        | of_shared
        | {
            "token": [token],
            "admin token": [admin_tokens.issue("of ada", by=ada)[1]],
            "admin token of root": [admin_tokens.issue("of root", by=root)[1]],
            "accounts:invitation_link.token": [url.split("/")[-2]],
            "accounts:send_invitation.public_id": [Invitation.objects.get().public_id],
            "accounts:withdraw_invitation.public_id": [Invitation.objects.get().public_id],
            "accounts:reset_link.token": ["something"],
            "people/.public_id": [bob.public_id],
            "other_account.pk": [pending.pk],
            "sequence": [1],
            "code": ["unauthorized"],
            "format": ["csv"],
            "connections:one_import.pk": [plant_import(ada).pk],
            **plant_connect_links([made["oauth2_code"], made["api_key"]], ada),
            "connections:delete_view.public_id": [
                ada.saved_views.create(name="Mine", query="q=b").public_id
            ],
            "connections:one_bulk_test.pk": [run := plant_bulk_test(ada).pk],
            "api/v1/admin/.pk": [run],
            "api/v1/admin/.public_id": [bob.public_id],
        }
    )


def plant_second_factor(person: User) -> None:
    factor = SecondFactor.objects.create(user=person, confirmed_at=timezone.now())
    factor.seed.put(CANARY)
    factor.save()
    person.recovery_codes.create(digest=digest(CANARY))


def plant_shares(connection: Connection, person: User, by: User) -> dict[str, list]:
    """A connection and its service, shared with a person and with their team."""
    team = Team.objects.create(name="Data")
    team.user_set.add(person)
    for thing in (connection, connection.service):
        for admin in (by, person, team):
            roles.grant(thing, admin, by=by)
    return {
        "connections/.key": [connection.link_name],
        "services/.key": [connection.service.slug],
        "teams/.public_id": [team.public_id],
        "person": [person.public_id],
        **{
            f"{kind}_share:remove_person.public_id": [person.public_id]
            for kind in ("connection", "service")
        },
        **{
            f"{kind}_share:remove_team.public_id": [team.public_id]
            for kind in ("connection", "service")
        },
    }


def plant_import(by: User) -> Import:
    """A file with all of their secrets, looked at and waiting for what they decide."""
    mine = Connection.objects.administered_by(by)
    file = exporting.export(mine, with_secrets=True, sealed_under=PASSPHRASE, by=by)
    return imports.keep(imports.open_file(file, PASSPHRASE, by=by), by=by)


def plant_connect_links(connections: list[Connection], by: User) -> dict[str, list]:
    """Links that somebody may open, and the pages about them."""
    sent = [making.make(connection, by=by) for connection in connections]
    pks = [link.pk for link, _ in sent]
    pages_of = ("connect_link.pk", "connections:withdraw_connect_link.pk")
    return {"link_token": [token for _, token in sent]} | dict.fromkeys(pages_of, pks)


def plant_bulk_test(by: User) -> BulkTest:
    """Tests of all that they administer, of which the first was made."""
    mine = Connection.objects.administered_by(by)
    run = bulk.start(mine, by=by, enqueue=lambda *_: None)
    bulk.test_next(str(run.pk), NOWHERE, enqueue=lambda *_: None)
    return run


def plant(kind: str, by: User) -> Connection:
    driver = "postgresql" if kind == "database" else ""
    service = ServiceFactory(slug=f"{kind}-service".replace("_", "-"), driver=driver)
    method = AuthMethodFactory(service=service, kind=kind, label=kind)
    if kind in SIGNS_IN:
        method.config = SIGNS_IN[kind]
        method.save()
        shared = OAuthApp(service=service, shared=True, client_id="shared")
        shared.client_secret.put(CANARY)
        shared.save()
    own_app = {"client_id": "ours", "client_secret": CANARY} if kind in SIGNS_IN else {}
    where = {"host": "db.example", "port": "5432", "database": "crm", "user": "grace"}
    connection = connect(
        by, method=method, name=f"With {kind}", link_name=f"with_{kind}", secrets=KINDS[kind],
        access_mode="credentials", parameters=where if driver else {}, **own_app,
    )  # fmt: skip
    keep(connection, Granted(KINDS[kind], renewable=True), environment=None)
    return connection


def plant_rotations(connections: dict[str, Connection], by: User) -> None:
    """A next value that waits, and an old one in its grace time."""
    rotation.give(connections["api_key"], KINDS["api_key"], by=by)
    rotation.give(connections["bearer"], KINDS["bearer"], by=by)
    rotation.switch(connections["bearer"], by=by)


def plant_for_login_users(by: User) -> Connection:
    """A connection that the person signed in to with a key of their own."""
    made = connect(by, name="Own", link_name="own_keys", secrets={}, login_user=True)
    login_users.sign_in(made, {"key_1": CANARY}, by=by)
    return made


def objects(connections: dict[str, Connection]) -> list[data_objects.DeclaredObject]:
    return [data_objects.DeclaredObject(kind, c.link_name) for kind, c in connections.items()]


def used(connections: dict[str, Connection]) -> list[functions.DeclaredUse]:
    return [functions.DeclaredUse(connection.link_name) for connection in connections.values()]


def steps(connections: dict[str, Connection]) -> list[flows.DeclaredStep]:
    return [flows.DeclaredStep(kind, "export", c.link_name) for kind, c in connections.items()]


def arguments(connections, integration, key, member) -> dict[str, list]:
    """By argument, or by the beginning of the route (or the URL's name) and the argument."""
    first = next(iter(connections.values()))
    day = CallDay.objects.create(connection=first, integration=integration, day=date(2026, 11, 1))
    rows = {
        "accounts/user": member.pk,
        "accounts/environment": environments.lowest().pk,
        "accounts/admintoken": member.admin_tokens.get().pk,
        "accounts/invitation": Invitation.objects.first().pk,
        "accounts/secondfactor": SecondFactor.objects.first().pk,
        "accounts/session": "none",
        "audit/event": Event.objects.latest("sequence").pk,
        "connections/connection": first.pk,
        "connections/credential": first.credentials.get().pk,
        "connections/connectionusergrant": first.user_grants.get().pk,
        "connections/connectionteamgrant": first.team_grants.get().pk,
        "services/service": first.service_id,
        "services/oauthapp": OAuthApp.objects.filter(shared=True).first().pk,
        "services/serviceusergrant": first.service.user_grants.get().pk,
        "services/serviceteamgrant": first.service.team_grants.get().pk,
        "accounts/team": first.team_grants.get().group_id,
        "usage/callday": day.pk,
        "usage/integrationusergrant": integration.user_grants.get().pk,
        "usage/integrationteamgrant": integration.team_grants.get().pk,
        "usage/project": integration.project_id,
        "usage/integration": integration.pk,
        "usage/flow": integration.flows.get().pk,
        "usage/integrationkey": key.pk,
    }
    return {
        "link_name": [connection.link_name for connection in connections.values()],
        "integrations/.link_name": [first.link_name],
        "slug": [integration.slug],
        "services/.slug": [connection.service.slug for connection in connections.values()],
        "connections/try/.pk": [first.service.operations.create(method="GET", path="/me").pk],
        "connections/new/.slug": [connection.service.slug for connection in connections.values()],
        "service": [connections["oauth2_code"].service.slug],
        "api/v1/flows/.slug": ["nightly"],
        "integrations/<slug:slug>/flows/.key": ["nightly"],
        "integrations/<slug:slug>/apps/.key": ["inside"],
        "integrations/<slug:slug>/functions/.key": ["inside"],
        **{f"{noun}s/.key": ["alone"] for noun in ("flow", "app", "function")},
        "projects/.slug": [integration.project.slug],
        "api/v1/.app": ["inside"],
        "api/v1/data-objects/.name": [next(iter(connections))],
        "api/v1/functions/.name": ["inside"],
        "api/v1/admin/services/.slug": [
            connection.service.slug for connection in connections.values()
        ],
        "api/v1/admin/connections/.slug": ["production"],
        "usage:remove_member.public_id": [member.public_id],
        "person_access.public_id": [member.public_id],
        "accounts:revoke_admin_token.pk": [member.admin_tokens.get().pk],
        "usage:revoke_key.pk": [key.pk],
        "usage:rotate_key.pk": [key.pk],
        "integrations/.key": [integration.slug],
        "integration_share:remove_person.public_id": [integration.user_grants.get().user.public_id],
        "integration_share:remove_team.public_id": [
            integration.team_grants.get().group.team_id.public_id
        ],
        "content_type_id": [ContentType.objects.get_for_model(Connection).pk],
        "admin/r/.object_id": [first.pk],
        # Not of ConnHub's own: closed to everybody.
        "admin/auth/.object_id": ["1"],
        "admin/axes/.object_id": ["1"],
        **{f"admin/{model}/.object_id": [pk] for model, pk in rows.items()},
        "ref": ["something"],
        "app_label": ["connections"],
        "url": ["anything"],
        "rest": ["anything"],
    }


def test_every_place_for_a_secret_has_one(planted):
    empty = [
        model.__name__
        for model in (Credential, OAuthApp, Authorization, Import, Rotation, SecondFactor)
        if not all(
            CANARY in str(getattr(row, field.name).open().reveal())
            for row in model.objects.all()
            for field in model._meta.fields
            if isinstance(field, SealedField)
        )
        or not model.objects.exists()
    ]

    assert empty == []
    assert Credential.objects.count() == len(KINDS) + 1


# --- The walk -----------------------------------------------------------------------------------------


@pytest.fixture
def visitor(request, planted, who) -> Client:
    if who == "nobody":
        return Client(raise_request_exception=False)
    return browser_of(request.getfixturevalue(who))


def browser_of(person: User) -> Client:
    """Signed in, in the session in which what they began goes on."""
    browser = Client(raise_request_exception=False)
    browser.force_login(person)
    session_digest = digest(browser.session.session_key or "")
    Authorization.objects.filter(user=person).update(session_digest=session_digest)
    return browser


def everything_of(response) -> str:
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return body.decode(errors="replace") + str(response.headers) + str(response.cookies)


def ways_to_ask(page: Page, planted: dict[str, list]) -> Iterator[dict]:
    """As a browser, as htmx, and with an integration key or admin tokens."""
    yield {}
    yield {"HX-Request": "true"}
    if page.route.startswith("api/"):
        yield from bearers(planted)


def bearers(planted: dict[str, list]) -> Iterator[dict]:
    for name in ("token", "admin token", "admin token of root"):
        yield {"Authorization": f"Bearer {planted[name][0]}"}


def logged(caplog) -> str:
    return "".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)


@pytest.mark.parametrize("who", CAST)
def test_no_page_shows_a_secret(planted, visitor, who, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    tokens = {planted[name][0] for name in ("token", "admin token", "admin token of root")}
    secrets = {CANARY, PASSWORD, *tokens}

    leaking, broken = [], []
    for page in pages(planted):
        for headers in ways_to_ask(page, planted):
            response = visitor.get(page.url, headers=headers)
            if leaks(everything_of(response), secrets):
                leaking.append(page.url)
            if response.status_code >= 500:
                broken.append(page.url)

    assert leaking == []
    assert broken == []
    assert leaks(logged(caplog) + "".join(capfd.readouterr()), secrets) == []


def test_the_walk_reaches_every_page(planted, ada, root):
    """A value that leads nowhere would hide a page from the test above."""
    visitors = [browser_of(ada), browser_of(root)]

    unreached = {
        page.name
        for page in pages(planted)
        if all(
            visitor.get(page.url, headers=bearer).status_code in (404, 401)
            for visitor in visitors
            for bearer in bearers(planted)
        )
    }

    assert unreached == FINDS_NOTHING


@pytest.mark.parametrize("who", ["ada", "root"])
def test_no_form_gives_back_what_was_typed_or_stored(planted, visitor, who, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    typed = "typed-" + CANARY[::-1] + "-just-now"

    leaking, asked = [], 0
    for page in pages(planted):
        for data in wrongly_filled_in(visitor, page.url, typed):
            asked += 1
            for headers in ({}, {"HX-Request": "true"}):
                response = visitor.post(page.url, data, headers=headers)
                if leaks(everything_of(response), {CANARY, typed}):
                    leaking.append(page.url)

    assert leaking == []
    assert asked >= 10
    assert leaks(logged(caplog) + "".join(capfd.readouterr()), {CANARY, typed}) == []


def wrongly_filled_in(visitor: Client, url: str, secret: str) -> Iterator[dict]:
    """The page's forms with a secret where one belongs, and nonsense or nothing in all else."""
    context = visitor.get(url).context
    form = context.get("form") if context else None
    for nonsense in ("\0", "") if form is not None else ():
        yield {
            name: secret if is_for_secrets(field) else nonsense
            for name, field in form.fields.items()
        }


TRIED = {"name": "Acme", "slug": "acme", "category": "CRM", "base_url": "https://api.acme.example"}
TRIED |= {"test_method": "GET", "test_path": "/me", "test": "1", "run": "1"}


@pytest.mark.parametrize("kind", FORMS)
def test_credentials_that_a_service_is_tried_with_come_back_nowhere(
    ada, client, settings, kind, caplog, capfd
):
    caplog.set_level(logging.DEBUG)
    settings.CONNHUB_EGRESS_ALLOW = []
    client.force_login(ada)
    form = FORMS[kind]()
    urls = [n for n in form.fields if n.endswith("_url") and not n.startswith(("base", "docs"))]
    typed = shown_by(form) | TRIED | dict.fromkeys(urls, "https://api.acme.example/x")
    typed |= {"key_1_name": "X-Key", "field_1_name": "pin", "field_1_secret": "on"}
    typed |= {"token_path": "token", "service": "s3", "region": "eu-west-1"}
    names = ("key_1", "pin", "token", "password", "client_secret", "private_key")
    names = (*names, "secret_access_key", "session_token")
    sample = {f"try_{name}": CANARY for name in names}
    public = {f"try_{name}": "public" for name in ("client_id", "access_key_id", "username")}

    answers = [
        client.post(
            f"/connections/try-service/?type={kind}", typed | sample | more, headers=headers
        )
        for more in (public, {"try_client_id": "\0"}, {"base_url": "nonsense"})
        for headers in ({}, {"HX-Request": "true"})
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 307, 307]
    assert answers[0].context["report"]
    assert leaks("".join(map(everything_of, answers)), {CANARY}) == []
    assert leaks(logged(caplog) + "".join(capfd.readouterr()), {CANARY}) == []
    assert leaks(str(list(Event.objects.values())), {CANARY}) == []


def shown_by(form) -> dict[str, str]:
    """What a form says before anything is typed into it."""
    values = {name: form[name].value() for name in form.fields}
    choices = {
        name: field.choices[0][0]
        for name, field in form.fields.items()
        if hasattr(field, "choices")
    }
    return choices | {name: value for name, value in values.items() if value not in (None, False)}


def is_for_secrets(field) -> bool:
    return isinstance(field, SecretField) or isinstance(field.widget, PasswordInput)


def test_the_record_holds_no_secret(planted):
    assert leaks(str(list(Event.objects.values())), {CANARY, PASSWORD, planted["token"][0]}) == []


def test_an_error_in_a_page_puts_no_secret_in_the_logs(
    planted, client, ada, monkeypatch, caplog, capfd
):
    client.force_login(ada)
    client.raise_request_exception = False

    def fail(event, change):
        raise RuntimeError("cannot happen")

    monkeypatch.setattr("connhub.audit.log._append", fail)
    response = client.post(
        "/connections/with_bearer/edit/",
        {"name": "x", "s_token": CANARY, "access_mode": "proxy", "description": ""},
    )

    assert response.status_code == 500
    assert leaks(everything_of(response), {CANARY}) == []
    assert leaks(logged(caplog) + "".join(capfd.readouterr()), {CANARY}) == []
