"""The share pages of any object; the URL configuration says of which kind it is."""

from django.http import Http404
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from connhub.accounts.models import Team, User
from connhub.accounts.permissions import require
from connhub.accounts.picking import PickForm
from connhub.accounts.reauthentication import recently_authenticated
from connhub.accounts.teams import with_sizes
from connhub.htmx import changed, sent_to, wants_fragment

from . import admins as operations
from . import listing, policies, roles
from .kinds import kinds

NAMED = 5


@require_safe
@vary_on_headers("HX-Request")
def admins(request, kind, key):
    """The list of admins, with since when and by whom."""
    kind, thing = _seen(request, kind, key)
    policies.require_see_admins(request.user, thing)
    is_fragment = wants_fragment(request)
    context = _about(request, kind, thing)
    context |= {"page": listing.rows(thing, request.GET), "is_fragment": is_fragment}
    template = "_admins.html" if is_fragment else "admins.html"
    return render(request, f"sharing/{template}", context)


@require_http_methods(["GET", "POST"])
@recently_authenticated
def add(request, kind, key):
    kind, thing = _shared(request, kind, key)
    form = pick_form(request, thing)
    is_final = request.method == "POST" and "search" not in request.POST
    if is_final and form.is_valid():
        added = operations.add(thing, form.cleaned_data["who"], by=request.user)
        said = f"{_names(added)} now administer{'s' if len(added) == 1 else ''} {thing}."
        return _changed(request, kind, thing, said if added else "They administered it already.")
    context = _about(request, kind, thing) | {"form": form, "show_errors": is_final}
    return render(request, "sharing/add.html", context)


def pick_form(request, thing=None):
    """Whom it can be shared with: active people and teams who aren't its admins by themselves."""
    people, teams = User.objects.all(), with_sizes()
    if thing:
        model = type(thing)
        own = roles.user_grants(model).filter(content_object=thing, to_self=False)
        people = people.exclude(pk__in=own.values("user"))
        theirs = roles.team_grants(model).filter(content_object=thing)
        teams = teams.exclude(pk__in=theirs.values("group"))
    return PickForm(request.POST or None, people=people, teams=teams)


@require_http_methods(["GET", "POST"])
def remove_person(request, kind, key, public_id):
    return _remove(request, kind, key, User, public_id)


@require_http_methods(["GET", "POST"])
def remove_team(request, kind, key, public_id):
    return _remove(request, kind, key, Team, public_id)


def _remove(request, kind, key, model, public_id):
    kind, thing = _shared(request, kind, key)
    admin = get_object_or_404(model, public_id=public_id)
    if not roles.grants_of(thing, admin).exists():
        raise Http404
    if request.method == "POST":
        operations.remove(thing, admin, by=request.user)
        if not policies.may_see_admins(request.user, thing):
            return sent_to(request, kind.listing, message=f"You {kind.loses} {thing}.")
        return _changed(request, kind, thing, f"{admin} is removed from the admins.")
    context = _about(request, kind, thing) | _losing(thing, admin) | {"admin": admin}
    return render(request, "sharing/remove.html", context)


def _losing(thing, admin):
    """Who loses what, and why somebody doesn't."""
    if isinstance(admin, User):
        return {"teams": listing.teams_of(thing, admin), "is_person": True}
    people = listing.only_through(thing, admin)
    count = people.count()
    return {"people": people[:NAMED], "count": count, "more": max(0, count - NAMED)}


@require_http_methods(["GET", "POST"])
@recently_authenticated
def share_to_self(request, kind, key):
    kind, thing = _seen(request, kind, key)
    policies.require_share_to_self(request.user, thing)
    if request.method == "POST":
        operations.share_to_self(thing, by=request.user)
        return _changed(request, kind, thing, f"You administer {thing} now.")
    others = list(roles.admins(thing)[: NAMED + 1])
    context = _about(request, kind, thing) | {"people": others[:NAMED], "more": others[NAMED:]}
    return render(request, "sharing/share_to_self.html", context)


@require_POST
def undo_share_to_self(request, kind, key):
    kind, thing = _seen(request, kind, key)
    policies.require_see_admins(request.user, thing)
    operations.undo_share_to_self(thing, by=request.user)
    said = f"{thing} is no longer shared to you."
    if not policies.may_see_admins(request.user, thing):
        return sent_to(request, kind.listing, message=said)
    return _changed(request, kind, thing, said)


@require_safe
def team_shares(request, public_id):
    """What is shared with one team, for super admins."""
    require(request.user, "team.change")
    team = get_object_or_404(Team, public_id=public_id)
    found = []
    for kind in kinds.values():
        theirs = roles.team_grants(kind.model).filter(group=team).values("content_object")
        things = kind.live().filter(pk__in=theirs)
        if count := things.count():
            found.append((kind.model._meta.verbose_name_plural, list(things[:20]), count))
    template = "_team_shares.html" if wants_fragment(request) else "team_shares.html"
    return render(request, f"sharing/{template}", {"team": team, "found": found})


def _seen(request, kind, key):
    """The object and its kind: 404 for those who don't see it."""
    kind = kinds[kind]
    return kind, get_object_or_404(kind.visible_to(request.user), **{kind.key: key})


def _shared(request, kind, key):
    """The same; 403 for those who see it and may not share it."""
    kind, thing = _seen(request, kind, key)
    policies.require_share(request.user, thing)
    return kind, thing


def _about(request, kind, thing):
    """What every share page shows of the object."""
    may_share = policies.may_share(request.user, thing)
    return {
        "kind": kind,
        "thing": thing,
        "may_share": may_share,
        "is_shared_to_self": roles.is_shared_to_self(request.user, thing),
        "may_share_to_self": policies.may_share_to_self(request.user, thing),
        "urls": {name: kind.url(name, thing) for name in ("admins", "add", "to_self", "undo")},
    }


def _changed(request, kind, thing, said):
    return changed(request, kind.name, then=kind.url("admins", thing), message=said)


def _names(added):
    return ", ".join(map(str, added))
