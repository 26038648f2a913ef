"""Off-boarding: one page for a person who leaves, for super admins."""

from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from connhub.accounts.models import Team, User
from connhub.accounts.permissions import require
from connhub.accounts.picking import PickForm
from connhub.accounts.reauthentication import recently_authenticated
from connhub.accounts.teams import with_sizes
from connhub.htmx import wants_fragment

from ..leaving.doing import ACTIONS
from ..leaving.kinds import KINDS, MOST, counts
from ..leaving.rows import rows

SHOWN = 10


@require_safe
@vary_on_headers("HX-Request")
def leaving(request, public_id):
    """What is left of one kind, the first that there is some of."""
    person = _person(request, public_id)
    found = counts(person)
    first = next((name for name, count in found.items() if count), "alone")
    kind = KINDS.get(request.GET.get("kind", ""), KINDS[first])
    context = {
        "person": person,
        "kind": kind,
        "count": found[kind.name],
        "most": min(found[kind.name], MOST),
        "actions": [(name, ACTIONS[name]) for name in kind.actions],
        "page": rows(kind, person, request.user, request.GET),
    }
    if wants_fragment(request):
        return render(request, "usage/_leaving.html", context)
    context["kinds"] = [(name, KINDS[name].label, count) for name, count in found.items()]
    context["is_clean"] = not any(found.values())
    context["ends"] = _ends_by_itself(person)
    return render(request, "usage/leaving.html", context)


def _ends_by_itself(person):
    """What needs nobody: it counts for nothing once the account is deactivated."""
    teams = Team.objects.filter(user=person).order_by("name")
    return {
        "teams": list(teams[:SHOWN]),
        "team_count": teams.count(),
        "memberships": person.memberships.count(),
        "links": person.connect_links.open().count(),
        "views": person.saved_views.count(),
    }


@require_POST
@recently_authenticated
def leaving_act(request, public_id):
    """One action on what was ticked, on one row (`action:key`) or on all of the kind (`action:all`)."""
    person = _person(request, public_id)
    kind = KINDS.get(request.POST.get("kind", ""))
    name, _, one = request.POST.get("action", "").partition(":")
    if kind is None or name not in kind.actions:
        return _said(request, person, kind, "Choose what to do.")
    things, error = _chosen(request, person, kind, one)
    if error:
        return _said(request, person, kind, error)
    action = ACTIONS[name]
    words = things[0]._meta
    context = {
        "person": person,
        "kind": kind,
        "name": name,
        "action": action,
        "things": things,
        "noun": words.verbose_name if len(things) == 1 else words.verbose_name_plural,
    }
    if action.takes_admins:
        return _hand_over(request, context)
    if action.breaks and "confirmed" not in request.POST:
        return render(request, "usage/leaving_confirm.html", context)
    return _done(request, context, action.run(things, person=person, by=request.user))


def _hand_over(request, context):
    """Asks who takes their place, then does it."""
    person = context["person"]
    others = User.objects.exclude(pk=person.pk)
    one = context["action"].takes_one
    form = PickForm(request.POST, people=others, teams=None if one else with_sizes())
    is_final = "confirmed" in request.POST and "search" not in request.POST
    if is_final and one and len(form.ticked) > 1:
        form.add_error("who", "Tick one name only.")
    if is_final and form.is_valid():
        chosen = form.cleaned_data["who"]
        run = context["action"].run
        return _done(
            request, context, run(context["things"], person=person, to=chosen, by=request.user)
        )
    context |= {"form": form, "show_errors": is_final}
    template = "accounts/_pick.html" if wants_fragment(request) else "usage/leaving_confirm.html"
    return render(request, template, context)


def _chosen(request, person, kind, one):
    """The things that are still the person's, and what is wrong, if anything is."""
    if one == "all":
        things = kind.first(person)
    else:
        keys = [one] if one else request.POST.getlist("key")
        if not keys:
            return [], "Tick what it is about first."
        if len(keys) > MOST:
            return [], f"That is too many at once: take {MOST} at most."
        things = kind.named(person, keys)
    return things, "" if things else "Nothing of that is theirs any more."


def _said(request, person, kind, error):
    context = {"person": person, "kind": kind, "error": error}
    return render(request, "usage/leaving_result.html", context, status=422)


def _done(request, context, outcomes):
    done = sum(outcome.done for outcome in outcomes)
    left = context["kind"].found(context["person"]).count()
    context |= {"outcomes": outcomes, "done": done, "left": left}
    return render(request, "usage/leaving_result.html", context)


def _person(request, public_id):
    require(request.user, "account.administer")
    return get_object_or_404(User, public_id=public_id)
