"""A random walk over the pages, compared at each step with a small model of the rules.

Each answer is compared, after each change what the person sees, and every 50 steps all that is
stored. WALK_STEPS sets its length: by default 10,000 steps on SQLite and 2,000 on PostgreSQL.
WALK_SEED adds another walk with a seed of one's own.
"""

import os
import random
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import time_machine
from axes.models import AccessAttempt
from django.conf import settings
from django.db import connection as database
from django.test import Client
from django.urls import reverse

from connhub import context
from connhub.accounts.models import Team, User
from connhub.connections.models import (
    Connection,
    Credential,
    Settings,
)
from connhub.services.models import Origin, Service
from connhub.sharing import roles
from connhub.usage.models import (
    Availability,
    Flow,
    FunctionUse,
    Integration,
    Kind,
    Membership,
    Project,
    Registration,
)

from . import rules
from .factories import PASSWORD, AuthMethodFactory, IntegrationFactory, UserFactory, connect
from .rules import ENVIRONMENTS, Outcome, Rules

pytestmark = pytest.mark.django_db

STEPS = int(os.environ.get("WALK_STEPS", 0)) or (10_000 if database.vendor == "sqlite" else 2_000)
SEEDS = [20, *(int(seed) for seed in [os.environ.get("WALK_SEED")] if seed)]
HTMX = {"HX-Request": "true"}
LOOK_ROUND, REMEMBERED = 50, 12
CAST = {
    "Ada": "admin", "Bob": "admin", "Cy": "admin", "Eve": "member", "Mel": "member",
    "Noa": "member", "Root": "super_admin", "Rita": "super_admin",
}  # fmt: skip
LOOKS = ("connections:summary", "connections:activity", "connection_share:admins")


class Walk:
    """A step is a method: it picks who, what and on what, asks the rules, and does it by a request."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.rules = Rules()
        self.steps: deque[str] = deque(maxlen=REMEMBERED)
        self.met: Counter[tuple[str, str]] = Counter()
        self.made = 0
        self.browsers: dict[str, Client] = {}
        self.people = {name: self._person(name, role) for name, role in CAST.items()}
        self.service = AuthMethodFactory().service
        roles.grant(self.service, self.people["Ada"], by=None)
        self.rules.services[self.service.slug] = rules.Administered({"Ada"})
        self._start()

    def _person(self, name: str, role: str) -> User:
        person = UserFactory(name=name, email=f"{name.lower()}@acme.example", role=role)
        self.rules.people[name] = rules.Person(role)
        self.browsers[name] = Client()
        self.browsers[name].force_login(person)
        return person

    def _start(self) -> None:
        """A team, three integrations of two projects, one of them an app, and what a flow uses."""
        ada = self.people["Ada"]
        Team.objects.create(name="Data").user_set.add(self.people["Cy"])
        self.rules.teams["Data"] = {"Cy"}
        for slug, is_app in [("orders", False), ("bills", False), ("packaged", True)]:
            kind = Kind.APP if is_app else Kind.INTEGRATION
            made = IntegrationFactory(slug=slug, kind=kind, project__name=f"Of {slug}")
            roles.grant(made, ada, by=None)
            self.rules.integrations[slug] = rules.Integration(
                {"Ada"}, project=made.project.name, is_app=is_app
            )
        method = self.service.auth_methods.get()
        used = connect(ada, method=method, name="Used", link_name="used")
        flow = Flow.objects.create(slug="nightly", name="Nightly")
        flow.steps.create(kind="export", name="read", connection=used)
        self.rules.connections["used"] = rules.Connection({"Ada"}, name="Used", in_use=True)

    def step(self) -> None:
        act = self.chance.choices(ACTS, WEIGHTS)[0]
        expected, found = act(self)
        self.met[act.__name__, expected] += 1
        self.steps[-1] += f": {expected}"
        assert found == expected, self.difference(f"The page says {found}.")
        if found == Outcome.DONE and self.rules.people[self.who].active:
            self.compare_seen(self.who)

    # Who, what and on what

    def some(self, *likely: str, otherwise: str) -> str:
        """One of those likely, in alphabetical order as sets have none, or something senseless."""
        return self.chance.choice(sorted(likely)) if likely else otherwise

    def actor(self, able: set[str]) -> str:
        """Mostly one who may, now and then anybody."""
        if not able or self.chance.random() < 0.4:
            able = set(CAST)
        return self.some(*able, otherwise="Ada")

    def super_admins(self) -> set[str]:
        return {name for name in CAST if self.rules.has_role(name, "super_admin")}

    def person(self) -> str:
        return self.chance.choice(list(CAST))

    def connection(self, *, deleted: bool = False) -> str:
        """Mostly one of the latest, now and then one that was deleted or never was there."""
        wanted = deleted != (self.chance.random() < 0.05)
        found = [key for key, thing in self.rules.connections.items() if thing.deleted == wanted]
        if self.chance.random() < 0.02:
            return "never_there"
        return self.chance.choice(found[-15:]) if found else "used"

    def integration(self) -> str:
        known = [*self.rules.integrations, "never-there"]
        return self.chance.choice(known[-8:])

    def team(self) -> str:
        return self.some(*self.rules.teams, otherwise="Data")

    def admins(self, link_name: str) -> set[str]:
        thing = self.rules.connections.get(link_name)
        return self.rules.admins_of(thing) if thing else set()

    def integration_admins(self, slug: str) -> set[str]:
        thing = self.rules.integrations.get(slug)
        return self.rules.admins_of(thing) if thing else set()

    def name(self) -> str:
        self.made += 1
        return self.chance.choices([f"Name {self.made}", ""], [9, 1])[0]

    def new_link_name(self) -> str:
        self.made += 1
        bad = ["used", "Upper", "1st", "new", "", self.connection(), self.connection(deleted=True)]
        return self.chance.choice([f"c{self.made}"] * 7 + bad)

    def team_pk(self, name: str) -> int:
        return Team.objects.filter(name=name).values_list("pk", flat=True).first() or 0

    def team_id(self, name: str) -> UUID:
        found = Team.objects.filter(name=name).first()
        return found.public_id if found else UUID(int=0)

    # Asking both

    def expect(self, who: str, act: Callable[..., None], *wanted: Any) -> Outcome:
        self.who = who
        self.steps.append(f"{who} {act.__name__} {', '.join(map(repr, wanted))}")
        return self.rules.ask(who, act, *wanted)

    def post(self, url: str, /, *args: Any, **typed: Any) -> Outcome:
        # Mostly as the pop-ups ask, which costs less than a whole page.
        headers = self.chance.choices([HTMX, {}], [9, 1])[0]
        response = self.browsers[self.who].post(reverse(url, args=args), typed, headers=headers)
        return outcome(response)

    def get(self, name: str, *args: Any) -> Outcome:
        response = self.browsers[self.who].get(reverse(name, args=args))
        return Outcome.DONE if response.status_code == 200 else outcome(response)

    # Steps

    def look(self):
        thing = self.connection()
        expected = self.expect(self.person(), self.rules.look_at_connection, thing)
        return expected, self.get(self.chance.choice(LOOKS), thing)

    def find_usage(self):
        thing = self.connection()
        expected = self.expect(self.person(), self.rules.find_usage, thing)
        return expected, self.get("connection_usage", thing)

    def look_at_integration(self):
        slug = self.integration()
        expected = self.expect(self.person(), self.rules.look_at_integration, slug)
        return expected, self.get(self.chance.choice(["usage:connections", "usage:members"]), slug)

    def create(self):
        link_name, name = self.new_link_name(), self.name()
        environment = self.chance.choice([*ENVIRONMENTS, "", "development", "never"])
        key = self.chance.choice(["k", "k", "k", "k", ""])
        expected = self.expect(self.person(), self.rules.create, link_name, name, environment, key)
        typed = {"link_name": link_name, "name": name, "environment": environment, "s_key_1": key}
        return expected, self.post(
            "connections:new", self.service.slug, access_mode="proxy", **typed
        )

    def rename(self):
        thing, name = self.connection(), self.name()
        expected = self.expect(self.actor(self.admins(thing)), self.rules.rename, thing, name)
        return expected, self.post("connections:rename", thing, name=name)

    def plain(self, what: str, *, deleted: bool = False):
        """What takes no more than to be asked."""
        thing = self.connection(deleted=deleted)
        expected = self.expect(self.actor(self.admins(thing)), getattr(self.rules, what), thing)
        return expected, self.post(f"connections:{what}", thing)

    def disable(self):
        return self.plain("disable")

    def enable(self):
        return self.plain("enable")

    def revoke(self):
        return self.plain("revoke")

    def delete(self):
        return self.plain("delete")

    def restore(self):
        return self.plain("restore", deleted=True)

    def reconnect(self):
        thing, key = self.connection(), self.chance.choice(["k", "k", "k", ""])
        expected = self.expect(self.actor(self.admins(thing)), self.rules.reconnect, thing, key)
        return expected, self.post("connections:reconnect", thing, key_1=key)

    def duplicate(self):
        thing, copy, name = self.connection(), self.new_link_name(), self.name()
        who = self.actor(self.admins(thing))
        expected = self.expect(who, self.rules.duplicate, thing, copy, name)
        return expected, self.post("connections:duplicate", thing, link_name=copy, name=name)

    def shared(self) -> tuple[str, str, set[str]]:
        """Something that is shared, mostly a connection, and its admins."""
        kind = self.chance.choices(["connection", "integration", "service"], [6, 3, 1])[0]
        some = {"connection": self.connection, "integration": self.integration}
        key = some[kind]() if kind in some else self.service.slug
        thing = self.rules.things(kind).get(key)
        return kind, key, self.rules.admins_of(thing) if thing else set()

    def add_person(self):
        (kind, key, able), person = self.shared(), self.person()
        expected = self.expect(self.actor(able), self.rules.add_person, kind, key, person)
        who = f"person-{self.people[person].pk}"
        return expected, self.post(f"{kind}_share:add", key, who=who)

    def add_team(self):
        (kind, key, able), team = self.shared(), self.team()
        expected = self.expect(self.actor(able), self.rules.add_team, kind, key, team)
        return expected, self.post(f"{kind}_share:add", key, who=f"team-{self.team_pk(team)}")

    def remove_person(self):
        (kind, key, able), person = self.shared(), self.person()
        expected = self.expect(self.actor(able), self.rules.remove_person, kind, key, person)
        return expected, self.post(
            f"{kind}_share:remove_person", key, self.people[person].public_id
        )

    def remove_team(self):
        (kind, key, able), team = self.shared(), self.team()
        expected = self.expect(self.actor(able), self.rules.remove_team, kind, key, team)
        return expected, self.post(f"{kind}_share:remove_team", key, self.team_id(team))

    def share_to_self(self):
        kind, key, _ = self.shared()
        who = self.actor(self.super_admins())
        expected = self.expect(who, self.rules.share_to_self, kind, key)
        return expected, self.post(f"{kind}_share:to_self", key)

    def undo(self):
        shared = [
            (kind, key)
            for kind in ("connection", "integration", "service")
            for key, each in self.rules.things(kind).items()
            if each.to_self and not getattr(each, "deleted", False)
        ]
        kind, key = self.chance.choice([self.shared()[:2], *shared[-5:]])
        thing = self.rules.things(kind).get(key)
        able = thing.to_self if thing else set()
        expected = self.expect(self.actor(able), self.rules.undo, kind, key)
        return expected, self.post(f"{kind}_share:undo", key)

    def transfer(self):
        kind, key, _ = self.shared()
        if key not in self.rules.things(kind):
            kind, key = "service", self.service.slug
        thing = self.rules.things(kind)[key]
        likely = thing.admins if self.chance.random() < 0.8 else set(CAST)
        person, to = self.some(*likely, otherwise="Ada"), self.person()
        # Asked before: the page's list that it is in depends on who else administers it.
        of_connections = "alone" if self.rules.is_alone(thing, person) else "with_others"
        where = {"connection": of_connections}.get(kind, f"{kind}s")
        who = self.actor(self.super_admins())
        expected = self.expect(who, self.rules.transfer, kind, key, person, to)
        model, field = SHARED[kind]
        pk = model.objects.values_list("pk", flat=True).get(**{field: key})
        typed = {"kind": where, "action": f"transfer:{pk}", "confirmed": "on"}
        typed["who"] = f"person-{self.people[to].pk}"
        url = reverse("leaving_act", args=[self.people[person].public_id])
        response = self.browsers[who].post(url, typed, headers=HTMX)
        is_done = response.status_code == 200 and "outcomes" in response.context
        return expected, Outcome.DONE if is_done else outcome(response)

    def new_team(self):
        few = len(self.rules.teams) < 4
        name = self.chance.choice([f"Team {self.made}" if few else "Data", "data", "Data", ""])
        expected = self.expect(self.actor(self.super_admins()), self.rules.new_team, name)
        return expected, self.post("accounts:new_team", name=name)

    def join(self):
        team, person = self.team(), self.person()
        expected = self.expect(self.actor(self.super_admins()), self.rules.join, team, person)
        who = f"person-{self.people[person].pk}"
        return expected, self.post("accounts:add_team_members", self.team_id(team), who=who)

    def leave(self):
        team = self.team()
        inside = self.rules.teams.get(team, set())
        person = self.some(*inside, otherwise="Ada") if self.chance.random() < 0.8 else "Eve"
        expected = self.expect(self.actor(self.super_admins()), self.rules.leave, team, person)
        args = self.team_id(team), self.people[person].public_id
        return expected, self.post("accounts:remove_team_member", *args)

    def delete_team(self):
        team = self.team()
        named = self.team_id(team)
        expected = self.expect(self.actor(self.super_admins()), self.rules.delete_team, team)
        return expected, self.post("accounts:delete_team", named)

    def change_role(self):
        person, role = self.person(), self.chance.choice([*rules.RANKS, "owner"])
        who = self.actor(self.super_admins())
        expected = self.expect(who, self.rules.change_role, person, role)
        return expected, self.post("accounts:change_role", self.people[person].public_id, role=role)

    def deactivate(self):
        person = self.person()
        expected = self.expect(self.actor(self.super_admins()), self.rules.deactivate, person)
        return expected, self.post("accounts:deactivate", self.people[person].public_id)

    def reactivate(self):
        gone = [name for name, each in self.rules.people.items() if not each.active]
        person = self.some(*gone, otherwise="Ada")
        expected = self.expect(self.actor(self.super_admins()), self.rules.reactivate, person)
        return expected, self.post("accounts:reactivate", self.people[person].public_id)

    def sign_in(self):
        out = [name for name, each in self.rules.people.items() if not each.signed_in]
        self.who = self.some(*out, otherwise="Ada")
        self.steps.append(f"{self.who} signs in")
        typed = {"username": self.people[self.who].email, "password": PASSWORD}
        response = self.browsers[self.who].post(reverse("accounts:sign_in"), typed)
        AccessAttempt.objects.all().delete()  # or soon nobody could sign in
        return self.rules.sign_in(self.who), outcome(response)

    def sign_out(self):
        expected = self.expect(self.person(), self.rules.sign_out)
        return expected, self.post("accounts:sign_out")

    def new_integration(self):
        self.made += 1
        slug = self.chance.choice([f"i{self.made}", "orders", "bills"])
        is_new = self.chance.random() < 0.5
        known = sorted({each.project for each in self.rules.integrations.values()})
        project = f"Project {self.made}" if is_new else self.chance.choice(known)
        who = self.person()
        expected = self.expect(who, self.rules.new_integration, slug, project, is_new)
        place = {"new_project": project} if is_new else {"project": slug_of(project)}
        return expected, self.post("usage:create", name=slug or "I", slug=slug, **place)

    def add_member(self):
        slug, person = self.integration(), self.person()
        who = self.actor(self.integration_admins(slug))
        expected = self.expect(who, self.rules.add_member, slug, person)
        return expected, self.post("usage:add_member", slug, email=self.people[person].email)

    def remove_member(self):
        slug, person = self.integration(), self.person()
        who = self.actor(self.integration_admins(slug))
        expected = self.expect(who, self.rules.remove_member, slug, person)
        return expected, self.post("usage:remove_member", slug, self.people[person].public_id)

    def register(self):
        slug, thing = self.integration(), self.connection()
        both = self.integration_admins(slug) & self.admins(thing)
        who = self.actor(both or self.integration_admins(slug))
        expected = self.expect(who, self.rules.register, slug, thing)
        return expected, self.post("usage:register", slug, connections=[thing])

    def deregister(self):
        slug = self.integration()
        known = self.rules.integrations.get(slug)
        registered = known.registered if known else set()
        thing = self.some(*registered, otherwise=self.connection())
        who = self.actor(self.integration_admins(slug))
        expected = self.expect(who, self.rules.deregister, slug, thing)
        return expected, self.post("usage:deregister", slug, thing)

    def make_available(self):
        thing, is_confirmed = self.connection(), self.chance.random() < 0.5
        to = self.chance.choice(["account", "project", "integration"])
        slug = self.chance.choice(list(self.rules.integrations))
        project = self.rules.integrations[slug].project
        place = {"account": "", "project": project, "integration": slug}[to]
        who = self.actor(self.admins(thing))
        expected = self.expect(who, self.rules.make_available, thing, to, place, is_confirmed)
        named = {"project": slug_of(project)} if to == "project" else {"integration": slug}
        typed = {"to": to} | (named if place else {}) | ({"stops": "on"} if is_confirmed else {})
        return expected, self.post("connection_availability", thing, **typed)

    def save_function(self):
        slug, thing = self.integration(), self.connection()
        known = self.rules.integrations.get(slug)
        name = self.chance.choice(["sync", "report"])
        is_new = known is None or name not in known.functions
        among = self.integration_admins(slug) | (known.members if known else set())
        expected = self.expect(self.actor(among), self.rules.save_function, slug, name, thing)
        typed = {"row": "0", "step-0-connection": thing, "seen": thing}
        if is_new:
            return expected, self.post("usage:new_function", slug, name=name, **typed)
        return expected, self.post("usage:edit_function", slug, name, **typed)

    def delete_function(self):
        slug = self.integration()
        known = self.rules.integrations.get(slug)
        name = self.some(*(known.functions if known else ()), otherwise="sync")
        who = self.actor(self.integration_admins(slug))
        expected = self.expect(who, self.rules.delete_function, slug, name)
        return expected, self.post("usage:delete_function", slug, name)

    def move_integration(self):
        slug = self.integration()
        known = sorted({each.project for each in self.rules.integrations.values()})
        project = self.chance.choice(known)
        who = self.actor(self.integration_admins(slug))
        expected = self.expect(who, self.rules.move_integration, slug, project)
        typed = {"name": slug, "project": slug_of(project), "kind": "integration"}
        return expected, self.post("usage:edit", slug, **typed)

    def delete_integration(self):
        slug = self.some(*list(self.rules.integrations)[3:], otherwise="never-there")
        who = self.actor(self.integration_admins(slug))
        expected = self.expect(who, self.rules.delete_integration, slug)
        return expected, self.post("usage:delete", slug)

    # Comparing

    def compare_seen(self, name: str) -> None:
        person = self.people[name]
        person.role, person.is_active = self.rules.people[name].role, True
        found = set(Connection.objects.visible_to(person).values_list("link_name", flat=True))
        wanted = self.rules.visible(name)
        assert found == wanted, self.difference(f"{name} sees {found ^ wanted} on one side only.")

    def compare_everything(self) -> None:
        assert stored() == modelled(self.rules), self.difference("What is stored differs.")
        assert not self.rules.unadministered(), self.difference("Nobody administers one.")
        for name, person in self.people.items():
            if self.rules.people[name].active:
                self.compare_seen(name)
                seen = Integration.objects.visible_to(person).values_list("slug", flat=True)
                wanted = self.rules.visible_integrations(name)
                assert set(seen) == wanted, self.difference(f"{name} sees integrations {seen}.")

    def difference(self, said: str) -> str:
        found, wanted = stored(), modelled(self.rules)
        rows = [
            f"{kind} {key}:\n  stored   {found[kind].get(key)}\n  by rules {wanted[kind].get(key)}"
            for kind in wanted
            for key in sorted(found[kind].keys() | wanted[kind].keys())
            if found[kind].get(key) != wanted[kind].get(key)
        ]
        states = rows or [f"Both have: {wanted}"]
        return "\n".join([said, *self.steps, *states])


ANSWERS = {
    200: Outcome.REFUSED, 204: Outcome.DONE, 302: Outcome.DONE, 303: Outcome.DONE,
    403: Outcome.DENIED, 404: Outcome.MISSING, 409: Outcome.REFUSED, 422: Outcome.REFUSED,
}  # fmt: skip


def outcome(response) -> str:
    """What the answer to a POST comes to; one that is answered with its form again was refused."""
    where = response.headers.get("Location", "")
    if where.startswith(f"{reverse(settings.LOGIN_URL)}?next="):
        return Outcome.SIGN_IN
    if "HX-Redirect" in response.headers:
        return Outcome.DONE
    return ANSWERS.get(response.status_code, str(response.status_code))


def slug_of(project: str) -> str:
    return Project.objects.get(name=project).slug


def modelled(world: Rules) -> dict[str, dict[str, Any]]:
    return {
        "person": {name: (each.role, each.active) for name, each in world.people.items()},
        "team": world.teams,
        "connection": {
            key: (
                *(each.name, each.environment, each.secret, each.disabled, each.deleted),
                *(each.available, *grants_in(each)),
            )
            for key, each in world.connections.items()
        },
        "integration": {
            slug: (each.project, *grants_in(each), each.members, each.registered, each.functions)
            for slug, each in world.integrations.items()
        },
        "service": {slug: grants_in(each) for slug, each in world.services.items()},
    }


def grants_in(thing: rules.Administered) -> tuple[set[str], set[str], set[str]]:
    return thing.admins, thing.teams, thing.to_self


SHARED = {
    "connection": (Connection, "link_name"),
    "integration": (Integration, "slug"),
    "service": (Service, "slug"),
}


def grants_on(kind: str) -> Callable[[str], tuple[set[str], ...]]:
    """By key: who administers it, which teams do, and who shared it to themself."""
    model, key = SHARED[kind]
    key = f"content_object__{key}"
    people = roles.user_grants(model)
    found = (
        grouped(people, key, "user__name"),
        grouped(roles.team_grants(model), key, "group__name"),
        grouped(people.filter(to_self=True), key, "user__name"),
    )
    return lambda name: tuple(each[name] for each in found)


def stored() -> dict[str, dict[str, Any]]:
    """The same of the product, read as it stands in the tables."""
    connection, integration, service = (grants_on(kind) for kind in SHARED)
    secrets = set(Credential.objects.live().values_list("connection__link_name", flat=True))
    environments = dict(Settings.objects.values_list("connection__link_name", "environment__slug"))
    available = {
        link_name: ("project", project) if project else ("integration", integration)
        for link_name, project, integration in Availability.objects.values_list(
            "connection__link_name", "project__name", "integration__slug"
        )
    }
    members = grouped(User.groups.through, "group__name", "user__name")
    joined = grouped(Membership, "integration__slug", "user__name")
    registered = grouped(Registration, "integration__slug", "connection__link_name")
    functions = defaultdict(dict)
    for slug, name, link_name in FunctionUse.objects.values_list(
        "function__integration__slug", "function__name", "connection__link_name"
    ):
        functions[slug][name] = link_name
    custom = Service.objects.filter(origin=Origin.CUSTOM).values_list("slug", flat=True)
    return {
        "person": {p.name: (p.role, p.is_active) for p in User.objects.all()},
        "team": {name: members[name] for name in Team.objects.values_list("name", flat=True)},
        "connection": {
            key: (
                *(name, environments[key] or "", key in secrets, bool(disabled), bool(deleted)),
                *(available.get(key, ("account", "")), *connection(key)),
            )
            for key, name, disabled, deleted in Connection.objects.values_list(
                "link_name", "name", "disabled_at", "deleted_at"
            )
        },
        "integration": {
            slug: (project, *integration(slug), joined[slug], registered[slug], functions[slug])
            for slug, project in Integration.objects.values_list("slug", "project__name")
        },
        "service": {slug: service(slug) for slug in custom},
    }


def grouped(rows: Any, key: str, value: str) -> dict[str, set[str]]:
    found = defaultdict(set)
    queryset = rows.objects.all() if hasattr(rows, "objects") else rows
    for one, other in queryset.values_list(key, value):
        found[one].add(other)
    return found


CHANCES = {
    Walk.look: 2, Walk.find_usage: 1, Walk.look_at_integration: 1, Walk.create: 3,
    Walk.rename: 7, Walk.disable: 2,
    Walk.enable: 4, Walk.revoke: 2, Walk.reconnect: 3, Walk.delete: 2, Walk.restore: 2,
    Walk.duplicate: 2, Walk.add_person: 7, Walk.add_team: 4, Walk.remove_person: 7,
    Walk.remove_team: 3, Walk.share_to_self: 4, Walk.undo: 4, Walk.transfer: 3, Walk.new_team: 1, Walk.join: 4,
    Walk.leave: 4, Walk.delete_team: 1, Walk.change_role: 4, Walk.deactivate: 3,
    Walk.reactivate: 5, Walk.sign_in: 7, Walk.sign_out: 1, Walk.new_integration: 1,
    Walk.add_member: 5, Walk.remove_member: 5, Walk.register: 5, Walk.deregister: 3,
    Walk.make_available: 4, Walk.save_function: 6, Walk.delete_function: 4,
    Walk.move_integration: 2, Walk.delete_integration: 1,
}  # fmt: skip
ACTS, WEIGHTS = list(CHANCES), list(CHANCES.values())


@pytest.mark.parametrize("seed", SEEDS)
@time_machine.travel("2026-06-01T12:00:00Z", tick=False)  # or sign-ins would grow too old
def test_the_pages_answer_as_the_rules_say(seed, monkeypatch, caplog):
    caplog.set_level("ERROR", "django.request")  # not of each that is denied
    monkeypatch.setattr(context, "counted", {})  # the navigation's, which cost much
    walk = Walk(seed)

    for number in range(STEPS):
        walk.step()
        if number % LOOK_ROUND == 0:
            walk.compare_everything()
    walk.compare_everything()

    done = {name for name, outcome in walk.met if outcome == Outcome.DONE}
    assert done == {act.__name__ for act in ACTS}
    assert {outcome for _, outcome in walk.met} == set(Outcome)
