from django.shortcuts import render
from django.views.decorators.http import require_POST

from connhub.accounts.models import Environment
from connhub.accounts.reauthentication import HELD, recently_authenticated
from connhub.htmx import wants_fragment
from connhub.sharing.views import pick_form

from .. import bulk, listing, tasks
from ..models import Connection
from ..tagging import BadTags, parsed

MOST = 200


@require_POST
def bulk_action(request):
    """One action on the rows that were ticked; sharing wants a recent sign-in, as its own page does."""
    action = bulk.ACTIONS.get(request.POST.get("action", ""))
    is_sharing = HELD in request.POST or (action and action.takes_admins)
    return _act_by_somebody_sure(request) if is_sharing else _act(request)


def _act(request):
    """What breaks something is asked about first."""
    action = bulk.ACTIONS.get(request.POST.get("action", ""))
    names = list(dict.fromkeys(request.POST.getlist("link_name")))
    error = _error(action, names)
    given = {}
    if action and action.takes_tags and not error:
        try:
            given = {"tags": parsed(request.POST.get("tags", ""))}
            error = "" if given["tags"] else "Write the tags next to the button first."
        except BadTags as refusal:
            error = refusal.text
    if error or action is None:
        return render(request, "connections/bulk_result.html", {"error": error}, status=422)
    if action.breaks and "confirmed" not in request.POST:
        return render(request, "connections/bulk_confirm.html", _asked(request, action, names))
    if action.takes_admins:
        return _share(request, action, names)
    if action.form:
        return _choose(request, action, names)
    outcomes = bulk.run(action, names, by=request.user, **given)
    if action.breaks:
        tasks.tell_providers()
    return _show(request, action, outcomes)


_act_by_somebody_sure = recently_authenticated(_act)


def _share(request, action, names):
    form = pick_form(request)
    is_final = "confirmed" in request.POST and "search" not in request.POST
    if is_final and form.is_valid():
        chosen = form.cleaned_data["who"]
        return _show(request, action, bulk.run(action, names, by=request.user, admins=chosen))
    context = {"action": action, "names": names, "form": form, "show_errors": is_final}
    template = "accounts/_pick.html" if wants_fragment(request) else "connections/bulk_share.html"
    return render(request, template, context)


def _choose(request, action, names):
    """What the action has to be told first, on a page of its own."""
    typed = request.POST if "confirmed" in request.POST else None
    form = action.form(typed, by=request.user, link_names=names)
    if form.is_bound and form.is_valid() and not form.asks_again:
        return _show(request, action, bulk.run(action, names, by=request.user, **form.cleaned_data))
    context = {"action": action, "names": names, "form": form}
    return render(request, "connections/bulk_choose.html", context)


def _show(request, action, outcomes):
    done = sum(outcome.done for outcome in outcomes)
    context = {"action": action, "outcomes": outcomes, "done": done}
    return render(request, "connections/bulk_result.html", context)


def _error(action, names):
    if action is None:
        return "Choose what to do with the connections."
    if len(names) > MOST:
        return f"That is too many at once: take {MOST} at most."
    return "" if names else "Tick the connections first."


def _asked(request, action, names):
    visible = Connection.objects.visible_to(request.user).named(names)
    connections = list(visible.select_related("service"))
    uses = listing.uses([connection.pk for connection in connections], request.user)
    rows = [(connection, uses[connection.pk]) for connection in connections]
    highest = Environment.objects.order_by("position").last()
    return {"action": action, "rows": rows, "highest": highest}
