import pytest
from django.core.exceptions import PermissionDenied

from connhub.accounts import environments
from connhub.accounts.models import Role, Team
from connhub.accounts.permissions import may
from connhub.audit.models import Event
from connhub.connections import lifecycle
from connhub.services import custom
from connhub.services.custom import Definition, MethodDefinition
from connhub.services.models import AuthMethod, Origin, Service
from connhub.sharing import roles
from tests.factories import ServiceFactory, UserFactory, connect

pytestmark = pytest.mark.django_db

KEY = {"name": "X-Key", "in": "header", "label": "Key", "prefix": "", "secret": True, "help": ""}


def definition(**changes) -> Definition:
    keys = {"keys": [KEY | changes.pop("key", {})]}
    facts = {
        "name": "Acme",
        "category": "CRM",
        "base_url": "https://api.acme.example/v1",
        "methods": [MethodDefinition("api_key", "API key", keys)],
    }
    return Definition(**facts | changes)


def oauth(**urls) -> MethodDefinition:
    config = {"authorize_url": "https://a.example/a", "token_url": "https://a.example/t"} | urls
    return MethodDefinition("oauth2_code", "OAuth 2.0", config)


@pytest.fixture
def acme(ada) -> Service:
    return custom.create(definition(), slug="acme", by=ada)


def actions(thing) -> list[str]:
    events = Event.objects.filter(object_type="service", object_id=str(thing.pk))
    return list(events.order_by("sequence").values_list("action", flat=True))


def test_create_makes_a_custom_service_whose_creator_administers_it(acme, ada, bob):
    assert (acme.origin, acme.listed) == (Origin.CUSTOM, True)
    assert [m.config["keys"] for m in acme.auth_methods.all()] == [[KEY]]
    assert roles.is_admin(ada, acme)
    assert not roles.is_admin(bob, acme)
    assert actions(acme) == ["service.created"]


def test_what_stands_in_braces_becomes_a_parameter(ada):
    service = custom.create(
        definition(
            base_url="https://{sub_domain}.acme.example", methods=[oauth(token_url="https://x/{a}")]
        ),
        slug="acme",
        by=ada,
    )

    assert [p["name"] for p in service.parameters] == ["sub_domain", "a"]
    assert service.parameters[0]["label"] == "Sub domain"


def test_members_make_no_services(eve):
    with pytest.raises(PermissionDenied):
        custom.create(definition(), slug="acme", by=eve)

    assert not Service.objects.filter(slug="acme").exists()


@pytest.mark.parametrize("slug", ["acme", "new", "register"])
def test_a_slug_that_is_taken_or_reserved_is_refused(acme, ada, slug):
    with pytest.raises(custom.SlugTaken):
        custom.create(definition(), slug=slug, by=ada)


def test_edit_changes_what_it_says_and_keeps_the_auth_methods_row(acme, ada):
    method = acme.auth_methods.get()

    custom.edit(acme, definition(name="Acme 2", base_url="https://b.example"), by=ada)

    acme.refresh_from_db()
    assert (acme.name, acme.base_url) == ("Acme 2", "https://b.example")
    assert acme.auth_methods.get() == method
    assert Event.objects.latest("sequence").fields == ["base_url", "name"]


@pytest.mark.parametrize(
    "changes",
    [
        {"base_url": "https://evil.example"},
        {"key": {"name": "X-Other"}},
        {"key": {"in": "query"}},
        {"key": {"prefix": "Bearer "}},
        {"key": {"secret": False}},
        {"methods": [MethodDefinition("bearer", "Bearer token")]},
        {"methods": []},
    ],
)
def test_nothing_that_moves_a_secret_changes_while_a_connection_holds_one(acme, ada, changes):
    connection = connect(ada, method=acme.auth_methods.get())

    with pytest.raises(custom.SecretsWouldMove) as refused:
        custom.edit(acme, definition(**changes), by=ada)

    assert refused.value.links == [("Billing", connection.get_absolute_url())]
    assert custom.sending(custom.definition_of(acme)) == custom.sending(definition())


def test_an_endpoint_of_an_environment_does_not_move_either(acme, ada):
    connect(ada, method=acme.auth_methods.get())

    with pytest.raises(custom.SecretsWouldMove):
        custom.edit(
            acme, definition(endpoints={environments.lowest(): "https://e.example"}), by=ada
        )

    assert not acme.endpoints.exists()


def test_words_may_change_while_a_connection_holds_a_secret(acme, ada):
    connect(ada, method=acme.auth_methods.get())

    custom.edit(acme, definition(name="Better", key={"label": "The key"}), by=ada)

    assert Service.objects.get(slug="acme").name == "Better"


def test_a_connection_that_was_revoked_holds_nothing_back(acme, ada):
    connection = connect(ada, method=acme.auth_methods.get())
    lifecycle.revoke(connection, by=ada)

    custom.edit(acme, definition(base_url="https://b.example"), by=ada)

    assert Service.objects.get(slug="acme").base_url == "https://b.example"


def test_connections_that_one_may_not_see_are_not_named(acme, ada, bob):
    connect(bob, method=acme.auth_methods.get())

    with pytest.raises(custom.SecretsWouldMove) as refused:
        custom.edit(acme, definition(base_url="https://b.example"), by=ada)

    assert refused.value.links == []


def test_a_method_that_is_gone_but_used_is_retired(acme, ada):
    connection = connect(ada, method=acme.auth_methods.get())
    lifecycle.revoke(connection, by=ada)

    custom.edit(acme, definition(methods=[oauth()]), by=ada)

    assert [m.kind for m in acme.auth_methods.offered()] == ["oauth2_code"]
    assert AuthMethod.objects.get(pk=connection.auth_method_id).config["retired"] is True


@pytest.mark.parametrize("who", ["bob", "eve", "root"])
def test_only_its_admins_edit_and_delete(acme, request, who):
    by = request.getfixturevalue(who)

    for change in (
        lambda: custom.edit(acme, definition(), by=by),
        lambda: custom.delete(acme, by=by),
    ):
        with pytest.raises(PermissionDenied):
            change()

    assert actions(acme) == ["service.created"]


def test_a_team_may_administer_a_service(acme, ada, bob):
    team = Team.objects.create(name="Sales")
    bob.groups.add(team)

    roles.grant(acme, team, by=ada)

    assert may(bob, "service.edit", acme)


def test_nobody_who_is_deactivated_administers(acme, ada):
    ada.is_active = False

    assert not may(ada, "service.edit", acme)
    assert not may(UserFactory(role=Role.ADMIN, is_active=False), "service.create")


def test_default_services_are_nobodys_to_edit(ada):
    default = ServiceFactory(origin=Origin.DEFAULT)
    roles.grant(default, ada, by=None)

    with pytest.raises(PermissionDenied):
        custom.edit(default, definition(), by=ada)


def test_an_unlisted_service_keeps_its_connections(acme, ada):
    connection = connect(ada, method=acme.auth_methods.get())

    custom.set_listed(acme, False, by=ada)
    custom.set_listed(acme, True, by=ada)
    custom.set_listed(acme, False, by=ada)

    assert not Service.objects.listed().filter(pk=acme.pk).exists()
    assert connection.credentials.live().count() == 1
    assert actions(acme)[1:] == ["service.unlisted", "service.listed", "service.unlisted"]


def test_super_admins_unlist_default_services_and_others_do_not(root, ada):
    default = ServiceFactory(origin=Origin.DEFAULT)

    custom.set_listed(default, False, by=root)
    with pytest.raises(PermissionDenied):
        custom.set_listed(default, True, by=ada)

    assert not Service.objects.get(pk=default.pk).listed


def test_delete_is_for_what_was_never_used(acme, ada):
    custom.delete(acme, by=ada)

    assert not Service.objects.filter(slug="acme").exists()
    assert Event.objects.latest("sequence").action == "service.deleted"


def test_delete_is_refused_while_a_connection_uses_it(acme, ada):
    connection = connect(ada, method=acme.auth_methods.get())

    with pytest.raises(custom.StillInUse) as refused:
        custom.delete(acme, by=ada)

    assert refused.value.links == [("Billing", connection.get_absolute_url())]
