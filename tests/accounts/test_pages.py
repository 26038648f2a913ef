import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.urls import reverse

from connhub.accounts import environments
from connhub.accounts.models import Environment, Team, User
from connhub.accounts.permissions import may
from connhub.audit.models import Event
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db

PROFILE, SETTINGS = reverse("accounts:profile"), reverse("accounts:settings")
NEW_PASSWORD = "another horse battery staple"


@pytest.fixture
def signed_in(client, ada):
    client.force_login(ada)
    return client


def links(response, heading):
    """The labels under a heading of the settings page."""
    section = (
        response.content.decode().partition(f"<h2>{heading}</h2>")[2].partition("</section>")[0]
    )
    return [part.partition("</b>")[0] for part in section.split("<b>")[1:]]


def test_settings_show_connections_under_automation(signed_in):
    response = signed_in.get(SETTINGS)

    assert links(response, "Automation") == ["Connections", "Services", "Integrations"]
    assert f'href="{reverse("connections:list")}"' in response.content.decode()


@pytest.mark.parametrize(
    ("who", "people", "security"),
    [
        ("ada", ["My profile", "External data connections"], ["Environments"]),
        ("eve", ["My profile", "External data connections"], ["Environments"]),
        (
            "root",
            ["My profile", "External data connections", "Users", "Teams"],
            ["Environments", "Sign-in", "Keys", "Audit log", "Django admin"],
        ),
    ],
)
def test_settings_show_each_person_what_is_for_them(client, request, who, people, security):
    client.force_login(request.getfixturevalue(who))

    response = client.get(SETTINGS)

    assert links(response, "People") == people
    assert links(response, "Security") == security


def test_a_person_changes_their_own_name_and_it_is_on_record(signed_in, ada):
    response = signed_in.post(
        PROFILE, {"name": "Ada Lovelace", "role": "super_admin", "email": "x@x.x"}
    )

    ada.refresh_from_db()
    assert (response.status_code, response.url) == (303, PROFILE)
    assert (ada.name, ada.role, ada.email) == ("Ada Lovelace", "admin", "ada@acme.example")
    event = Event.objects.first()
    assert (event.action, event.actor, event.fields) == ("person.renamed", "Ada Lovelace", ["name"])


@pytest.mark.parametrize("name", ["", "   ", "x" * 81])
def test_a_name_that_cannot_be_is_refused(signed_in, ada, name):
    response = signed_in.post(PROFILE, {"name": name})

    assert response.status_code == 200
    assert list(response.context["form"].errors) == ["name"]
    assert User.objects.get(pk=ada.pk).name == "Ada"


@pytest.mark.parametrize(
    ("old", "new", "again", "field"),
    [
        ("wrong", NEW_PASSWORD, NEW_PASSWORD, "old_password"),
        (PASSWORD, NEW_PASSWORD, "other", "new_password2"),
        (PASSWORD, "short", "short", "new_password2"),
        (PASSWORD, "ada@acme.example", "ada@acme.example", "new_password2"),
        (PASSWORD, "", "", "new_password1"),
    ],
)
def test_a_new_password_takes_the_old_one_and_a_good_one(signed_in, ada, old, new, again, field):
    response = signed_in.post(
        reverse("accounts:password"),
        {"old_password": old, "new_password1": new, "new_password2": again},
    )

    assert field in response.context["form"].errors
    assert User.objects.get(pk=ada.pk).check_password(PASSWORD)


def test_a_new_password_is_on_record_without_it(signed_in, ada):
    signed_in.post(
        reverse("accounts:password"),
        {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD},
    )

    event = Event.objects.first()
    assert (event.action, event.fields, event.detail) == (
        "person.password_changed",
        ["password"],
        {},
    )
    assert User.objects.get(pk=ada.pk).check_password(NEW_PASSWORD)


def test_guessing_the_old_password_is_throttled(signed_in, ada):
    guess = {"old_password": "wrong", "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    for _ in range(10):
        tenth = signed_in.post(reverse("accounts:password"), guess)

    response = signed_in.post(reverse("accounts:password"), guess | {"old_password": PASSWORD})

    assert (tenth.status_code, response.status_code) == (429, 429)
    assert User.objects.get(pk=ada.pk).check_password(PASSWORD)


def test_the_environments_are_listed_from_the_lowest(signed_in):
    response = signed_in.get(reverse("accounts:environments"))

    names = [environment.name for environment in response.context["environments"]]
    assert names == ["Development", "Staging", "Production"]
    assert environments.lowest().slug == "development"


def test_an_account_that_has_environments_keeps_its_own():
    Environment.objects.exclude(slug="production").delete()

    environments.create_default(None, using="default")

    assert [e.slug for e in Environment.objects.all()] == ["production"]


def test_two_people_cannot_have_one_address_in_any_case(ada):
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(email="ADA@acme.example", name="Another")


def test_there_is_no_django_superuser(root):
    assert not root.is_superuser
    assert not root.has_perm("accounts.change_user")
    assert not root.has_perm("connections.administer_connection")
    assert User.objects.create_user("new@acme.example", PASSWORD).is_superuser is None


def test_a_deactivated_super_admin_is_none():
    person = UserFactory(role="super_admin", is_active=False)

    assert not person.is_super_admin
    assert not person.is_staff
    assert not may(person, "environment.connect_in")


@pytest.mark.parametrize(
    ("who", "all_environments", "account"),
    [("eve", False, False), ("ada", True, False), ("root", True, True)],
)
def test_what_a_role_allows(request, who, all_environments, account):
    person = request.getfixturevalue(who)

    assert may(person, "environment.connect_in") == all_environments
    assert may(person, "account.administer") == account


def test_a_team_is_a_group_with_a_name_for_it():
    assert Team.objects.create(name="Data").pk == Group.objects.get(name="Data").pk


# --- Django admin ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "status"), [("ada", 404), ("bob", 404), ("eve", 404), ("root", 200)]
)
@pytest.mark.parametrize(
    "url_name", ["admin:index", "admin:accounts_user_changelist", "admin:audit_event_changelist"]
)
def test_django_admin_is_for_super_admins(client, request, who, status, url_name):
    client.force_login(request.getfixturevalue(who))

    assert client.get(reverse(url_name)).status_code == status


@pytest.mark.parametrize(
    "url_name", ["admin:index", "admin:login", "admin:accounts_user_changelist"]
)
def test_django_admin_has_no_sign_in_of_its_own(client, root, url_name):
    response = client.get(reverse(url_name), follow=True)

    assert response.redirect_chain[-1][0].startswith(reverse("accounts:sign_in") + "?next=/admin/")


def test_django_admin_sends_to_connhubs_own_password_page(client, root):
    client.force_login(root)

    response = client.post(reverse("admin:password_change"), {"old_password": PASSWORD})

    assert (response.status_code, response.url) == (302, reverse("accounts:password"))


@pytest.mark.parametrize("model", ["accounts_user", "accounts_environment", "audit_event"])
def test_django_admin_changes_nothing(client, root, model):
    client.force_login(root)

    assert client.get(reverse(f"admin:{model}_add")).status_code == 403
    row = root.pk if model == "accounts_user" else 1
    assert (
        client.post(reverse(f"admin:{model}_change", args=[row]), {"name": "x"}).status_code == 403
    )
    assert (
        client.post(reverse(f"admin:{model}_delete", args=[row]), {"post": "yes"}).status_code
        == 403
    )


def test_django_admin_shows_no_password_hash(client, root, ada):
    client.force_login(root)

    page = client.get(reverse("admin:accounts_user_change", args=[ada.pk])).content.decode()

    assert ada.email in page
    assert ada.password not in page


def test_django_admin_offers_only_what_is_connhubs(client, root):
    client.force_login(root)

    apps = {app["app_label"] for app in client.get(reverse("admin:index")).context["app_list"]}

    assert apps <= {"accounts", "audit", "connections", "services", "sharing", "usage"}
