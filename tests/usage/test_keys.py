import re
from datetime import timedelta
from io import StringIO

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.utils import timezone

from connhub.accounts import environments
from connhub.accounts.models import Environment
from connhub.audit.models import Event
from connhub.sharing import roles
from connhub.usage import keys
from connhub.usage.models import IntegrationKey
from connhub.usage.problems import Unauthorized
from connhub.vault.keyring import digest


@pytest.fixture
def production(db):
    return Environment.objects.get(slug="production")


@pytest.fixture
def issued(ada, integration):
    return keys.issue(integration, environments.lowest(), name="laptop", by=ada)


def test_issue_keeps_only_a_hash_and_is_on_record(issued):
    key, token = issued

    event = Event.objects.latest("sequence")
    assert re.fullmatch(r"chk_[A-Za-z0-9_-]{43}", token)
    assert (key.prefix, key.digest) == (token[:8], digest(token))
    assert (event.action, event.object_id) == ("key.issued", str(key.pk))
    assert token[8:] not in f"{event.__dict__} {key.__dict__}"


def test_key_is_valid_for_a_year_unless_told_otherwise(issued):
    key, _ = issued

    span = key.expires_at - key.issued_at
    assert abs(span - timedelta(days=365)) < timedelta(minutes=1)


def test_authenticate_finds_the_key_and_remembers_its_use(issued):
    key, token = issued

    found = keys.authenticate(token)

    key.refresh_from_db()
    assert found == key
    assert key.last_used_at is not None


@pytest.mark.parametrize("token", ["", "chk_", "chk_" + "A" * 43, "\x00", "é"])
def test_authenticate_refuses_what_is_no_key(issued, token):
    with pytest.raises(Unauthorized):
        keys.authenticate(token)


def test_authenticate_refuses_the_prefix_and_the_hash(issued):
    key, _ = issued

    for told in (key.prefix, key.digest):
        with pytest.raises(Unauthorized):
            keys.authenticate(told)


def test_authenticate_refuses_an_expired_key(issued):
    _, token = issued
    IntegrationKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    with pytest.raises(Unauthorized):
        keys.authenticate(token)


def test_revoked_key_fails_at_once_and_is_on_record(ada, issued):
    key, token = issued

    keys.revoke(key, by=ada)

    assert Event.objects.latest("sequence").action == "key.revoked"
    with pytest.raises(Unauthorized):
        keys.authenticate(token)


def test_revoke_refuses_what_is_revoked_already(ada, issued):
    key, _ = issued
    keys.revoke(key, by=ada)

    with pytest.raises(keys.KeyRevokedAlready):
        keys.revoke(key, by=ada)


@pytest.mark.parametrize("who", ["bob", "eve", "root"])
def test_keys_are_for_admins_of_the_integration_alone(request, integration, issued, who):
    person = request.getfixturevalue(who)

    with pytest.raises(PermissionDenied):
        keys.issue(integration, environments.lowest(), name="laptop", by=person)
    if who != "root":
        with pytest.raises(PermissionDenied):
            keys.revoke(issued[0], by=person)


def test_a_super_admin_may_revoke_the_keys_that_somebody_leaves_behind(root, issued):
    keys.revoke(issued[0], by=root)

    assert not IntegrationKey.objects.usable().exists()


def test_keys_of_higher_environments_take_the_role_admin(ada, eve, integration, production):
    roles.grant(integration, eve, by=ada)

    keys.issue(integration, environments.lowest(), name="laptop", by=eve)
    with pytest.raises(PermissionDenied):
        keys.issue(integration, production, name="nightly", by=eve)


def test_a_key_and_the_one_that_takes_its_place_work_side_by_side(ada, issued):
    old, token = issued

    new, new_token = keys.rotate(old, by=ada, overlap=timedelta(hours=1))

    event = Event.objects.latest("sequence")
    assert [keys.authenticate(each) for each in (token, new_token)] == [old, new]
    assert (event.action, event.object_id) == ("key.rotated", str(old.pk))
    assert (event.detail["new"], event.detail["hours"]) == (str(new), 1)


def test_the_replaced_key_ends_by_itself_and_never_later_than_before(ada, issued, time_machine):
    old, token = issued
    soon = timezone.now() + timedelta(days=2)
    IntegrationKey.objects.update(expires_at=soon)

    _, new_token = keys.rotate(old, by=ada, overlap=timedelta(days=30))
    time_machine.move_to(soon + timedelta(seconds=1))

    old.refresh_from_db()
    assert old.expires_at == soon
    assert keys.authenticate(new_token).replaces == old
    with pytest.raises(Unauthorized):
        keys.authenticate(token)


def test_a_key_is_replaced_once_and_only_while_it_works(ada, issued):
    old, _ = issued
    new, _ = keys.rotate(old, by=ada, overlap=timedelta(days=1))
    keys.revoke(new, by=ada)

    with pytest.raises(keys.KeyReplacedAlready):
        keys.rotate(old, by=ada, overlap=timedelta(days=1))
    with pytest.raises(keys.KeyOver):
        keys.rotate(new, by=ada, overlap=timedelta(days=1))
    assert IntegrationKey.objects.count() == 2


def issue_key(*arguments, by="ada@acme.example", name=("--name", "nightly")):
    out = StringIO()
    call_command("issue_key", *arguments, *name, "--by", by, stdout=out)
    return out.getvalue()


def test_command_replaces_a_key_of_a_higher_environment(ada, integration, production):
    old, _ = keys.issue(integration, production, name="nightly", by=ada)
    where = ("order-to-cash", "production")

    printed = issue_key(*where, "--overlap-days", "1", name=("--replaces", old.prefix))

    old.refresh_from_db()
    assert keys.authenticate(printed.removesuffix("\n")).replaces == old
    assert old.expires_at - timezone.now() < timedelta(days=1)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--replaces", "chk_none"), "There is no such key chk_none."),
        (("--replaces", "chk_none", "--name", "x"), "Give either --name or --replaces."),
        ((), "Give either --name or --replaces."),
        (
            ("--replaces", "chk_none", "--overlap-days", "0"),
            "--overlap-days must be between 1 and 3650.",
        ),
    ],
)
def test_command_says_what_is_wrong_with_a_replacement(integration, ada, arguments, why):
    with pytest.raises(CommandError) as error:
        issue_key("order-to-cash", "production", name=arguments)

    assert (str(error.value), error.value.returncode) == (why, 2)


def test_command_prints_the_token_and_nothing_else(integration, production):
    printed = issue_key("order-to-cash", "production", "--days", "30")

    key = IntegrationKey.objects.get()
    assert keys.authenticate(printed.removesuffix("\n")) == key
    assert (key.environment, key.name) == (production, "nightly")
    assert key.expires_at - key.issued_at < timedelta(days=30, minutes=1)


@pytest.mark.parametrize(
    ("arguments", "by", "why"),
    [
        (["nothing", "production"], "ada@acme.example", "There is no integration nothing."),
        (["order-to-cash", "moon"], "ada@acme.example", "There is no environment moon."),
        (["order-to-cash", "production"], "x@y.z", "There is no active person x@y.z."),
        (
            ["order-to-cash", "production", "--days", "0"],
            "ada@acme.example",
            "--days must be between 1 and 3650.",
        ),
        (
            ["order-to-cash", "production"],
            "bob@acme.example",
            "bob@acme.example may not: it takes an admin of the integration,"
            " with the role admin for all but the lowest environment.",
        ),
    ],
)
def test_command_says_in_one_line_what_is_wrong(bob, integration, arguments, by, why):
    with pytest.raises(CommandError) as error:
        issue_key(*arguments, by=by)

    assert (str(error.value), error.value.returncode) == (why, 2)
    assert IntegrationKey.objects.count() == 0
