from django.shortcuts import render
from django.views.decorators.http import require_POST

from connhub.accounts.models import Environment

from .. import bulk, listing
from ..models import Connection
from ..tagging import BadTags, parsed

MOST = 200


@require_POST
def bulk_action(request):
    """One action on the rows that were ticked; what breaks something is asked about first."""
    action = bulk.ACTIONS.get(request.POST.get("action", ""))
    names = list(dict.fromkeys(request.POST.getlist("link_name")))
    error = _error(action, names)
    tags = []
    if action and action.takes_tags and not error:
        try:
            tags = parsed(request.POST.get("tags", ""))
            error = "" if tags else "Write the tags next to the button first."
        except BadTags as refusal:
            error = refusal.text
    if error or action is None:
        return render(request, "connections/bulk_result.html", {"error": error}, status=422)
    if action.breaks and "confirmed" not in request.POST:
        return render(request, "connections/bulk_confirm.html", _asked(request, action, names))
    outcomes = bulk.run(action, names, by=request.user, tags=tags)
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
    visible = Connection.objects.visible_to(request.user).filter(link_name__in=names)
    connections = list(visible.select_related("service"))
    uses = listing.uses([connection.pk for connection in connections], request.user)
    rows = [(connection, uses[connection.pk]) for connection in connections]
    highest = Environment.objects.order_by("position").last()
    return {"action": action, "rows": rows, "highest": highest}
