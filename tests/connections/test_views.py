import re

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from connhub.accounts.models import Environment
from connhub.audit.models import Event
from connhub.connections.models import Authorization, Connection, Credential, Status
from connhub.sharing import roles
from connhub.usage.models import App, DataObject
from tests.conftest import CANARY
from tests.connections.steps import actions, secrets
from tests.factories import AuthMethodFactory, ServiceFactory, connect

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
FORM = {"name": "CRM", "link_name": "crm", "access_mode": "proxy", "s_key_1": CANARY}


@pytest.fixture
def method():
    return AuthMethodFactory(service__slug="acme", service__name="Acme")


@pytest.fixture
def tested(upstream, allow):
    """A service with a test that wants the API key of `upstream`."""
    allow(upstream.port)
    service = ServiceFactory(
        slug="tested", base_url=upstream.url, test={"method": "GET", "path": "/key"}
    )
    return AuthMethodFactory(service=service)


@pytest.fixture
def oauth():
    config = {"authorize_url": "https://a.example/a", "token_url": "https://a.example/t"}
    return AuthMethodFactory(kind="oauth2_code", config=config, service__slug="oauth")


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


def said(answer) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


def page(name, *args) -> str:
    return reverse(f"connections:{name}", args=args)


# --- Who may see which page -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("summary", (200, 200, 404, 200)),
        ("edit", (200, 200, 404, 403)),
        ("rename", (200, 200, 404, 403)),
        ("test", (200, 200, 404, 403)),
        ("revoke", (200, 200, 404, 403)),
        ("delete", (200, 200, 404, 403)),
    ],
)
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "fragment"])
def test_who_may_see_a_page_of_a_connection(
    client, ada, bob, eve, root, connection, name, statuses, headers
):
    seen = []
    for person in (ada, bob, eve, root):
        client.force_login(person)
        seen.append(client.get(page(name, "billing"), headers=headers).status_code)

    assert tuple(seen) == statuses


@pytest.mark.parametrize("who", ["eve", "root"])
@pytest.mark.parametrize("name", ["edit", "rename", "authorize", "test", "revoke", "delete"])
def test_who_may_not_changes_nothing(request, client, connection, who, name):
    client.force_login(request.getfixturevalue(who))
    before = actions(connection)

    answer = client.post(page(name, "billing"), {"name": "Mine", "access_mode": "credentials"})

    connection.refresh_from_db()
    assert answer.status_code == {"eve": 404, "root": 403}[who]
    assert (connection.name, connection.status, connection.deleted_at) == (
        "Billing",
        Status.CONNECTED,
        None,
    )
    assert actions(connection) == before


@pytest.mark.parametrize("name", ["list", "gallery", "new", "summary", "edit", "delete"])
def test_pages_are_for_signed_in_people(connection, method, name):
    args = {"new": ["acme"], "summary": ["billing"], "edit": ["billing"], "delete": ["billing"]}

    answer = Client().get(page(name, *args.get(name, [])))

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/sign-in/?next=")


def test_absent_and_invisible_look_alike(client, eve, connection):
    client.force_login(eve)

    answers = [client.get(page("summary", name)) for name in ("billing", "nothing")]

    texts = [
        re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", a.content.decode()) for a in answers
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert texts[0] == texts[1]


def test_deleted_connection_is_gone(signed_in, connection):
    signed_in.post(page("delete", "billing"))

    for name in ("summary", "edit", "rename", "test", "revoke", "delete", "authorize"):
        assert signed_in.get(page(name, "billing")).status_code == 404


@pytest.mark.parametrize("name", ["edit", "rename", "authorize", "test", "revoke", "delete"])
def test_looking_at_a_page_changes_nothing(signed_in, connection, name):
    before = actions(connection)

    for headers in ({}, HTMX):
        signed_in.get(page(name, "billing"), {"name": "Mine"}, headers=headers)
        signed_in.head(page(name, "billing"), headers=headers)

    connection.refresh_from_db()
    assert (connection.name, connection.version) == ("Billing", 1)
    assert actions(connection) == before


@pytest.mark.parametrize("name", ["edit", "rename", "test", "revoke", "delete", "summary"])
@pytest.mark.parametrize("verb", ["put", "patch", "delete"])
def test_other_methods_are_refused(signed_in, connection, name, verb):
    assert getattr(signed_in, verb)(page(name, "billing")).status_code == 405


def test_change_without_csrf_token_is_refused(ada, connection):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ada)

    answer = browser.post(page("delete", "billing"))

    connection.refresh_from_db()
    assert (answer.status_code, connection.deleted_at) == (403, None)


# --- Create ---------------------------------------------------------------------------------------


def test_gallery_shows_the_listed_services(signed_in, method):
    unlisted = ServiceFactory(name="Hidden Service", listed=False)

    text = signed_in.get(page("gallery"), {"kind": "custom"}).content.decode()

    assert (f'href="{page("new", "acme")}"' in text, unlisted.name in text) == (True, False)


def test_create_connects_and_goes_to_the_summary(signed_in, ada, method):
    answer = signed_in.post(page("new", "acme"), FORM)

    made = Connection.objects.get()
    assert (answer.status_code, answer.headers["Location"]) == (303, "/connections/crm/")
    assert (made.name, made.created_by, made.status) == ("CRM", ada, Status.CONNECTED)
    assert secrets(made.credentials.get()) == {"key_1": CANARY}


def test_create_with_htmx_goes_to_the_summary(signed_in, method):
    answer = signed_in.post(page("new", "acme"), FORM, headers=HTMX)

    assert answer.headers["HX-Redirect"] == "/connections/crm/"


def test_create_binds_listed_fields_alone(signed_in, ada, eve, method):
    forged = {"created_by": eve.pk, "status": 5, "version": 9, "owner": eve.pk}

    signed_in.post(page("new", "acme"), FORM | forged)

    made = Connection.objects.get()
    assert (made.created_by, made.status, made.version) == (ada, 1, 1)


def test_create_with_bad_input_keeps_what_is_no_secret(signed_in, method):
    for headers in ({}, HTMX):
        text = signed_in.post(page("new", "acme"), FORM | {"link_name": "A"}, headers=headers)

        shown = text.content.decode()
        assert ('value="CRM"' in shown, CANARY in shown) == (True, False)
    assert not Connection.objects.exists()


def test_bad_input_with_htmx_goes_where_the_form_stands(signed_in, method):
    answer = signed_in.post(page("new", "acme"), {}, headers=HTMX)

    sent = [answer.headers[name] for name in ("HX-Retarget", "HX-Reswap", "HX-Reselect")]
    assert sent == ["#main", "outerHTML", "#main"]


def test_chosen_method_is_asked_for(signed_in, method):
    other = AuthMethodFactory(service=method.service, kind="bearer", label="Token", position=1)

    first = signed_in.get(page("new", "acme"))
    second = signed_in.get(page("new", "acme"), {"method": other.pk})
    unknown = signed_in.get(page("new", "acme"), {"method": "x"})

    assert [answer.context["method"] for answer in (first, second, unknown)] == [
        method,
        other,
        method,
    ]


def test_method_of_another_service_is_not_taken(signed_in, method, oauth):
    answer = signed_in.get(page("new", "acme"), {"method": oauth.pk})

    assert answer.context["method"] == method


@pytest.mark.parametrize("change", ["unlisted", "retired"])
def test_service_that_is_not_offered_is_not_found(signed_in, method, change):
    if change == "unlisted":
        method.service.listed = False
        method.service.save()
    else:
        method.config |= {"retired": True}
        method.save()

    assert signed_in.post(page("new", "acme"), FORM).status_code == 404
    assert not Connection.objects.exists()


def test_member_creates_in_the_lowest_environment(client, eve, method):
    client.force_login(eve)

    answer = client.post(page("new", "acme"), FORM | {"environment": "development"})

    assert answer.status_code == 303
    assert Credential.objects.get().environment.slug == "development"


@pytest.mark.parametrize(
    ("environment", "status"), [("production", 200), ("staging", 200), ("", 403)]
)
def test_members_forged_environment_is_refused(client, eve, method, environment, status):
    client.force_login(eve)

    answer = client.post(page("new", "acme"), FORM | {"environment": environment})

    assert answer.status_code == status
    assert not Connection.objects.exists()


def test_member_without_a_choice_tests_nothing_either(client, eve, tested, upstream):
    client.force_login(eve)

    client.post(page("new", "tested"), FORM | {"test": "1"})

    assert upstream.counts()["requests"] == 0


def test_oauth_goes_on_to_proceed(signed_in, oauth):
    app = {"client_id": "id", "client_secret": CANARY}
    form = FORM | app | {"environment": "staging"}

    answer = signed_in.post(page("new", "oauth"), form)
    popup = signed_in.post(page("new", "oauth"), form | {"link_name": "other"}, headers=HTMX)

    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        "/connections/crm/authorize/?environment=staging",
    )
    assert (popup.headers["HX-Retarget"], popup.headers["HX-Reswap"]) == ("#dialog", "innerHTML")
    assert popup.context["host"] == "a.example"
    assert not Authorization.objects.exists()
    assert set(Connection.objects.values_list("status", flat=True)) == {Status.NOT_CONNECTED}


def test_redirect_uri_is_shown_with_the_clients_fields(signed_in, oauth, settings):
    text = signed_in.get(page("new", "oauth")).content.decode()

    assert f"{settings.CONNHUB_URL}/oauth/callback/oauth/" in text


# --- Create, with a test first --------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "fragment"])
def test_test_before_saving_shows_its_report_and_stores_nothing(
    signed_in, tested, upstream, headers
):
    form = FORM | {"s_key_1": upstream.api_key, "test": "1"}

    answer = signed_in.post(page("new", "tested"), form, headers=headers)

    text = answer.content.decode()
    assert ("It works." in text, upstream.api_key in text) == (True, False)
    assert not Connection.objects.exists()


def test_create_stops_at_a_failing_test(signed_in, tested):
    answer = signed_in.post(page("new", "tested"), FORM)

    text = answer.content.decode()
    assert ("The test failed." in text, 'name="anyway"' in text, CANARY in text) == (
        True,
        True,
        False,
    )
    assert not Connection.objects.exists()


def test_create_anyway_after_a_failing_test(signed_in, tested):
    signed_in.post(page("new", "tested"), FORM | {"anyway": "1"})

    made = Connection.objects.get()
    assert (made.status, made.credentials.get().test_report["ok"]) == (Status.FAILING, False)


def test_create_after_a_test_that_works_keeps_its_report(signed_in, tested, upstream):
    signed_in.post(page("new", "tested"), FORM | {"s_key_1": upstream.api_key})

    made = Connection.objects.get()
    assert (made.status, made.credentials.get().test_report["ok"]) == (Status.CONNECTED, True)
    assert actions(made) == ["connection.created", "connection.tested"]


def test_pop_up_shows_the_last_test(signed_in, tested, upstream):
    signed_in.post(page("new", "tested"), FORM | {"s_key_1": upstream.api_key})

    made = Connection.objects.get()
    shown = signed_in.get(page("test", made.link_name)).content.decode()

    assert "The last test" in shown
    assert "GET /key answered 200." in shown


# --- Rename, edit ---------------------------------------------------------------------------------


def test_rename_on_its_page(signed_in, connection):
    answer = signed_in.post(page("rename", "billing"), {"name": "Invoices"})

    connection.refresh_from_db()
    assert (answer.status_code, answer.headers["Location"]) == (303, "/connections/billing/")
    assert (connection.name, said(answer)) == ("Invoices", ["Renamed."])


def test_rename_in_the_popup(signed_in, connection):
    form = signed_in.get(page("rename", "billing"), headers=HTMX)
    bad = signed_in.post(page("rename", "billing"), {"name": ""}, headers=HTMX)
    done = signed_in.post(page("rename", "billing"), {"name": "Invoices"}, headers=HTMX)

    assert [b"<html" in answer.content for answer in (form, bad)] == [False, False]
    assert [b'hx-target="#dialog"' in answer.content for answer in (form, bad)] == [True, True]
    assert b"This field is required." in bad.content
    assert done.status_code == 204
    assert "connection-changed" in done.headers["HX-Trigger"]


def test_edit_page_shows_no_secret(signed_in, connection):
    text = signed_in.get(page("edit", "billing")).content.decode()

    assert (CANARY in text, "Leave blank to keep it." in text) == (False, True)


def test_edit_updates(signed_in, connection):
    form = {"name": "Invoices", "access_mode": "credentials", "s_key_1": "n3w"}

    answer = signed_in.post(page("edit", "billing"), form)

    connection.refresh_from_db()
    assert (answer.status_code, said(answer)) == (303, ["Updated."])
    assert (connection.name, connection.access_mode) == ("Invoices", "credentials")
    assert secrets(connection.credentials.get()) == {"key_1": "n3w"}


def test_edit_with_bad_input_shows_no_secret(signed_in, connection):
    answer = signed_in.post(page("edit", "billing"), {"name": "", "s_key_1": "typed-just-now"})

    text = answer.content.decode()
    assert [secret for secret in (CANARY, "typed-just-now") if secret in text] == []
    assert secrets(connection.credentials.get()) == {"key_1": CANARY}


# --- Test, revoke, delete -------------------------------------------------------------------------


def test_test_shows_what_it_did(signed_in, ada, tested, upstream):
    connect(ada, method=tested, secret=upstream.api_key)

    answer = signed_in.post(page("test", "billing"))
    popup = signed_in.post(page("test", "billing"), headers=HTMX)

    for text in (answer.content.decode(), popup.content.decode()):
        assert ("It works." in text, "GET /key answered 200." in text) == (True, True)
        assert upstream.api_key not in text
    assert popup.headers["HX-Trigger"] == "connection-changed"


def test_what_is_wrong_is_said_once_for_each_credential(signed_in, connection):
    production = Environment.objects.get(slug="production")
    connection.credentials.update(status=Status.FAILING, last_error="GET /key answered 401.")
    connection.credentials.create(
        environment=production, status=Status.FAILING, last_error="GET /key answered 403."
    )

    text = signed_in.get(page("summary", "billing")).content.decode()

    assert text.count("Same for all: GET /key answered 401.") == text.count("answered 401.") == 1
    assert text.count("answered 403.") == 1


def test_test_of_an_unknown_environment_is_not_found(signed_in, ada, tested, upstream):
    connect(ada, method=tested, secret=upstream.api_key)

    assert signed_in.post(page("test", "billing") + "?environment=nowhere").status_code == 404
    assert upstream.counts()["requests"] == 0


def test_test_is_offered_only_where_there_is_one(signed_in, ada, connection, tested):
    connect(ada, method=tested, link_name="other")

    texts = [signed_in.get(page("summary", name)).content.decode() for name in ("billing", "other")]

    assert [
        f'href="{page("test", name)}"' in text
        for name, text in zip(("billing", "other"), texts, strict=True)
    ] == [False, True]
    refused = signed_in.post(page("test", "billing"))
    assert refused.status_code == 409
    assert b"This service has no test." in refused.content


def test_revoke(signed_in, connection):
    answer = signed_in.post(page("revoke", "billing"))
    again = signed_in.post(page("revoke", "billing"), headers=HTMX)

    connection.refresh_from_db()
    assert (answer.status_code, said(answer)) == (303, ["Billing is revoked."])
    assert connection.status == Status.REVOKED
    assert (again.status_code, again.headers["HX-Retarget"]) == (409, "#dialog")
    assert b"There is nothing to revoke" in again.content


def test_revoke_says_who_uses_it(signed_in, connection):
    app = App.objects.create(slug="desk", name="Desk")
    DataObject.objects.create(app=app, name="Orders", connection=connection)

    assert (
        "<b>1 data object</b>: Orders" in signed_in.get(page("revoke", "billing")).content.decode()
    )


def test_delete(signed_in, connection):
    answer = signed_in.post(page("delete", "billing"))

    assert (answer.status_code, answer.headers["Location"]) == (303, "/connections/")
    assert said(answer) == ["Billing is deleted."]
    assert not Connection.objects.live().exists()


def test_delete_from_the_listing_stays_there(signed_in, connection):
    headers = HTMX | {"HX-Current-URL": "http://testserver/connections/?q=b"}

    answer = signed_in.post(page("delete", "billing"), headers=headers)

    assert answer.status_code == 204
    assert "connection-changed" in answer.headers["HX-Trigger"]


def test_delete_from_the_summary_leads_to_the_listing(signed_in, connection):
    headers = HTMX | {"HX-Current-URL": "http://testserver/connections/billing/"}

    answer = signed_in.post(page("delete", "billing"), headers=headers)

    assert answer.headers["HX-Redirect"] == "/connections/"


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "fragment"])
def test_delete_of_what_is_used_is_refused_with_the_list(signed_in, connection, headers):
    app = App.objects.create(slug="desk", name="Desk")
    DataObject.objects.create(app=app, name="Orders", connection=connection)

    asked = signed_in.get(page("delete", "billing"), headers=headers).content.decode()
    refused = signed_in.post(page("delete", "billing"), headers=headers)

    text = "It is still used by Orders (data object of Desk). Change those first, then delete it."
    link = 'href="/connections/billing/usage/"'
    assert (text in asked, link in asked, "btn danger solid" in asked) == (True, True, False)
    assert refused.status_code == 409
    assert [part in refused.content.decode() for part in (text, link)] == [True, True]
    assert Connection.objects.live().exists()


# --- Summary --------------------------------------------------------------------------------------


def test_summary_shows_no_secret_to_anybody(client, ada, root, connection):
    for person in (ada, root):
        client.force_login(person)
        for headers in ({}, HTMX):
            assert (
                CANARY.encode()
                not in client.get(page("summary", "billing"), headers=headers).content
            )


def test_summary_offers_changes_to_admins_alone(client, ada, root, connection):
    offered = []
    for person in (ada, root):
        client.force_login(person)
        text = client.get(page("summary", "billing")).content.decode()
        offered.append(
            [f'href="{page(name, "billing")}"' in text for name in ("edit", "revoke", "delete")]
        )

    assert offered == [[True] * 3, [False] * 3]


def test_summary_shows_parameters_of_a_connection_for_one_environment(signed_in, ada, method):
    staging = Environment.objects.get(slug="staging")
    connect(ada, method=method, parameters={"shop": "acme"}, environment=staging)

    answer = signed_in.get(page("summary", "billing"))

    stages = answer.context["stages"]
    assert list(answer.context["parameters"]) == [("Shop", "acme")]
    assert [
        (str(stage["environment"]), stage["own"]) for stage in stages if stage["credential"]
    ] == [("Staging", True)]


def test_summary_of_a_revoked_connection_has_nothing_to_test_and_no_expiry(signed_in, ada, tested):
    connect(ada, method=tested)
    before = signed_in.get(page("summary", "billing")).content.decode()
    signed_in.post(page("revoke", "billing"))

    after = signed_in.get(page("summary", "billing")).content.decode()

    url = page("test", "billing")
    assert (url in before, "Not said" in before) == (True, True)
    assert (url in after, "Not said" in after) == (False, False)


@pytest.mark.parametrize(
    ("status", "led"),
    [
        (Status.CONNECTED, False),
        (Status.REVOKED, True),
        (Status.FAILING, True),
        (Status.RECONNECT_NEEDED, True),
    ],
)
def test_summary_leads_to_what_mends_a_connection_without_sign_in(
    signed_in, connection, status, led
):
    Connection.objects.update(status=status)

    text = signed_in.get(page("summary", "billing")).content.decode()

    assert ("Enter credentials" in text) == led


def test_summary_tells_of_scopes_that_were_not_granted(signed_in, ada, oauth):
    made = connect(
        ada, method=oauth, secrets={}, scopes=["read", "write"], client_id="id", client_secret="x"
    )
    before = signed_in.get(page("summary", "billing")).context["drift"]
    Credential.objects.create(
        connection=made, connected_at=made.created_at, scopes_granted=["read"]
    )

    assert (before, signed_in.get(page("summary", "billing")).context["drift"]) == ([], ["write"])


def test_summary_has_the_latest_events(signed_in, connection):
    for _ in range(9):
        signed_in.post(page("rename", "billing"), {"name": "Billing"})

    events = signed_in.get(page("summary", "billing")).context["events"]

    assert [event.sentence for event in events] == ["Ada renamed Billing"] * 8


def test_no_page_is_kept_by_a_cache(signed_in, connection):
    for url in (page("list"), page("summary", "billing"), page("edit", "billing")):
        assert signed_in.get(url).headers["Cache-Control"] == "no-store"


# --- Access ends at once --------------------------------------------------------------------------


def test_removed_admin_is_out_with_the_next_request(client, ada, bob, connection):
    client.force_login(bob)
    before = client.get(page("edit", "billing")).status_code
    connection.user_grants.filter(user=bob).delete()

    after = [client.get(page("edit", "billing")), client.post(page("delete", "billing"))]

    assert (before, [answer.status_code for answer in after]) == (200, [404, 404])


def test_super_admin_who_is_admin_as_well_may_change(client, ada, root, connection):
    roles.grant(connection, root, by=ada)
    client.force_login(root)

    client.post(page("rename", "billing"), {"name": "Ours"})

    assert Event.objects.about(connection)[0].actor == "Root"
