"""The pages about who reaches what say what the app does, in any account."""

from random import Random
from urllib.parse import urlencode

import pytest
from django.db import transaction
from django.db.models import F
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from connhub.accounts.models import Environment, Role, User
from connhub.accounts.permissions import may as is_allowed
from connhub.connections.models import Connection
from connhub.errors import Refusal
from connhub.usage import credentials
from connhub.usage.models import Integration
from connhub.usage.problems import AuthorizeAsUser, NotUsable, Unauthorized
from connhub.usage.reach.drawing import counted
from connhub.usage.reach.paths import May
from connhub.usage.routes import look_up
from tests.factories import UserFactory
from tests.usage.worlds import World, issued, made_at_random

pytestmark = pytest.mark.django_db

in_any_account = examples(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
accounts = given(st.randoms(use_true_random=False))
KINDS = ("people", "teams", "integrations", "keys")


@pytest.fixture
def scratch(db):
    """A block in which an account lives and after which it is gone."""

    class Scratch:
        def __enter__(self):
            self.block = transaction.atomic()
            self.block.__enter__()

        def __exit__(self, *error):
            transaction.set_rollback(True)
            self.block.__exit__(*error)

    return Scratch()


def browser_of(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def listed(viewer: User, url: str, kind: str) -> dict:
    """What the page lists of a kind, all pages of it, by primary key."""
    rows: list = []
    client, params = browser_of(viewer), {"kind": kind}
    while True:
        page = client.get(f"{url}?{urlencode(params)}").context["page"]
        rows += page.rows
        if not page.older:
            assert len({row.subject.pk for row in rows}) == len(rows)
            return {row.subject.pk: row for row in rows}
        params["before"] = page.older


def access(viewer: User, kind: str) -> dict:
    return listed(viewer, "/connections/wanted/access/", kind)


# --- What the app does --------------------------------------------------------------------------


def allowed(person: User, world: World) -> May:
    """By trying: opening the page, opening a form that only admins get, using, calling in their name."""
    if not person.is_active:
        return May.NOTHING
    client, may = browser_of(person), May.NOTHING
    if client.get("/connections/wanted/").status_code == 200:
        may |= May.SEE
    if client.get("/connections/wanted/rename/").status_code == 200:
        may |= May.MANAGE
    is_used = is_allowed(person, "connection.use", world.connection) or is_acted_for(person, world)
    return may | May.USE if is_used else may


def is_acted_for(person: User, world: World) -> bool:
    """Whether any integration's flows can call with the person's own credential."""
    if not world.connection.login_user:
        return False
    Connection.objects.filter(pk=world.connection.pk).update(disabled_at=None)
    chance = Random(0)
    for integration in world.integrations:
        key, _ = issued(chance, integration, ends=False)
        try:
            route = look_up(key.digest, "wanted", person.email, None)
        except NotUsable:
            continue
        finally:
            key.delete()
        if not isinstance(route.outcome, AuthorizeAsUser):
            return True
    return False


def called(client: Client, token: str) -> set[str]:
    """The link names that the runtime API offers to a key."""
    answer = client.get("/api/v1/connections", headers={"Authorization": f"Bearer {token}"})
    return {row["link_name"] for row in answer.json().get("connections", ())}


# --- A connection's page ------------------------------------------------------------------------


@in_any_account
@accounts
def test_people_are_listed_with_just_what_the_app_lets_them_do(scratch, chance):
    with scratch:
        world, root = made_at_random(chance), UserFactory(role=Role.SUPER_ADMIN)
        if world.connection.deleted_at:
            assert browser_of(root).get("/connections/wanted/access/").status_code == 404
            return
        said = {pk: row.may for pk, row in access(root, "people").items()}

        done = {person.pk: allowed(person, world) for person in [*world.people, root]}

        assert said == {pk: may for pk, may in done.items() if may}


@in_any_account
@accounts
def test_teams_are_listed_with_what_somebody_new_in_them_may_do(scratch, chance):
    with scratch:
        world, root = made_at_random(chance), UserFactory(role=Role.SUPER_ADMIN)
        if world.connection.deleted_at:
            return
        said = {pk: row.may for pk, row in access(root, "teams").items()}

        done = {}
        for team in world.teams:
            newcomer = UserFactory()
            newcomer.groups.add(team)
            done[team.pk] = allowed(newcomer, world)

        assert said == {pk: may for pk, may in done.items() if may}


@in_any_account
@accounts
def test_keys_and_integrations_are_listed_if_calls_get_through(scratch, client, chance):
    with scratch:
        world, root = made_at_random(chance), UserFactory(role=Role.SUPER_ADMIN)
        if world.connection.deleted_at:
            assert not any("wanted" in called(client, token) for _, token in world.keys)
            return
        keys, integrations = access(root, "keys"), access(root, "integrations")

        for key, token in world.keys:
            assert (key.pk in keys) == ("wanted" in called(client, token))
            assert (key.pk in keys) == is_routed(keys.get(key.pk), key)
        for integration in world.integrations:
            _, token = issued(chance, integration, ends=False)
            assert (integration.pk in integrations) == ("wanted" in called(client, token))


class Asked:
    method = "GET"


def is_routed(row, key) -> bool:
    """Whether the gateway has a route for the key; what the row says of it is compared on the way."""
    try:
        route = look_up(key.digest, "wanted", "", None)
    except (NotUsable, Unauthorized):
        return False
    outcome = route.outcome
    fails = isinstance(outcome, Refusal) and not isinstance(outcome, AuthorizeAsUser)
    assert row.obstacle == (str(outcome) if fails else "")
    try:
        credentials.require_allowed(Asked, route)
    except credentials.CredentialsNotAllowed:
        assert row.may == May.USE
    else:
        assert row.may == May.USE | May.FETCH
    return True


@in_any_account
@accounts
def test_whoever_may_not_see_an_integration_reads_of_none_of_what_is_in_it(scratch, chance):
    with scratch:
        world, root = made_at_random(chance), UserFactory(role=Role.SUPER_ADMIN)
        viewers = [p for p in world.people if is_allowed(p, "connection.edit", world.connection)]
        viewers = [person for person in viewers if person.role != Role.SUPER_ADMIN]
        if world.connection.deleted_at or not viewers:
            return
        viewer = viewers[0]
        seen = Integration.objects.visible_to(viewer)
        unseen = set(Integration.objects.exclude(pk__in=seen).values_list("name", flat=True))
        pages = [
            browser_of(viewer).get(f"/connections/wanted/access/?kind={kind}") for kind in KINDS
        ]

        assert not [name for name in unseen for page in pages if f">{name}<" in page.text]
        for kind in KINDS:
            mine, every = access(viewer, kind), access(root, kind)
            assert mine.keys() <= every.keys()
            assert all(row.may == every[pk].may for pk, row in mine.items())
            hidden = dict(pages[0].context["hidden"]).get(kind, 0)
            assert len(mine) + hidden == len(every)


# --- A person's page ----------------------------------------------------------------------------


@in_any_account
@accounts
def test_a_person_reaches_what_lists_them(scratch, chance):
    with scratch:
        world, root = made_at_random(chance), UserFactory(role=Role.SUPER_ADMIN)
        for person in world.people:
            rows = listed(root, f"/people/{person.public_id}/access/", "connections")
            row = rows.get(world.connection.pk)
            is_there = not world.connection.deleted_at

            assert (row.may if row else May.NOTHING) == (
                allowed(person, world) if is_there else May.NOTHING
            )
            keys = listed(root, f"/people/{person.public_id}/access/", "keys")
            working = {key.pk for key, _ in world.keys if key.is_usable}
            assert keys.keys() == {
                key.pk for key, _ in world.keys if key.issued_by == person and key.pk in working
            }


@in_any_account
@accounts
def test_the_picture_of_a_person_says_what_the_tables_list(scratch, chance):
    with scratch:
        world, root = made_at_random(chance), UserFactory(role=Role.SUPER_ADMIN)
        Connection.objects.update(name=F("link_name"))
        for person in chance.sample(world.people, 2):
            url = f"/people/{person.public_id}/access/"
            rows = listed(root, url, "connections").values()
            integrations = listed(root, url, "integrations").values()
            bands = browser_of(root).get(url).context["picture"].bands
            is_open = [band for band in bands if band.is_open]
            teams = {
                path.team.name for row in (*rows, *integrations) for path in row.paths if path.team
            }
            seen_only = sum(row.may == May.SEE for row in rows)

            assert titles(is_open, "right") == {r.subject.name for r in rows if May.USE in r.may}
            assert titles(is_open, "left") - {"Directly"} == teams
            assert {
                band.middle.title: titles([band], "right") for band in bands if band.middle
            } == {
                str(each.subject): {
                    row.subject.name
                    for row in rows
                    for path in row.paths
                    if path.integration == each.subject
                }
                for each in integrations
            }
            assert [band.right[0].title for band in bands if not band.is_open] == (
                [counted(seen_only, "connection")] if seen_only else []
            )


def titles(bands: list, column: str) -> set[str]:
    return {node.title for band in bands for node in getattr(band, column)}


def test_worlds_are_not_all_alike(db):
    """Or else the properties above would hold of nothing."""
    found = set()
    for seed in range(30):
        with transaction.atomic():
            world = made_at_random(Random(seed))
            if not world.connection.deleted_at:
                route_keys = [key for key, _ in world.keys if key.is_usable]
                found |= {allowed(person, world) for person in world.people}
                found |= {"login user"} if world.connection.login_user else set()
                found |= {"key"} if route_keys else set()
            transaction.set_rollback(True)

    assert {May.NOTHING, May.SEE, May.USE, May.SEE | May.USE} <= found
    assert {May.SEE | May.USE | May.MANAGE, "login user", "key"} <= found
    assert Environment.objects.count() > 1
