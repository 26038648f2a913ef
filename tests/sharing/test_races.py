"""Several at once, each a process of its own, and still one admin stays."""

import os
import subprocess
from contextlib import ExitStack

import pytest
from django.db import connection as database

from connhub.accounts.models import Role, Team, User
from connhub.sharing import roles
from tests.factories import UserFactory
from tests.servers.process import ROOT, python

pytestmark = pytest.mark.django_db(transaction=True)
ADA, BOB, EVE, ROOT_ = (f"{name}@acme.example" for name in ("ada", "bob", "eve", "root"))


@pytest.fixture(params=["connection", "shared_integration"])
def thing(request):
    """Administered by ada and bob, and the only one of its kind."""
    return request.getfixturevalue(request.param)


def environment() -> dict[str, str]:
    """For a process on the database of the tests."""
    at = database.settings_dict
    url = f"sqlite:///{at['NAME']}"
    if database.vendor == "postgresql":
        url = f"postgres://{at['USER']}:{at['PASSWORD']}@{at['HOST']}:{at['PORT']}/{at['NAME']}"
    return os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}


def at_once(*wanted: tuple[str, str, str]) -> list[str]:
    """What comes of each when all begin at the same moment."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    python("tests.sharing.removing", *arguments),
                    env=environment(), cwd=ROOT, text=True,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                )
            )
            for arguments in wanted
        ]  # fmt: skip
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * len(wanted)
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        return [process.stdout.read().strip() for process in processes]


def staying(thing) -> list[str]:
    return sorted(map(str, roles.admins(thing)))


def kind(thing) -> str:
    return thing._meta.model_name


def test_of_two_who_remove_each_other_one_stays(thing):
    said = at_once((kind(thing), BOB, ADA), (kind(thing), ADA, BOB))

    assert sorted(said) == ["denied", "done"]
    assert len(staying(thing)) == 1


def test_of_two_who_leave_one_stays(thing):
    said = at_once((kind(thing), ADA, ADA), (kind(thing), BOB, BOB))

    assert sorted(said) == ["done", "last-admin"]
    assert len(staying(thing)) == 1


def test_of_two_accounts_that_end_one_stays(thing, root):
    said = at_once(("account", ADA, ROOT_), ("account", BOB, ROOT_))

    assert sorted(said) == ["done", "last-admin"]
    assert len(staying(thing)) == 1


def test_of_an_account_a_grant_and_a_team_that_go_at_once_one_stays(thing, ada, eve, root):
    team = Team.objects.create(name="Data")
    team.user_set.add(eve)
    roles.grant(thing, team, by=ada)

    said = at_once(("account", ADA, ROOT_), (kind(thing), BOB, BOB), ("member", EVE, ROOT_))

    assert sorted(said) == ["done", "done", "last-admin"]
    assert len(staying(thing)) == 1


@pytest.mark.parametrize("what", ["role", "account", "deleted"])
def test_of_two_super_admins_who_end_each_other_one_stays_beside_the_third(root, what):
    for name in ("Rita", "Rosa"):
        UserFactory(name=name, email=f"{name.lower()}@acme.example", role=Role.SUPER_ADMIN)
    rita = "rita@acme.example"

    said = at_once((what, rita, ROOT_), (what, ROOT_, rita))

    assert sorted(said) == ["denied", "done"]
    assert User.objects.filter(role=Role.SUPER_ADMIN, is_active=True).count() == 2
