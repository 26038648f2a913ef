"""An admin's side of connect links: made, shown once, sent, listed, withdrawn."""

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.urls import reverse
from django.utils import timezone

from connhub.accounts.models import Environment, Letter
from connhub.audit.models import Event
from connhub.connections import editing, lifecycle
from connhub.connections.connect_links import making
from connhub.connections.models import Connection, ConnectLink
from connhub.connections.tasks import forget_expired_authorizations
from connhub.sharing import roles
from tests.connections.connect_links.conftest import send
from tests.connections.steps import actions
from tests.factories import AuthMethodFactory, connect

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
URL = "/connections/billing/connect-link/"
PLACES = [("All environments", None), ("Production", "production")]


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


@pytest.fixture
def production():
    return Environment.objects.get(slug="production")


def withdrawing(link) -> str:
    args = [link.connection.link_name, link.pk]
    return reverse("connections:withdraw_connect_link", args=args)


@pytest.mark.parametrize(
    ("who", "status"), [("ada", 200), ("bob", 200), ("root", 403), ("eve", 404)]
)
def test_only_admins_of_the_connection_make_and_withdraw_links(
    client, request, ada, connection, who, status
):
    client.force_login(request.getfixturevalue(who))
    link = send(connection, ada).link

    assert client.get(URL).status_code == status
    assert client.post(URL).status_code == status
    assert client.post(withdrawing(link)).status_code == (303 if status == 200 else status)
    assert ConnectLink.objects.count() == (2 if status == 200 else 1)


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_the_link_is_shown_once_and_kept_as_a_hash(signed_in, connection, settings, headers):
    made = signed_in.post(URL, {"note": "For the nightly sync"}, headers=headers)

    address = made.context["address"]
    link = ConnectLink.objects.get()
    assert address.startswith(f"{settings.CONNHUB_URL}/connect/open/chl_")
    assert len(address.rpartition("chl_")[2].strip("/")) >= 43
    assert address in made.text
    assert ('class="topbar"' in made.text) is not bool(headers)
    assert link.note == "For the nightly sync"
    assert timedelta(hours=23) < link.expires_at - timezone.now() <= timedelta(hours=24)
    assert address not in signed_in.get("/connections/billing/").text
    assert actions(connection)[-1] == "connect_link.created"


def test_open_links_are_on_the_summary_until_they_are_withdrawn(signed_in, ada, connection):
    link = send(connection, ada).link
    before = signed_in.get("/connections/billing/").text
    signed_in.post(withdrawing(link))
    after = signed_in.get("/connections/billing/").text

    assert (withdrawing(link) in before, withdrawing(link) in after) == (True, False)
    assert actions(connection)[-1] == "connect_link.withdrawn"


def test_the_summary_reads_any_number_of_links_at_once(
    signed_in, ada, connection, django_assert_num_queries
):
    from django.db import connection as database
    from django.test.utils import CaptureQueriesContext

    send(connection, ada)
    with CaptureQueriesContext(database) as one:
        signed_in.get("/connections/billing/")
    for _ in range(5):
        send(connection, ada)

    with django_assert_num_queries(len(one)):
        signed_in.get("/connections/billing/")


def test_a_link_is_withdrawn_once(signed_in, ada, connection):
    link = send(connection, ada).link
    signed_in.post(withdrawing(link))

    assert signed_in.post(withdrawing(link)).status_code == 409


def test_another_connections_link_is_not_there(signed_in, ada, connection):
    other = connect(ada, name="Other", link_name="other")
    link = send(other, ada).link

    url = reverse("connections:withdraw_connect_link", args=["billing", link.pk])
    assert signed_in.post(url).status_code == 404
    assert ConnectLink.objects.open().count() == 1


def test_the_environment_is_asked_for_where_one_has_its_own(signed_in, ada, connection, production):
    without = signed_in.get(URL).context["form"]
    editing.reconnect(connection, {"key_1": "own"}, by=ada, environment=production)
    form = signed_in.get(URL).context["form"]
    nonsense = signed_in.post(URL, {"environment": "staging"}).context["form"]
    signed_in.post(URL, {"environment": "production"})

    assert "environment" not in without.fields
    assert form.fields["environment"].choices == [
        ("all", "All environments"),
        ("production", "Production"),
    ]
    assert "environment" in nonsense.errors
    assert ConnectLink.objects.get().environment == production


def test_the_environment_that_the_page_was_about_is_offered(signed_in, connection):
    form = signed_in.get(f"{URL}?environment=production").context["form"]

    assert form.initial["environment"] == "production"
    assert signed_in.get(f"{URL}?environment=nowhere").status_code == 404


def test_a_member_makes_links_for_the_lowest_environment_alone(client, ada, eve, connection):
    roles.grant(connection, eve, by=ada)
    own = connect(
        eve, name="Own", link_name="own", environment=Environment.objects.order_by("position")[0]
    )
    client.force_login(eve)

    assert client.get(URL).status_code == 403
    assert client.get(f"{URL}?environment=production").status_code == 403
    with pytest.raises(PermissionDenied):
        making.make(connection, by=eve)
    assert client.post("/connections/own/connect-link/").status_code == 200
    assert own.connect_links.get().environment.slug == "development"


@pytest.mark.parametrize("why", ["login_user", "none", "disabled"])
def test_it_is_not_offered_where_nobody_else_could_connect(signed_in, ada, why):
    if why == "login_user":
        connect(ada, login_user=True)
    elif why == "none":
        connect(ada, method=AuthMethodFactory(kind="none", config={}), secrets={})
    else:
        lifecycle.set_disabled(connect(ada), True, by=ada)

    assert "Send connect link" not in signed_in.get("/connections/billing/").text
    assert "Send connect link" not in signed_in.get("/connections/").text
    assert signed_in.get(URL).status_code == 409
    assert signed_in.post(URL).status_code == 409
    assert not ConnectLink.objects.exists()


def test_it_is_offered_on_the_summary_in_the_menu_and_on_the_proceed_page(signed_in, crm):
    for url in ("/connections/crm/", "/connections/", "/connections/crm/authorize/"):
        shown = signed_in.get(url).text
        assert "/connections/crm/connect-link/" in shown
        assert 'class="topbar"' in shown


def test_a_link_that_could_not_be_used_is_not_made(signed_in, crm):
    Connection.objects.update(oauth_app=None)

    answer = signed_in.post("/connections/crm/connect-link/")

    assert answer.status_code == 409
    assert not ConnectLink.objects.exists()


def test_twenty_may_be_open(signed_in, ada, connection):
    for _ in range(20):
        send(connection, ada)

    assert signed_in.post(URL).status_code == 409
    ConnectLink.objects.filter(pk=ConnectLink.objects.first().pk).update(used_at=timezone.now())
    assert signed_in.post(URL).status_code == 200


def test_it_is_sent_by_mail_if_an_address_was_given(signed_in, connection, mailbox):
    address = signed_in.post(
        URL, {"email": "grace@partner.example", "note": "For <the> sync"}
    ).context["address"]

    (letter,) = mailbox.collect()
    text = letter.get_content()
    assert letter["to"] == "grace@partner.example"
    assert letter["subject"] == f"Ada asks you to connect {connection.service}"
    assert address in text and "For <the> sync" in text
    assert "grace@partner.example" in signed_in.get("/connections/billing/").text


@pytest.mark.parametrize("email", ["", "not an address", "a@b.example\r\nBcc: c@d.example"])
def test_no_letter_without_an_address(signed_in, connection, mailbox, email):
    answer = signed_in.post(URL, {"email": email})

    assert bool(answer.context["form"].errors) is bool(email)
    assert mailbox.collect() == []
    assert ConnectLink.objects.exists() is not bool(email)


def test_without_a_mail_server_no_address_is_asked_for(signed_in, connection, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

    answer = signed_in.post(URL, {"email": "grace@partner.example"})

    assert "email" not in answer.context["form"].fields
    assert not Letter.objects.exists()


def test_a_week_after_its_end_a_link_is_forgotten_and_the_record_stays(ada, connection):
    old, young = send(connection, ada).link, send(connection, ada).link
    ConnectLink.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(days=8))

    forget_expired_authorizations.call_local()

    assert list(ConnectLink.objects.all()) == [young]
    assert Event.objects.filter(action="connect_link.created").count() == 2
