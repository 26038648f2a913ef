"""A small world with a ledger beside it: what should be on record of what was done there."""

import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from django.core.exceptions import PermissionDenied
from django.test import Client

from connhub.accounts import environments
from connhub.accounts.models import Role, Team, User
from connhub.audit.models import Event
from connhub.connections.models import Connection
from connhub.errors import Refusal
from connhub.services.models import Service
from connhub.sharing import roles
from connhub.usage import keys
from connhub.usage.models import Flow, Integration, IntegrationKey
from tests.factories import AuthMethodFactory, IntegrationFactory, UserFactory, connect

Entry = tuple[str, str, str, str]  # who, what, on what, outcome
Shared = Connection | Integration | Service


class Ledger:
    """People, connections, integrations and keys, and what was done with them, as we saw it done.

    The four `people` act, `root` looks after the account, and the `colleagues` are what is done
    with people: they join teams, are shared with, and come and go.
    """

    ACTS: tuple[Callable[["Ledger"], object], ...] = ()

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.ledger: Counter[Entry] = Counter()
        self.people = [UserFactory(name=f"P{n}", role=Role.ADMIN) for n in range(4)]
        self.colleagues = [UserFactory(name=f"C{n}") for n in range(4)]
        self.stranger = UserFactory(name="Stranger")
        self.root = UserFactory(name="Root", role=Role.SUPER_ADMIN)
        self.browsers = {}
        for person in [*self.people, self.stranger]:
            self.browsers[person.pk] = Client()
            self.browsers[person.pk].force_login(person)
        self.method = AuthMethodFactory()
        self.integrations = [IntegrationFactory() for _ in range(3)]
        for thing in [*self.integrations, self.method.service]:
            for person in self.people:
                roles.grant(thing, person, by=None)
        self.used = connect(self.people[0], method=self.method, name="Used", link_name="used")
        self.owners = {self.used.pk: self.people[0]}
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

    def new_name(self) -> str:
        self.made += 1
        return f"N{self.made}"

    def somebody(self) -> User:
        return self.chance.choice(self.people)

    def colleague(self) -> User:
        return self.chance.choice(self.colleagues)

    def create(self) -> Connection:
        by, name = self.somebody(), self.new_name()
        made = connect(by, method=self.method, name=name, link_name=name.lower())
        self.owners[made.pk] = by
        self.note(by, "connection.created", made)
        return made

    def some_connection(self) -> Connection:
        nth = self.chance.randrange(12)
        newest = list(Connection.objects.live().order_by("-pk")[nth : nth + 1])
        return newest[0] if newest else self.create()

    def some_integration(self) -> Integration:
        return self.chance.choice(self.integrations)

    def some_key(self) -> IntegrationKey:
        nth = self.chance.randrange(8)
        newest = list(IntegrationKey.objects.order_by("-issued_at")[nth : nth + 1])
        return newest[0] if newest else self.issue_key()

    def issue_key(self) -> IntegrationKey:
        by = self.somebody()
        key, _ = keys.issue(self.some_integration(), environments.lowest(), name="k", by=by)
        self.note(by, "key.issued", key)
        return key

    def owner_of(self, connection: Connection) -> User:
        """The one admin of it whom nobody removes."""
        return self.owners[connection.pk]

    def some_thing(self) -> Shared:
        """Something that is shared."""
        makers = (self.some_connection, self.some_integration, lambda: self.method.service)
        return self.chance.choice(makers)()

    def admin_of(self, thing: Shared) -> User:
        if isinstance(thing, Connection):
            return self.owner_of(thing)
        return self.chance.choice(roles.admins(thing).order_by("pk"))

    def grantee(self) -> User | Team:
        team = Team.objects.order_by("pk").last()
        return team if team and self.chance.random() < 0.3 else self.colleague()


def on_record(after: int) -> Counter[Entry]:
    return Counter(
        (f"{actor_type}:{actor_id}", action, f"{object_type}:{object_id}", outcome)
        for actor_type, actor_id, action, object_type, object_id, outcome in Event.objects.filter(
            sequence__gt=after
        ).values_list("actor_type", "actor_id", "action", "object_type", "object_id", "outcome")
    )
