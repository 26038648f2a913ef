"""Many random operations against a ledger kept beside them: each is on record exactly once.

LEDGER_STEPS sets how many; by default 10,000 on SQLite, and 1,000 on PostgreSQL, where the same
code writes.
"""

import os
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import pytest
from axes.models import AccessAttempt
from django.core.exceptions import PermissionDenied
from django.db import connection as database
from django.test import Client
from django.urls import reverse

from connhub.accounts import environments, people
from connhub.accounts.models import Role, User
from connhub.audit.models import Event
from connhub.audit.verify import verify
from connhub.connections import lifecycle, restoring, tagging
from connhub.connections.models import Connection
from connhub.errors import Refusal
from connhub.sharing import roles
from connhub.usage import keys, projects, records, registration
from connhub.usage.models import Flow, Integration, IntegrationKey
from tests.factories import PASSWORD, AuthMethodFactory, IntegrationFactory, UserFactory, connect

pytestmark = pytest.mark.django_db

STEPS = int(os.environ.get("LEDGER_STEPS", 0)) or (10_000 if database.vendor == "sqlite" else 1_000)
Entry = tuple[str, str, str, str]  # who, what, on what, outcome


class World:
    """People, connections, integrations and keys, and what was done with them, as we saw it done.

    A step is a method: it does one thing and returns what should be on record of it, if it worked.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.ledger: Counter[Entry] = Counter()
        self.people = [UserFactory(name=f"P{n}", role=Role.ADMIN) for n in range(4)]
        self.stranger = UserFactory(name="Stranger")
        self.browsers = {}
        for person in [*self.people, self.stranger]:
            self.browsers[person.pk] = Client()
            self.browsers[person.pk].force_login(person)
        self.method = AuthMethodFactory()
        self.integrations = [IntegrationFactory() for _ in range(3)]
        for integration in self.integrations:
            for person in self.people:
                roles.grant(integration, person, by=None)
        self.used = connect(self.people[0], method=self.method, name="Used", link_name="used")
        flow = Flow.objects.create(slug="nightly", name="Nightly")
        flow.steps.create(kind="export", name="read", connection=self.used)
        self.made = 0

    def note(self, by, action: str, on=None, outcome: str = "ok") -> None:
        who = f"{by._meta.model_name}:{by.pk}" if by else "system:"
        what = f"{on._meta.model_name}:{on.pk}" if on else ":"
        self.ledger[who, action, what, outcome] += 1

    def step(self) -> None:
        act = self.chance.choice(self.ACTS)
        with suppress(Refusal, PermissionDenied):  # rolled back, and nothing was noted
            act(self)

    # What there is to act on

    def somebody(self) -> User:
        return self.chance.choice(self.people)

    def some_connection(self) -> Connection:
        newest = list(Connection.objects.live().order_by("-pk")[:12])
        return self.chance.choice(newest) if newest else self.create()

    def some_integration(self) -> Integration:
        return self.chance.choice(self.integrations)

    def some_key(self) -> IntegrationKey:
        newest = list(IntegrationKey.objects.order_by("-issued_at")[:8])
        return self.chance.choice(newest) if newest else self.issue_key()

    def owner_of(self, connection: Connection) -> User:
        return connection.created_by

    # Steps

    def create(self) -> Connection:
        self.made += 1
        by = self.somebody()
        made = connect(by, method=self.method, name=f"C{self.made}", link_name=f"c{self.made}")
        self.note(by, "connection.created", made)
        return made

    def rename(self) -> None:
        connection, by = self.some_connection(), self.somebody()
        lifecycle.rename(connection, to=f"N{self.chance.random()}", by=by)
        self.note(by, "connection.renamed", connection)

    def rename_on_the_page(self) -> None:
        """Whoever is no admin of it finds nothing there, and that is on record."""
        connection, by = self.some_connection(), self.somebody()
        url = reverse("connections:rename", args=[connection.link_name])
        response = self.browsers[by.pk].post(url, {"name": "Renamed on the page"})
        if response.status_code == 404:
            self.note(by, "access.denied", connection, "denied")
        else:
            assert response.status_code == 303
            self.note(by, "connection.renamed", connection)

    def look_where_one_may_not(self) -> None:
        connection = self.some_connection()
        response = self.browsers[self.stranger.pk].get(connection.get_absolute_url())
        assert response.status_code == 404
        self.note(self.stranger, "access.denied", connection, "denied")

    def disable_or_enable(self) -> None:
        connection = self.some_connection()
        by, disabled = self.owner_of(connection), self.chance.random() < 0.5
        lifecycle.set_disabled(connection, disabled, by=by)
        if bool(connection.disabled_at) != disabled:
            self.note(by, "connection.disabled" if disabled else "connection.enabled", connection)

    def tag(self) -> None:
        connection = self.some_connection()
        by = self.owner_of(connection)
        tag = self.chance.choice("abcdefgh")
        tagging.retag(connection, add=[tag], by=by)
        if tag not in connection.tags:
            self.note(by, "connection.tagged", connection)

    def revoke(self) -> None:
        connection = self.some_connection()
        by = self.owner_of(connection)
        lifecycle.revoke(connection, by=by)
        self.note(by, "connection.revoked", connection)

    def delete(self) -> None:
        connection = self.some_connection()
        by = self.owner_of(connection)
        lifecycle.delete(connection, by=by)
        self.note(by, "connection.deleted", connection)

    def delete_on_the_page(self) -> None:
        """Refused while something uses it, and the attempt is on record."""
        connection = self.chance.choice([self.used, self.some_connection()])
        by = self.owner_of(connection)
        url = reverse("connections:delete", args=[connection.link_name])
        response = self.browsers[by.pk].post(url)
        if response.status_code == 409:
            self.note(by, "change.refused", connection, "failed")
        else:
            assert response.status_code == 303
            self.note(by, "connection.deleted", connection)

    def restore(self) -> None:
        gone = list(Connection.objects.exclude(deleted_at=None).order_by("-pk")[:5])
        if gone:
            connection = self.chance.choice(gone)
            by = self.owner_of(connection)
            restoring.restore(connection, by=by)
            self.note(by, "connection.restored", connection)

    def register(self) -> None:
        connection, integration = self.some_connection(), self.some_integration()
        by = self.owner_of(connection)
        known = integration.registrations.filter(connection=connection).exists()
        registration.register(integration, [connection], by=by)
        if not known:
            self.note(by, "connection.registered", connection)

    def deregister(self) -> None:
        connection, integration = self.some_connection(), self.some_integration()
        by = self.owner_of(connection)
        registration.deregister(integration, connection, by=by)
        self.note(by, "connection.deregistered", connection)

    def issue_key(self) -> IntegrationKey:
        by = self.somebody()
        key, _ = keys.issue(self.some_integration(), environments.lowest(), name="k", by=by)
        self.note(by, "key.issued", key)
        return key

    def revoke_key(self) -> None:
        key, by = self.some_key(), self.somebody()
        keys.revoke(key, by=by)
        self.note(by, "key.revoked", key)

    def hand_out(self) -> None:
        key, connection = self.some_key(), self.some_connection()
        outcome = self.chance.choice(["ok", "denied"])
        records.credential_read(key, connection, None, outcome=outcome)
        self.note(key, "credential.read", connection, outcome)

    def use_first(self) -> None:
        key, connection = self.some_key(), self.some_connection()
        entry = (
            f"integrationkey:{key.pk}",
            "credential.first_used",
            f"connection:{connection.pk}",
            "ok",
        )
        records.first_use(key, connection, None)
        self.ledger[entry] = 1  # once for good

    def rename_oneself(self) -> None:
        by = self.somebody()
        people.rename(by, to=f"P{self.chance.randint(1, 99)}", by=by)
        self.note(by, "person.renamed", by)

    def add_member(self) -> None:
        integration, by = self.some_integration(), self.somebody()
        member = integration.memberships.filter(user=self.stranger).exists()
        if member:
            projects.remove_member(integration, self.stranger, by=by)
            self.note(by, "member.removed", integration)
        else:
            projects.add_member(integration, self.stranger, by=by)
            self.note(by, "member.added", integration)

    def sign_in_and_out(self) -> None:
        person, browser = self.somebody(), Client()
        secret = self.chance.choice([PASSWORD, "wrong"])
        browser.post(reverse("accounts:sign_in"), {"username": person.email, "password": secret})
        if secret == PASSWORD:
            self.note(person, "person.signed_in", person)
            browser.post(reverse("accounts:sign_out"))
            self.note(person, "person.signed_out", person)
        else:
            self.note(None, "person.sign_in_failed", person, "failed")
            AccessAttempt.objects.all().delete()  # or soon nobody could sign in

    ACTS: tuple[Callable[["World"], object], ...] = (
        create, rename, rename_on_the_page, look_where_one_may_not, disable_or_enable, tag, revoke,
        delete, delete_on_the_page, restore, register, deregister, issue_key, revoke_key, hand_out,
        use_first, rename_oneself, add_member, sign_in_and_out,
    )  # fmt: skip


def on_record(after: int) -> Counter[Entry]:
    return Counter(
        (f"{actor_type}:{actor_id}", action, f"{object_type}:{object_id}", outcome)
        for actor_type, actor_id, action, object_type, object_id, outcome in Event.objects.filter(
            sequence__gt=after
        ).values_list("actor_type", "actor_id", "action", "object_type", "object_id", "outcome")
    )


def test_each_of_many_random_operations_is_on_record_exactly_once():
    world = World(seed=20)
    before = Event.objects.count()

    for _ in range(STEPS):
        world.step()

    found = on_record(before)
    assert found - world.ledger == Counter()
    assert world.ledger - found == Counter()
    assert {action for _, action, _, _ in found} >= EXPECTED
    verdict = verify()
    assert (verdict.events, verdict.problem) == (before + found.total(), "")


EXPECTED = {
    "connection.created", "change.refused", "connection.renamed", "connection.disabled",
    "connection.enabled", "connection.tagged", "connection.revoked", "connection.deleted",
    "connection.restored", "connection.registered", "connection.deregistered", "key.issued",
    "key.revoked", "credential.read", "credential.first_used", "person.renamed", "member.added",
    "member.removed", "person.signed_in", "person.signed_out", "person.sign_in_failed",
    "access.denied",
}  # fmt: skip
