"""Many random operations against a ledger kept beside them: each is on record exactly once.

LEDGER_STEPS sets how many; by default 10,000 on SQLite, and 1,500 on PostgreSQL, where the same
code writes.
"""

import os
from collections import Counter
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.db import connection as database
from django.test import Client
from django.urls import reverse

from connhub import context
from connhub.accounts import people
from connhub.audit.models import Event
from connhub.audit.verify import verify
from connhub.connections import lifecycle, restoring, tagging
from connhub.connections.models import Connection
from connhub.usage import keys, projects, records, registration
from tests.factories import PASSWORD

from .ledger import Ledger, on_record
from .ledger_of_people import LedgerOfPeople

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}  # as the pop-ups ask, which costs less than a whole page
STEPS = int(os.environ.get("LEDGER_STEPS", 0)) or (10_000 if database.vendor == "sqlite" else 1_500)


class World(LedgerOfPeople):
    """Steps on connections, integrations and keys besides, and as people do them on the pages."""

    def rename(self) -> None:
        connection, by = self.some_connection(), self.somebody()
        lifecycle.rename(connection, to=self.new_name(), by=by)
        self.note(by, "connection.renamed", connection)

    def rename_on_the_page(self) -> None:
        """Whoever is no admin of it finds nothing there, and that is on record."""
        connection, by = self.some_connection(), self.somebody()
        url = reverse("connections:rename", args=[connection.link_name])
        response = self.browsers[by.pk].post(url, {"name": "Renamed on the page"}, headers=HTMX)
        if response.status_code == 404:
            self.note(by, "access.denied", connection, "denied")
        else:
            assert response.status_code == 204
            self.note(by, "connection.renamed", connection)

    def look_where_one_may_not(self) -> None:
        connection = self.some_connection()
        response = self.browsers[self.stranger.pk].get(connection.get_absolute_url())
        assert response.status_code == 404
        self.note(self.stranger, "access.denied", connection, "denied")

    def disable_or_enable(self) -> None:
        connection = self.some_connection()
        by = self.owner_of(connection)
        disabled = (connection.disabled_at is None) == (self.chance.random() < 0.8)
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
        response = self.browsers[by.pk].post(url, headers=HTMX)
        if response.status_code == 409:
            self.note(by, "change.refused", connection, "failed")
        else:
            assert response.status_code == 204
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

    def revoke_key(self) -> None:
        key, by = self.some_key(), self.somebody()
        keys.revoke(key, by=by)
        self.note(by, "key.revoked", key)

    def rotate_key(self) -> None:
        key, by = self.some_key(), self.somebody()
        keys.rotate(key, by=by, overlap=timedelta(hours=1))
        self.note(by, "key.rotated", key)

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

    ACTS = (
        *LedgerOfPeople.ACTS, Ledger.create, rename, rename_on_the_page, look_where_one_may_not, disable_or_enable, tag, revoke,
        delete, delete_on_the_page, restore, register, deregister, Ledger.issue_key, rotate_key, revoke_key, hand_out,
        use_first, rename_oneself, add_member, sign_in_and_out,
    )  # fmt: skip


def test_each_of_many_random_operations_is_on_record_exactly_once(monkeypatch, caplog):
    caplog.set_level("ERROR", "django.request")  # not of each that is denied
    monkeypatch.setattr(context, "counted", {})  # the navigation's, which are no part of it
    world = World(seed=20)
    before = Event.objects.count()

    for _ in range(STEPS):
        world.step()

    found = on_record(before)
    done = {action for _, action, _, _ in found}
    assert found - world.ledger == Counter()
    assert world.ledger - found == Counter()
    assert done >= EXPECTED, EXPECTED - done
    verdict = verify()
    assert (verdict.events, verdict.problem) == (before + found.total(), "")


EXPECTED = {
    "connection.created", "change.refused", "connection.renamed", "connection.disabled",
    "connection.enabled", "connection.tagged", "connection.revoked", "connection.deleted",
    "connection.restored", "connection.registered", "connection.deregistered", "key.issued",
    "key.rotated", "key.revoked", "credential.read", "credential.first_used", "person.renamed", "member.added",
    "member.removed", "person.signed_in", "person.signed_out", "person.sign_in_failed",
    "access.denied", "team.created", "team.renamed", "team.member_added", "team.member_removed",
    "team.deleted", "person.role_changed", "person.deactivated", "person.reactivated",
    "invitation.sent", "invitation.sent_again", "invitation.withdrawn", "person.joined",
    "environment.added", "environment.renamed", "environment.moved", "environment.removed",
    *(
        f"{kind}.{done}"
        for kind in ("connection", "integration", "service")
        for done in ("shared", "unshared", "shared_to_self", "self_share_undone", "transferred")
    ),
}  # fmt: skip
