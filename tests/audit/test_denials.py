"""SECURITY 9.1, 9.2: who was kept from something, and what was tried in vain, is on record too."""

import pytest
from django.test import Client

from connhub.accounts import environments, invitations, teams
from connhub.accounts.models import Invitation
from connhub.audit.models import Event
from connhub.audit.things import things
from connhub.connections import lifecycle
from connhub.usage import keys
from connhub.usage.models import Flow
from tests.every_url import patterns

pytestmark = pytest.mark.django_db


def last_of(person) -> tuple[str, str, dict]:
    event = Event.objects.filter(actor_type="user", actor_id=str(person.pk)).first()
    return event.sentence, event.outcome, event.detail


@pytest.fixture
def named(ada, bob, root, connection, integration):
    """What names one of each kind in a URL."""
    key, _ = keys.issue(integration, environments.lowest(), name="nightly", by=ada)
    invitations.invite("new@acme.example", role="member", by=root)
    return {
        "key": key.pk,
        "prefix": key.prefix,
        "service": connection.service.slug,
        "service_name": connection.service.name,
        "bob": bob.public_id,
        "invitation": Invitation.objects.get().public_id,
        "team": teams.create("Accounting", by=root).public_id,
    }


@pytest.mark.parametrize(
    ("who", "method", "path", "status", "said"),
    [
        ("eve", "get", "/connections/billing/", 404, "Eve was kept from Billing"),
        ("eve", "post", "/connections/billing/delete/", 404, "Eve was kept from Billing"),
        ("root", "post", "/connections/billing/delete/", 403, "Root was kept from Billing"),
        ("eve", "get", "/connections/absent/", 404, "Eve was kept from a page"),
        ("eve", "get", "/connections/billing/share/", 404, "Eve was kept from Billing"),
        ("eve", "get", "/integrations/order-to-cash/keys/", 404, "Eve was kept from Order to cash"),
        ("eve", "post", "/integrations/order-to-cash/share/add/", 404, "Eve was kept from Order to cash"),
        ("eve", "post", "/integrations/order-to-cash/connections/billing/deregister/", 404, "Eve was kept from Billing"),
        ("eve", "post", "/integrations/order-to-cash/connections/absent/deregister/", 404, "Eve was kept from Order to cash"),
        ("eve", "post", "/integrations/order-to-cash/keys/{key}/revoke/", 404, "Eve was kept from nightly ({prefix}…)"),
        ("bob", "get", "/services/{service}/edit/", 403, "Bob was kept from {service_name}"),
        ("eve", "get", "/services/{service}/share/", 403, "Eve was kept from {service_name}"),
        ("eve", "get", "/people/{bob}/", 403, "Eve was kept from Bob"),
        ("eve", "post", "/people/invitations/{invitation}/send/", 403, "Eve was kept from new@acme.example"),
        ("eve", "get", "/teams/{team}/", 403, "Eve was kept from Accounting"),
        ("eve", "post", "/environments/production/remove/", 403, "Eve was kept from Production"),
        ("eve", "get", "/people/00000000-0000-0000-0000-000000000000/", 403, "Eve was kept from a page"),
        ("eve", "get", "/audit/", 403, "Eve was kept from a page"),
        ("ada", "get", "/admin/", 404, "Ada was kept from a page"),
    ],
)  # fmt: skip
def test_a_denial_is_on_record(client, request, named, who, method, path, status, said):
    person = request.getfixturevalue(who)
    client.force_login(person)
    path, said = path.format(**named), said.format(**named)

    assert getattr(client, method)(path + "?secret=1").status_code == status

    detail = {"method": method.upper(), "path": path}
    assert last_of(person) == (f"{said} ({path})", "denied", detail)


def test_a_deleted_connection_is_still_named(client, ada, connection):
    lifecycle.delete(connection, by=ada)
    client.force_login(ada)

    client.get("/connections/billing/")

    assert last_of(ada)[0] == "Ada was kept from Billing (/connections/billing/)"


def test_a_refused_change_is_on_record_with_why(client, ada, connection):
    flow = Flow.objects.create(slug="nightly", name="Nightly")
    flow.steps.create(kind="export", name="read", connection=connection)
    client.force_login(ada)

    assert client.post("/connections/billing/delete/").status_code == 409

    path = "/connections/billing/delete/"
    assert last_of(ada) == (
        f"Ada could not change Billing (still-in-use, {path})",
        "failed",
        {"method": "POST", "path": path, "code": "still-in-use"},
    )


# What only its maker ever sees, and what is no object.
UNNAMED = (
    "accounts:end_session", "admin-api:get_service", "admin-api:get_tests", "admin-api:nothing_here",
    "accounts:invitation_link", "accounts:reset_link", "admin:", "api-1:",
    "audit:", "connections:delete_view", "connections:one_bulk_test", "connections:one_import",
    "open_connect_link", "other_account", "problem",
)  # fmt: skip


def test_every_page_with_an_argument_names_what_it_is_about():
    starts = tuple(start for thing in things.values() for start in thing.named_in)

    unnamed = {
        name for route, name, _ in patterns() if "<" in route and not route.startswith(starts)
    }

    assert {name for name in unnamed if not name.startswith(UNNAMED)} == set()


def test_pages_that_do_not_exist_and_people_who_are_nobody_leave_nothing(client, ada, connection):
    client.force_login(ada)
    before = Event.objects.count()

    assert client.get("/nothing/of/ours").status_code == 404
    assert Client().get("/connections/billing/").status_code == 302

    assert Event.objects.count() == before


def test_its_admins_see_who_was_kept_from_it(client, ada, eve, connection):
    client.force_login(eve)
    client.get("/connections/billing/")
    client.force_login(ada)

    text = client.get("/connections/billing/activity/").content.decode()

    assert "Eve was kept from" in text
