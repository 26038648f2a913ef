"""SECURITY 9.1, 9.2: who was kept from something, and what was tried in vain, is on record too."""

import pytest
from django.test import Client

from connhub.audit.models import Event
from connhub.usage.models import Flow

pytestmark = pytest.mark.django_db


def last_of(person) -> tuple[str, str, dict]:
    event = Event.objects.filter(actor_type="user", actor_id=str(person.pk)).first()
    return event.sentence, event.outcome, event.detail


@pytest.mark.parametrize(
    ("who", "method", "path", "status", "said"),
    [
        ("eve", "get", "/connections/billing/", 404, "Eve was kept from Billing"),
        ("eve", "post", "/connections/billing/delete/", 404, "Eve was kept from Billing"),
        ("root", "post", "/connections/billing/delete/", 403, "Root was kept from Billing"),
        ("eve", "get", "/connections/absent/", 404, "Eve was kept from a page"),
        ("eve", "get", "/audit/", 403, "Eve was kept from a page"),
        ("ada", "get", "/admin/", 404, "Ada was kept from a page"),
    ],
)
def test_a_denial_is_on_record(client, request, connection, who, method, path, status, said):
    person = request.getfixturevalue(who)
    client.force_login(person)

    assert getattr(client, method)(path + "?secret=1").status_code == status

    detail = {"method": method.upper(), "path": path}
    assert last_of(person) == (f"{said} ({path})", "denied", detail)


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
