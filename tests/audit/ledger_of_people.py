"""Random operations on who may what: sharing, teams, people, invitations and environments."""

from copy import copy

from connhub.accounts import environments, invitations, people, teams
from connhub.accounts.models import Environment, Invitation, Role, Team, User
from connhub.connections.models import Connection
from connhub.sharing import admins, roles
from connhub.sharing.transferring import transfer

from .ledger import Ledger, Shared


class LedgerOfPeople(Ledger):
    """Steps, each of which does one thing and notes what should be on record of it."""

    # Sharing

    def share(self) -> None:
        thing = self.some_thing()
        whom = self.chance.choice([self.grantee(), self.somebody()])
        by, is_new = self.admin_of(thing), not roles.grants_of(thing, whom).exists()
        admins.add(thing, [whom], by=by)
        if is_new:
            self.note(by, f"{kind_of(thing)}.shared", thing)

    def unshare(self) -> None:
        thing = self.some_thing()
        by = self.admin_of(thing)
        others = roles.admins(thing).exclude(pk=by.pk).order_by("pk")
        whom = self.chance.choice([*others, self.grantee()])
        admins.remove(thing, whom, by=by)
        self.note(by, f"{kind_of(thing)}.unshared", thing)

    def share_to_self(self) -> None:
        thing = self.some_thing()
        admins.share_to_self(thing, by=self.root)
        self.note(self.root, f"{kind_of(thing)}.shared_to_self", thing)

    def undo_share_to_self(self) -> None:
        thing = self.some_thing()
        admins.undo_share_to_self(thing, by=self.root)
        self.note(self.root, f"{kind_of(thing)}.self_share_undone", thing)

    def transfer(self) -> None:
        thing, to = self.some_thing(), self.somebody()
        things = type(thing)._default_manager.filter(pk=thing.pk)
        person = self.admin_of(thing)
        transfer(things, person=person, to=[to], by=self.root)
        self.note(self.root, f"{kind_of(thing)}.transferred", thing)
        if isinstance(thing, Connection):
            self.owners[thing.pk] = to

    # Teams

    def some_team(self) -> Team:
        return Team.objects.order_by("pk").first() or self.new_team()

    def new_team(self) -> Team:
        made = teams.create(self.new_name(), by=self.root)
        self.note(self.root, "team.created", made)
        return made

    def rename_team(self) -> None:
        team = self.some_team()
        teams.rename(team, to=self.new_name(), by=self.root)
        self.note(self.root, "team.renamed", team)

    def join(self) -> None:
        team, chosen = self.some_team(), self.chance.sample(self.colleagues, 2)
        inside = set(team.user_set.all())
        teams.add_members(team, chosen, by=self.root)
        for _ in set(chosen) - inside:
            self.note(self.root, "team.member_added", team)

    def leave(self) -> None:
        team = self.some_team()
        teams.remove_member(team, self.colleague(), by=self.root)
        self.note(self.root, "team.member_removed", team)

    def delete_team(self) -> None:
        team = self.some_team()
        teams.delete(team, by=self.root)
        self.note(self.root, "team.deleted", team)

    # People

    def change_role(self) -> None:
        person, to = self.colleague(), self.chance.choice(Role.values)
        was = User.objects.get(pk=person.pk).role
        people.change_role(person, to=to, by=self.root)
        if to != was:
            self.note(self.root, "person.role_changed", person)

    def deactivate(self) -> None:
        person = self.colleague()
        people.deactivate(person, by=self.root)
        self.note(self.root, "person.deactivated", person)

    def reactivate(self) -> None:
        person = self.colleague()
        was_active = User.objects.get(pk=person.pk).is_active
        people.reactivate(person, by=self.root)
        if not was_active:
            self.note(self.root, "person.reactivated", person)

    def some_invitation(self) -> Invitation:
        return Invitation.objects.order_by("pk").first() or self.invite()

    def invite(self) -> Invitation:
        email = f"{self.new_name().lower()}@acme.example"
        invitations.invite(email, role=Role.MEMBER, by=self.root)
        made = Invitation.objects.get(email=email)
        self.note(self.root, "invitation.sent", made)
        return made

    def invite_again(self) -> None:
        invitation = self.some_invitation()
        invitations.send_again(invitation, by=self.root)
        self.note(self.root, "invitation.sent_again", invitation)

    def withdraw_invitation(self) -> None:
        invitation = self.some_invitation()
        invitations.withdraw(copy(invitation), by=self.root)  # which loses its id with the row
        self.note(self.root, "invitation.withdrawn", invitation)

    def accept_invitation(self) -> None:
        person = invitations.accept(self.some_invitation(), name="New", password=None)
        self.note(person, "person.joined", person)

    # Environments

    def some_environment(self) -> Environment:
        return self.chance.choice(Environment.objects.all())

    def add_environment(self) -> None:
        made = environments.add(name=self.new_name(), short="x", by=self.root)
        self.note(self.root, "environment.added", made)

    def rename_environment(self) -> None:
        environment = self.some_environment()
        environments.rename(environment, to=self.new_name(), short="y", by=self.root)
        self.note(self.root, "environment.renamed", environment)

    def move_environment(self) -> None:
        environment, up = self.some_environment(), self.chance.random() < 0.5
        was = list(Environment.objects.all())
        environments.move(environment, up=up, by=self.root)
        if environment != was[0 if up else -1]:
            self.note(self.root, "environment.moved", environment)

    def remove_environment(self) -> None:
        environment = self.some_environment()
        environments.remove(copy(environment), by=self.root)  # which loses its id with the row
        self.note(self.root, "environment.removed", environment)

    ACTS = (
        share, unshare, share_to_self, undo_share_to_self, transfer, new_team, rename_team, join,
        leave, delete_team, change_role, deactivate, reactivate, invite, invite_again,
        withdraw_invitation, accept_invitation, add_environment, rename_environment,
        move_environment, remove_environment,
    )  # fmt: skip


def kind_of(thing: Shared) -> str:
    return str(thing._meta.model_name)
