"""The rules of ConnHub in small, over plain sets, for a walk that compares the product with them.

Each method is one thing that somebody asks for: it changes the state, or raises a `Stop`. People,
teams and projects are known by name here, connections by link name and integrations by slug.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

ENVIRONMENTS = {"": "admin", "development": "member", "staging": "admin", "production": "admin"}
RANKS = ("member", "admin", "super_admin")
PAGES_OF_CONNECTIONS = ["new", "export", "import", "deleted", "tests", "unused"]


class Outcome(StrEnum):
    DONE = "done"
    MISSING = "missing"
    DENIED = "denied"
    REFUSED = "refused"
    SIGN_IN = "sign-in"


class Stop(Exception):
    def __init__(self, outcome: Outcome):
        self.outcome = outcome


MISSING, DENIED, REFUSED = (
    Stop(Outcome.MISSING),
    Stop(Outcome.DENIED),
    Stop(Outcome.REFUSED),
)


@dataclass
class Person:
    role: str
    active: bool = True
    signed_in: bool = True


@dataclass
class Administered:
    admins: set[str] = field(default_factory=set)
    teams: set[str] = field(default_factory=set)
    to_self: set[str] = field(default_factory=set)


@dataclass
class Connection(Administered):
    """`environment` is the one it was made for ("": all), `available` to ("account", "") at first."""

    name: str = ""
    environment: str = ""
    secret: bool = True
    disabled: bool = False
    deleted: bool = False
    in_use: bool = False
    available: tuple[str, str] = ("account", "")


@dataclass
class Integration(Administered):
    project: str = ""
    members: set[str] = field(default_factory=set)
    registered: set[str] = field(default_factory=set)
    functions: dict[str, str] = field(default_factory=dict)  # the connection that each uses
    is_app: bool = False

    def has(self, link_name: str) -> bool:
        """Whether it is registered here, or used."""
        return link_name in self.registered or link_name in self.functions.values()


@dataclass
class Rules:
    people: dict[str, Person] = field(default_factory=dict)
    teams: dict[str, set[str]] = field(default_factory=dict)
    connections: dict[str, Connection] = field(default_factory=dict)
    integrations: dict[str, Integration] = field(default_factory=dict)
    services: dict[str, Administered] = field(default_factory=dict)

    def ask(self, who: str, act: Callable[..., None], *wanted: Any) -> Outcome:
        if not self.people[who].signed_in:
            return Outcome.SIGN_IN
        try:
            act(who, *wanted)
        except Stop as stop:
            return stop.outcome
        return Outcome.DONE

    # Who is what

    def has_role(self, who: str, role: str) -> bool:
        person = self.people[who]
        return person.active and RANKS.index(person.role) >= RANKS.index(role)

    def admins_of(self, thing: Administered) -> set[str]:
        """Those active, by themselves or through a team."""
        everybody = thing.admins.union(*(self.teams[team] for team in thing.teams))
        return {who for who in everybody if self.people[who].active}

    def visible(self, who: str) -> set[str]:
        return {key for key, thing in self.connections.items() if self._sees(who, thing)}

    def visible_integrations(self, who: str) -> set[str]:
        sees_all = self.has_role(who, "super_admin")
        return {
            slug
            for slug, thing in self.integrations.items()
            if sees_all or who in self.admins_of(thing) | thing.members
        }

    def _sees(self, who: str, thing: Connection) -> bool:
        sees_all = self.has_role(who, "super_admin")
        return not thing.deleted and (sees_all or who in self.admins_of(thing))

    def _seen(self, who: str, link_name: str) -> Connection:
        thing = self.connections.get(link_name)
        if thing is None or not self._sees(who, thing):
            raise MISSING
        return thing

    def _own(self, who: str, link_name: str) -> Connection:
        thing = self._seen(who, link_name)
        if who not in self.admins_of(thing):
            raise DENIED
        return thing

    def _seen_integration(self, who: str, slug: str) -> Integration:
        if slug not in self.visible_integrations(who):
            raise MISSING
        return self.integrations[slug]

    def _own_integration(self, who: str, slug: str) -> Integration:
        thing = self._seen_integration(who, slug)
        if who not in self.admins_of(thing):
            raise DENIED
        return thing

    def _super_admin(self, who: str) -> None:
        if not self.has_role(who, "super_admin"):
            raise DENIED

    def unadministered(self) -> list[Administered]:
        """Live connections, integrations and services without an active admin: there is never one."""
        live = [thing for thing in self.connections.values() if not thing.deleted]
        others = (*self.integrations.values(), *self.services.values())
        return [thing for thing in (*live, *others) if not self.admins_of(thing)]

    def _take(self, admins: set[str], one: str) -> None:
        """Take one away, unless that leaves something to nobody active."""
        admins.discard(one)
        if self.unadministered():
            admins.add(one)
            raise REFUSED

    # Looking

    def look_at_connection(self, who: str, link_name: str) -> None:
        self._seen(who, link_name)

    def find_usage(self, who: str, link_name: str) -> None:
        if not self.may_use(who, link_name):
            self._seen(who, link_name)

    def look_at_integration(self, who: str, slug: str) -> None:
        self._seen_integration(who, slug)

    # Connections

    def _check_names(self, name: str, link_name: str) -> None:
        well_formed = re.fullmatch(r"[a-z][a-z0-9_]{0,49}", link_name)
        is_taken = link_name in self.connections or link_name in PAGES_OF_CONNECTIONS
        if not name or not well_formed or is_taken:
            raise REFUSED

    def create(self, who: str, link_name: str, name: str, environment: str, key: str) -> None:
        self._check_names(name, link_name)
        offered = ENVIRONMENTS if self.has_role(who, "admin") else ("", "development")
        if not key or environment not in offered:
            raise REFUSED
        if not self.has_role(who, ENVIRONMENTS[environment]):
            raise DENIED
        self.connections[link_name] = Connection({who}, name=name, environment=environment)

    def rename(self, who: str, link_name: str, name: str) -> None:
        thing = self._own(who, link_name)
        if not name:
            raise REFUSED
        thing.name = name

    def disable(self, who: str, link_name: str) -> None:
        self._own(who, link_name).disabled = True

    def enable(self, who: str, link_name: str) -> None:
        self._own(who, link_name).disabled = False

    def revoke(self, who: str, link_name: str) -> None:
        thing = self._own(who, link_name)
        if not thing.secret:
            raise REFUSED
        thing.secret = False

    def reconnect(self, who: str, link_name: str, key: str) -> None:
        thing = self._own(who, link_name)
        if not self.has_role(who, ENVIRONMENTS[thing.environment]):
            raise DENIED
        if not key:
            raise REFUSED
        thing.secret = True

    def delete(self, who: str, link_name: str) -> None:
        thing = self._own(who, link_name)
        used = any(link_name in each.functions.values() for each in self.integrations.values())
        if thing.in_use or used:
            raise REFUSED
        thing.deleted, thing.secret = True, False

    def restore(self, who: str, link_name: str) -> None:
        thing = self.connections.get(link_name)
        if thing is None or not thing.deleted or who not in self.admins_of(thing):
            raise MISSING
        thing.deleted = False

    def duplicate(self, who: str, link_name: str, copy: str, name: str) -> None:
        thing = self._own(who, link_name)
        self._check_names(name, copy)
        made = self.connections[copy] = Connection(
            {who}, name=name, environment=thing.environment, secret=False
        )
        to, place = thing.available
        if place in self.audiences(who)[to]:
            self._open(copy, made, to, place)

    # Sharing, of things of each kind

    def things(self, kind: str) -> dict[str, Any]:
        return {
            "connection": self.connections,
            "integration": self.integrations,
            "service": self.services,
        }[kind]

    def _seen_of(self, who: str, kind: str, key: str) -> Administered:
        """What everybody sees of services, and of the others those who see them."""
        if kind == "service":
            return self.services[key]
        is_connection = kind == "connection"
        return self._seen(who, key) if is_connection else self._seen_integration(who, key)

    def _own_of(self, who: str, kind: str, key: str) -> Administered:
        thing = self._seen_of(who, kind, key)
        if who not in self.admins_of(thing):
            raise DENIED
        return thing

    def add_person(self, who: str, kind: str, key: str, person: str) -> None:
        thing = self._own_of(who, kind, key)
        if not self.people[person].active or person in thing.admins - thing.to_self:
            raise REFUSED
        thing.admins.add(person)
        thing.to_self.discard(person)

    def add_team(self, who: str, kind: str, key: str, team: str) -> None:
        thing = self._own_of(who, kind, key)
        if team in thing.teams or team not in self.teams:
            raise REFUSED
        thing.teams.add(team)

    def remove_person(self, who: str, kind: str, key: str, person: str) -> None:
        thing = self._own_of(who, kind, key)
        if person not in thing.admins:
            raise MISSING
        self._take(thing.admins, person)
        thing.to_self.discard(person)

    def remove_team(self, who: str, kind: str, key: str, team: str) -> None:
        thing = self._own_of(who, kind, key)
        if team not in thing.teams:
            raise MISSING
        self._take(thing.teams, team)

    def share_to_self(self, who: str, kind: str, key: str) -> None:
        thing = self._seen_of(who, kind, key)
        self._super_admin(who)
        if who in self.admins_of(thing):
            raise REFUSED
        thing.admins.add(who)
        thing.to_self.add(who)

    def undo(self, who: str, kind: str, key: str) -> None:
        thing = self._seen_of(who, kind, key)
        if kind == "service" and who not in self.admins_of(thing):
            self._super_admin(who)
        if who not in thing.to_self:
            raise REFUSED
        self._take(thing.admins, who)
        thing.to_self.discard(who)

    def is_alone(self, thing: Administered, person: str) -> bool:
        """Whether nobody else active administers it."""
        return not self.admins_of(thing) - {person}

    def transfer(self, who: str, kind: str, key: str, person: str, to: str) -> None:
        self._super_admin(who)
        thing = self.things(kind)[key]
        through_team = any(person in self.teams[team] for team in thing.teams)
        is_theirs = person in thing.admins or (through_team and self.is_alone(thing, person))
        if getattr(thing, "deleted", False) or not is_theirs:
            raise REFUSED
        if to == person or not self.people[to].active:
            raise REFUSED
        thing.admins -= {person}
        thing.admins.add(to)
        thing.to_self -= {person, to}

    # Teams and people

    def new_team(self, who: str, name: str) -> None:
        self._super_admin(who)
        if not name or name.casefold() in map(str.casefold, self.teams):
            raise REFUSED
        self.teams[name] = set()

    def join(self, who: str, team: str, person: str) -> None:
        members = self._team(who, team)
        if not self.people[person].active or person in members:
            raise REFUSED
        members.add(person)

    def leave(self, who: str, team: str, person: str) -> None:
        members = self._team(who, team)
        if person not in members:
            raise MISSING
        self._take(members, person)

    def delete_team(self, who: str, team: str) -> None:
        members = set(self._team(who, team))
        self.teams[team].clear()
        if self.unadministered():
            self.teams[team] |= members
            raise REFUSED
        for thing in self._everything():
            thing.teams.discard(team)
        del self.teams[team]

    def _team(self, who: str, team: str) -> set[str]:
        self._super_admin(who)
        if team not in self.teams:
            raise MISSING
        return self.teams[team]

    def _everything(self) -> Iterator[Administered]:
        yield from self.connections.values()
        yield from self.integrations.values()
        yield from self.services.values()

    def change_role(self, who: str, person: str, role: str) -> None:
        self._super_admin(who)
        if role not in RANKS or (role != "super_admin" and self._is_last_super_admin(person)):
            raise REFUSED
        if self.people[person].role != role:
            self.people[person].role = role
            self.people[person].signed_in = False

    def deactivate(self, who: str, person: str) -> None:
        self._super_admin(who)
        was = self.people[person].active
        if self._is_last_super_admin(person):
            raise REFUSED
        self.people[person].active = False
        if self.unadministered():
            self.people[person].active = was
            raise REFUSED
        self.people[person].signed_in = False

    def reactivate(self, who: str, person: str) -> None:
        self._super_admin(who)
        self.people[person].active = True

    def _is_last_super_admin(self, person: str) -> bool:
        return [each for each in self.people if self.has_role(each, "super_admin")] == [person]

    def sign_in(self, who: str) -> Outcome:
        person = self.people[who]
        person.signed_in = person.active
        return Outcome.DONE if person.active else Outcome.REFUSED

    def sign_out(self, who: str) -> None:
        self.people[who].signed_in = False

    # Integrations

    def open_projects(self, who: str) -> set[str]:
        """Where they administer an integration."""
        mine = (each for each in self.integrations.values() if who in self.admins_of(each))
        return {each.project for each in mine}

    def new_integration(self, who: str, slug: str, project: str, is_new: bool) -> None:
        if not self.has_role(who, "admin"):
            raise DENIED
        if slug in self.integrations or not (is_new or project in self.open_projects(who)):
            raise REFUSED
        self.integrations[slug] = Integration({who}, project=project)

    def add_member(self, who: str, slug: str, person: str) -> None:
        thing = self._own_integration(who, slug)
        if person in thing.members or not self.people[person].active:
            raise REFUSED
        thing.members.add(person)

    def remove_member(self, who: str, slug: str, person: str) -> None:
        thing = self._own_integration(who, slug)
        if person not in thing.members:
            raise MISSING
        thing.members.remove(person)

    def may_be_in(self, thing: Connection, slug: str) -> bool:
        """Whether no availability keeps the connection from the integration."""
        own_project = ("project", self.integrations[slug].project)
        return thing.available in (("account", ""), ("integration", slug), own_project)

    def may_use(self, who: str, link_name: str) -> bool:
        """As its admin, or in an integration that they belong to."""
        thing = self.connections[link_name]
        return not thing.deleted and (
            who in self.admins_of(thing)
            or any(
                thing.available == ("project", each.project)
                or (link_name in each.registered and self.may_be_in(thing, slug))
                for slug, each in self.integrations.items()
                if who in self.admins_of(each) | each.members
            )
        )

    def register(self, who: str, slug: str, link_name: str) -> None:
        into = self._own_integration(who, slug)
        if into.is_app or link_name not in self.connections or link_name in into.registered:
            raise REFUSED
        if not self.may_use(who, link_name):
            raise REFUSED
        if not self.may_be_in(self.connections[link_name], slug):
            raise REFUSED
        into.registered.add(link_name)

    def deregister(self, who: str, slug: str, link_name: str) -> None:
        into = self._own_integration(who, slug)
        if link_name not in into.registered or self.connections[link_name].deleted:
            raise MISSING
        into.registered.remove(link_name)

    def make_available(
        self, who: str, link_name: str, to: str, place: str, is_confirmed: bool
    ) -> None:
        thing = self._own(who, link_name)
        if place not in self.audiences(who)[to]:
            raise REFUSED
        before, thing.available = thing.available, (to, place)
        losing = [
            slug
            for slug, each in self.integrations.items()
            if each.has(link_name) and not self.may_be_in(thing, slug)
        ]
        if losing and not is_confirmed:
            thing.available = before
            raise REFUSED
        self._open(link_name, thing, to, place)

    def save_function(self, who: str, slug: str, name: str, link_name: str) -> None:
        into = self._seen_integration(who, slug)
        is_admin = who in self.admins_of(into)
        if not is_admin and who not in into.members:
            raise DENIED
        if into.functions.get(name) == link_name:
            return
        thing = self.connections.get(link_name)
        if thing is None or thing.deleted or not self.may_be_in(thing, slug):
            raise REFUSED
        is_here = link_name in into.registered or thing.available == ("project", into.project)
        registers = is_admin and not into.is_app
        if not is_here and not (registers and self.may_use(who, link_name)):
            raise REFUSED
        into.functions[name] = link_name
        if registers:
            into.registered.add(link_name)

    def delete_function(self, who: str, slug: str, name: str) -> None:
        into = self._own_integration(who, slug)
        if name not in into.functions:
            raise MISSING
        del into.functions[name]

    def move_integration(self, who: str, slug: str, project: str) -> None:
        thing = self._own_integration(who, slug)
        if project not in self.open_projects(who) | {thing.project}:
            raise REFUSED
        by_project = {
            link_name
            for link_name, each in self.connections.items()
            if each.available == ("project", thing.project) and not each.deleted
        }
        if project != thing.project and any(map(thing.has, by_project)):
            raise REFUSED
        thing.project = project

    def delete_integration(self, who: str, slug: str) -> None:
        thing = self._own_integration(who, slug)
        only_here = [c for c in self.connections.values() if c.available == ("integration", slug)]
        if thing.functions or any(not each.deleted for each in only_here):
            raise REFUSED
        for each in only_here:
            each.available = ("account", "")
        del self.integrations[slug]

    def audiences(self, who: str) -> dict[str, set[str]]:
        """Whom somebody may make a connection available to."""
        mine = {
            s for s, i in self.integrations.items() if who in self.admins_of(i) and not i.is_app
        }
        return {"account": {""}, "project": self.open_projects(who), "integration": mine}

    def _open(self, link_name: str, thing: Connection, to: str, place: str) -> None:
        thing.available = (to, place)
        if to == "integration":
            self.integrations[place].registered.add(link_name)
