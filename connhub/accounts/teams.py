"""Teams: people under one name, with whom things are shared at once."""

from collections.abc import Sequence

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet
from django.dispatch import Signal
from django.urls import reverse

from connhub.audit.log import record, record_each
from connhub.errors import Refusal

from .grants import lock_admins
from .models import Team, User
from .notifications import SHARED, tell_each
from .people import require_now

# Sent with `team` and `by` in the transaction that has taken people from it.
shrunk = Signal()


class TeamNameTaken(Refusal):
    code = "team-name-taken"
    text = "There is a team of this name already. Choose another name."


class NotInTeam(Refusal):
    code = "not-in-team"
    text = "This person is not in the team any more. Reload the page."


def with_sizes() -> QuerySet:
    """Every team, with how many active people are in it."""
    return Team.objects.annotate(size=Count("user", filter=Q(user__is_active=True)))


def is_taken(name: str, *, but: Team | None = None) -> bool:
    """Whether another team has the name, in any case."""
    others = Team.objects.exclude(pk=but.pk) if but else Team.objects.all()
    return others.filter(name__iexact=name).exists()


@transaction.atomic
def create(name: str, *, by: User) -> Team:
    """Make an empty team. Raises: PermissionDenied; TeamNameTaken."""
    by = require_now(by, "team.change")
    team = Team(name=name)
    _save(team)
    record("team.created", by=by, on=team, detail={"said": name})
    return team


@transaction.atomic
def rename(team: Team, *, to: str, by: User) -> None:
    """Raises: PermissionDenied; TeamNameTaken."""
    by = require_now(by, "team.change")
    team.name = to
    _save(team)
    record("team.renamed", by=by, on=team, fields=["name"])


def _save(team: Team) -> None:
    if is_taken(team.name, but=team if team.pk else None):
        raise TeamNameTaken
    try:
        with transaction.atomic():
            team.save()
    except IntegrityError:
        raise TeamNameTaken from None


@transaction.atomic
def add_members(team: Team, people: Sequence[User], *, by: User) -> list[User]:
    """Put people into the team, who administer at once what is shared with it; those not in it yet.

    They are told by letter. Raises: PermissionDenied.
    """
    lock_admins()
    by = require_now(by, "team.change")
    inside = set(team.user_set.values_list("pk", flat=True))
    added = [person for person in people if person.pk not in inside]
    team.user_set.add(*added)
    record_each("team.member_added", ((team, [], {"whom": str(person)}) for person in added), by=by)
    _write_to(added, team, by)
    return added


def _write_to(people: Sequence[User], team: Team, by: User) -> None:
    """Tell people that they are in the team now, if they want to know."""
    context = {"by": by, "team": team, "url": settings.CONNHUB_URL + reverse("profile_access")}
    subject, template = f"{by} put you into the team {team}", "accounts/mail/joined_team.txt"
    others = (person for person in people if person.pk != by.pk)
    tell_each(SHARED, ((each, subject, template, context | {"person": each}) for each in others))


@transaction.atomic
def remove_member(team: Team, person: User, *, by: User) -> None:
    """Take a person from the team, and with it what they administer through it.

    Raises:
        PermissionDenied: `by` is no super admin.
        NotInTeam: they aren't in it.
        Refusal: nobody active would administer something (from a receiver of `shrunk`).
    """
    lock_admins()
    by = require_now(by, "team.change")
    if not team.user_set.filter(pk=person.pk).exists():
        raise NotInTeam
    team.user_set.remove(person)
    shrunk.send(sender=Team, team=team, by=by)
    record("team.member_removed", by=by, on=team, detail={"whom": str(person)})


@transaction.atomic
def delete(team: Team, *, by: User) -> None:
    """Delete the team, and with it everything that was shared with it.

    Raises:
        PermissionDenied: `by` is no super admin.
        Refusal: nobody active would administer something (from a receiver of `shrunk`).
    """
    lock_admins()
    by = require_now(by, "team.change")
    team.user_set.clear()
    shrunk.send(sender=Team, team=team, by=by)
    record("team.deleted", by=by, on=team, detail={"said": team.name})
    Team.objects.filter(pk=team.pk).delete()
