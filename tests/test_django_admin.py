"""SECURITY 10.6: super admins look at everything there, change nothing, and see no secret."""

from datetime import timedelta

import pytest
from django.contrib import admin
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from connhub import admin_site
from connhub.accounts import admin_tokens, environments
from connhub.accounts.models import (
    AdminToken,
    Invitation,
    RecoveryCode,
    SecondFactor,
    Session,
    Team,
)
from connhub.audit.models import Event
from connhub.connections.models import Status
from connhub.services.models import OAuthApp
from connhub.sharing import roles
from connhub.usage import flows, keys, registration
from connhub.usage.models import CallDay
from tests.conftest import CANARY
from tests.factories import AuthMethodFactory, UserFactory, connect
from tests.test_house import INLINE

pytestmark = pytest.mark.django_db

HAS_NO_PAGE = "accounts.session"
OURS = sorted(
    model._meta.label_lower
    for model, registered in admin.site._registry.items()
    if isinstance(registered, admin_site.ReadOnlyAdmin)
)


def url(model: str, page: str, *args) -> str:
    return reverse(f"admin:{model.replace('.', '_')}_{page}", args=args)


@pytest.fixture
def looking(client, root):
    client.force_login(root)
    return client


def fill(ada, integration, number: int) -> None:
    """One of everything that the lists show."""
    method = AuthMethodFactory()
    made = connect(ada, method=method, name=f"C{number}", link_name=f"c{number}", secret=CANARY)
    app = OAuthApp(
        service=method.service, shared=True, client_id=f"client-{number}", created_by=ada
    )
    app.client_secret.put(CANARY)
    app.save()
    factor = SecondFactor(user=UserFactory(), confirmed_at=timezone.now())
    factor.seed.put(CANARY)
    factor.save()
    RecoveryCode.objects.create(user=factor.user, digest=f"{number:064}")
    Client().force_login(factor.user)
    Invitation.objects.create(
        email=f"new{number}@acme.example", role="member", digest=f"{number:064}",
        invited_by=ada, expires_at=timezone.now(),
    )  # fmt: skip
    admin_tokens.issue(f"token {number}", by=ada)
    team = Team.objects.create(name=f"Team {number}")
    for thing in (made, made.service, integration):
        roles.grant(thing, team, by=ada)
        roles.grant(thing, UserFactory(), by=ada)
    registration.register(integration, [made], by=ada)
    key, _ = keys.issue(integration, environments.lowest(), name=f"key {number}", by=ada)
    steps = [flows.DeclaredStep("read", "export", made.link_name)]
    flows.declare(f"flow-{number}", name=f"Flow {number}", steps=steps, by=key)
    CallDay.objects.create(
        day=timezone.localdate() - timedelta(days=number),
        connection=made,
        integration=integration,
        ok=3,
        last_at=timezone.now(),
    )


def test_everything_that_people_ask_about_is_there():
    assert OURS == [
        "accounts.admintoken", "accounts.environment", "accounts.invitation",
        "accounts.secondfactor", "accounts.session", "accounts.team", "accounts.user", "audit.event",
        "connections.connection", "connections.connectionteamgrant",
        "connections.connectionusergrant", "connections.credential", "services.oauthapp",
        "services.service", "services.serviceteamgrant", "services.serviceusergrant",
        "usage.callday", "usage.flow", "usage.integration", "usage.integrationkey",
        "usage.integrationteamgrant", "usage.integrationusergrant", "usage.project",
    ]  # fmt: skip


@pytest.mark.parametrize("model", OURS)
def test_each_list_and_object_opens_without_inline_script_or_style(
    looking, ada, integration, model
):
    fill(ada, integration, 1)
    row = admin.site._registry[model_of(model)].model._default_manager.first()

    pages = [looking.get(url(model, "changelist")), looking.get(url(model, "change", row.pk))]

    # The address of a single session would hold its key.
    assert [page.status_code for page in pages] == [200, 302 if model == HAS_NO_PAGE else 200]
    texts = [page.content.decode() for page in pages]
    assert [INLINE.findall(text) for text in texts] == [[], []]
    assert not any(CANARY in text for text in texts)


def model_of(label: str):
    return next(m for m in admin.site._registry if m._meta.label_lower == label)


@pytest.mark.parametrize("model", OURS)
def test_nothing_can_be_added_changed_or_deleted(looking, ada, integration, model):
    fill(ada, integration, 1)
    manager = model_of(model)._default_manager
    row, before = manager.first(), manager.count()

    answers = [
        looking.post(url(model, "add"), {}).status_code,
        looking.post(url(model, "change", row.pk), {"name": "x"}).status_code,
        looking.post(url(model, "delete", row.pk), {"post": "yes"}).status_code,
    ]
    looking.post(
        url(model, "changelist"), {"action": "delete_selected", "_selected_action": row.pk}
    )

    assert answers == [403, 403, 403]
    # Denials and reads are events themselves.
    assert manager.count() == before or model == "audit.event"


@pytest.mark.parametrize("model", OURS)
def test_a_list_takes_as_many_queries_for_many_rows_as_for_few(looking, ada, integration, model):
    fill(ada, integration, 1)
    looking.get(url(model, "changelist"))
    with CaptureQueriesContext(database) as few:
        looking.get(url(model, "changelist"))
    for number in range(2, 6):
        fill(ada, integration, number)

    with CaptureQueriesContext(database) as many:
        looking.get(url(model, "changelist"))

    assert len(many) <= len(few)
    assert len(many) <= 20


def test_no_list_counts_all_rows_of_a_long_table(looking, ada, monkeypatch):
    monkeypatch.setattr(admin_site, "MOST_COUNTED", 2)
    for number in range(3):
        connect(ada, name=f"C{number}", link_name=f"c{number}")

    response = looking.get(url("connections.connection", "changelist"))

    # Three are shown, of which two were counted.
    assert len(response.context["cl"].result_list) == 3
    assert response.context["cl"].paginator.count == 2
    assert "2 or more" in response.content.decode()


def names(response) -> list[str]:
    return sorted(str(row) for row in response.context["cl"].result_list)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Alpha", "Beta"]),
        ("q=alph", ["Alpha"]),
        ("q=ada@acme", ["Alpha", "Beta"]),
        ("q=%25", []),
        (f"status__exact={Status.REVOKED.value}", ["Beta"]),
        ("status__exact=nonsense", None),
        ("disabled_at__isempty=0", []),
        ("service__id__exact=1&q=beta", None),
        ("owner=ADA", ["Alpha", "Beta"]),
        ("owner=ada&q=alph", ["Alpha"]),
        ("owner=bob", []),
        ("owner=%00", None),
        ("name__startswith=%00", None),
        ("o=99&p=77", None),
    ],
)
def test_connections_are_searched_and_filtered(looking, ada, query, found):
    connect(ada, name="Alpha", link_name="alpha")
    beta = connect(ada, name="Beta", link_name="beta")
    type(beta).objects.filter(pk=beta.pk).update(status=Status.REVOKED)

    response = looking.get(f"{url('connections.connection', 'changelist')}?{query}")

    if found is None:
        assert response.status_code in (200, 302)
    else:
        assert names(response) == found


def test_a_connection_shows_owner_admins_and_last_use_and_leads_on(looking, ada, bob, integration):
    fill(ada, integration, 1)
    row = model_of("connections.connection").objects.get()

    text = looking.get(url("connections.connection", "change", row.pk)).content.decode()

    assert "Team 1" in text
    for leads_to in (
        row.get_absolute_url(),
        f"/audit/?object=connection:{row.pk}",
        f"/admin/connections/credential/?connection__id__exact={row.pk}",
        f"/admin/connections/connectionusergrant/?content_object__id__exact={row.pk}",
    ):
        assert leads_to in text
        assert looking.get(leads_to).status_code == 200


def test_an_owner_is_typed_and_the_other_filters_stay(looking, ada):
    page = looking.get(url("connections.connection", "changelist"), {"q": "a", "owner": "ada"})

    form = page.text.rpartition('name="owner"')[0].rpartition("<form")[2]
    assert '<input type="hidden" name="q" value="a">' in form
    assert 'name="owner" value="ada"' in page.text


@pytest.mark.parametrize(
    ("model", "hidden"),
    [
        ("accounts.user", "password__startswith"), ("accounts.invitation", "digest__startswith"),
        ("accounts.admintoken", "digest__startswith"),
        ("accounts.session", "session_key__startswith"), ("accounts.secondfactor", "seed__gt"),
        ("connections.credential", "payload__startswith"),
        ("usage.integrationkey", "digest__startswith"), ("audit.event", "mac__startswith"),
        ("connections.connection", "created_by__password__startswith"),
        ("accounts.session", "pk__startswith"), ("connections.connection", "nonsense"),
    ],
)  # fmt: skip
def test_nothing_is_filtered_by_what_is_not_shown(looking, model, hidden):
    assert looking.get(url(model, "changelist"), {hidden: "a"}).status_code == 400


def test_no_session_key_and_no_hash_is_shown(looking, ada, integration):
    fill(ada, integration, 1)
    hidden = [*Session.objects.values_list("pk", flat=True), f"{1:064}"]
    hidden += AdminToken.objects.values_list("digest", flat=True)

    pages = [looking.get(url(model, "changelist")).text for model in OURS]
    factor = SecondFactor.objects.get()
    pages.append(looking.get(url("accounts.secondfactor", "change", factor.pk)).text)

    assert not any(secret in page for secret in hidden for page in pages)
    assert "1 left" in pages[-1]


def test_the_pages_of_a_connection_and_a_person_lead_here(looking, ada, connection):
    pages = [looking.get(thing.get_absolute_url()).text for thing in (connection, ada)]

    assert url("connections.connection", "change", connection.pk) in pages[0]
    assert url("accounts.user", "change", ada.pk) in pages[1]


def test_history_is_the_audit_log(looking, ada, connection):
    response = looking.get(url("connections.connection", "history", connection.pk))

    assert response.url == f"/audit/?object=connection:{connection.pk}"


def test_looking_at_credentials_and_events_is_on_record(looking, connection):
    looking.get(url("connections.credential", "change", connection.credentials.get().pk))
    looking.get(url("audit.event", "changelist"), {"outcome": "ok"})
    looking.get(url("audit.event", "change", 1))

    events = Event.objects.filter(actor="Root").order_by("sequence")
    assert [event.sentence for event in events if event.action != "person.signed_in"] == [
        "Root looked at the state of the credential of Billing",
        "Root read the audit log (outcome=ok)",
        "Root read the audit log",
    ]
