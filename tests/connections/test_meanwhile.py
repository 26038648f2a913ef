"""Forms that were opened before somebody else changed the connection."""

import pytest

from connhub.accounts.models import Environment
from connhub.audit.models import Event
from connhub.connections import editing, lifecycle, own_settings, restoring, tagging
from connhub.connections.authorize import start
from connhub.connections.lifecycle import Details
from connhub.connections.meanwhile import CHANGES, DeletedMeanwhile
from tests.conftest import CANARY
from tests.connections.steps import actions

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
TYPED = {
    "edit": {"name": "Mine", "description": "My words", "access_mode": "proxy", "tags": "a, b"},
    "rename": {"name": "Mine"},
    "reconnect": {"key_1": "my-secret"},
    "environments/production": {"base_url": "https://mine.example", "s_key_1": "my-secret"},
}


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


def opened(client, page: str) -> str:
    """The version that the page's form was opened with, as the browser sends it back."""
    form = client.get(f"/connections/billing/{page}/").context["form"]
    return str(form["version"].initial or form.initial["version"])


@pytest.mark.parametrize("page", TYPED)
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "pop-up"])
def test_the_one_who_comes_second_is_told_and_keeps_their_input(
    signed_in, bob, connection, page, headers
):
    typed = TYPED[page] | {"version": opened(signed_in, page)}
    lifecycle.rename(connection, to="Of Bob", by=bob)

    lost = signed_in.post(f"/connections/billing/{page}/", typed, headers=headers)

    connection.refresh_from_db()
    form = lost.context["form"]
    assert (lost.status_code, connection.name, connection.version) == (409, "Of Bob", 2)
    assert "Changed since you opened this: Bob renamed it." in lost.content.decode()
    assert {name: form[name].value() for name in typed if "key" not in name} == {
        name: value for name, value in typed.items() if "key" not in name
    } | {"version": "2"}
    assert "my-secret" not in lost.content.decode() and CANARY not in lost.content.decode()
    assert len(actions(connection)) == 2

    again = signed_in.post(f"/connections/billing/{page}/", typed | {"version": "2"})
    assert again.status_code == 303


def test_scopes_that_were_ticked_stay_ticked(client, ada, bob, crm):
    tagging.retag(crm, add=["x"], by=ada)
    client.force_login(ada)
    typed = {"name": "CRM", "scopes": ["read", "write"], "version": "1", "access_mode": "proxy"}
    typed["client_id"] = crm.oauth_app.client_id

    lost = client.post("/connections/crm/edit/", typed)

    assert lost.status_code == 409
    assert lost.context["form"]["scopes"].value() == ["read", "write"]


def test_a_change_that_waits_for_a_sign_in_is_not_made_over_another(
    client, ada, crm, connected, sign_in
):
    form = {"name": "CRM", "access_mode": "proxy", "scopes": ["read", "write"]}
    form |= {"client_id": crm.oauth_app.client_id, "more_scopes": ""}
    url = client.post("/connections/crm/edit/", form).headers["Location"]
    tagging.retag(crm, add=["x"], by=ada)

    answer = client.post(url)

    assert answer.status_code == 409
    assert "Ada changed the tags of it" in answer.content.decode()


def test_a_change_under_way_at_the_provider_is_not_made_over_another(
    client, ada, crm, connected, oauth_server
):
    url = start(
        crm, by=ada, session_key=client.session.session_key, pending={"scopes": ["read", "write"]}
    )
    back = oauth_server.authorize(url)
    tagging.retag(crm, add=["x"], by=ada)

    page = client.get(back[back.index("/oauth/callback") :], follow=True).content.decode()

    crm.refresh_from_db()
    assert (crm.scopes, crm.tags) == (["read"], ["x"])
    assert "Somebody changed the connection meanwhile" in page


def test_only_three_changes_are_told_and_the_others_counted(signed_in, bob, connection):
    for name in "BCDEF":
        lifecycle.rename(connection, to=name, by=bob)

    lost = signed_in.post("/connections/billing/rename/", {"name": "Mine", "version": "1"})

    assert "2 earlier changes; Bob renamed it" in lost.content.decode()


def production():
    return Environment.objects.get(slug="production")


CHANGED_BY = {
    "rename": lambda c, by: lifecycle.rename(c, to="Other", by=by),
    "edit": lambda c, by: editing.edit(c, Details("Other"), by=by),
    "tag": lambda c, by: tagging.retag(c, add=["x"], by=by),
    "disable": lambda c, by: lifecycle.set_disabled(c, True, by=by),
    "reconnect": lambda c, by: editing.reconnect(c, {"key_1": "n3w"}, by=by),
    "own settings": lambda c, by: own_settings.give(
        c, production(), parameters={}, secrets={"key_1": "n3w"}, by=by
    ),
    "revoke": lambda c, by: lifecycle.revoke(c, by=by),
}


@pytest.mark.parametrize("change", CHANGED_BY)
def test_each_change_moves_the_version_on_by_one_and_can_be_told(ada, connection, change):
    CHANGED_BY[change](connection, ada)

    connection.refresh_from_db()
    assert connection.version == 2
    assert Event.objects.about(connection).filter(action__in=CHANGES).count() == 1


def test_restoring_and_dropping_own_settings_move_it_on_too(ada, connection):
    CHANGED_BY["own settings"](connection, ada)
    own_settings.drop(connection, production(), by=ada)
    lifecycle.delete(connection, by=ada)
    restoring.restore(connection, by=ada)

    connection.refresh_from_db()
    assert connection.version == 4
    assert Event.objects.about(connection).filter(action__in=CHANGES).count() == 3


@pytest.mark.parametrize("change", CHANGED_BY)
def test_what_is_deleted_meanwhile_stays_as_it_was(ada, connection, change):
    lifecycle.delete(connection, by=ada)

    with pytest.raises(DeletedMeanwhile):
        CHANGED_BY[change](connection, ada)

    assert actions(connection)[-1] == "connection.deleted"
    assert not connection.credentials.live().exists()
