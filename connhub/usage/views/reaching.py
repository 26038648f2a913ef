from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from connhub.accounts.models import User
from connhub.accounts.permissions import require
from connhub.connections.models import Connection, own_credentials
from connhub.htmx import wants_fragment

from ..reach import own, own_picture, picture, who
from ..reach.rows import rows

LONGEST_SEARCH = 80


@require_safe
@vary_on_headers("HX-Request")
def access(request, link_name):
    """Who can use a connection, and why."""
    seen = Connection.objects.visible_to(request.user)
    seen = seen.select_related("service").prefetch_related(own_credentials(), "settings")
    connection = get_object_or_404(seen, link_name=link_name)

    kind, text = _asked(request, who.OF_KIND)
    context = {
        "connection": connection,
        "kind": kind,
        "q": text,
        "sorted_by": f"Sorted by {who.ORDERS[kind].label}",
        "page": rows(kind, connection, request.user, request.GET, text),
    }
    if wants_fragment(request):
        return render(request, "usage/_access.html", context)
    tallies = who.tallies(connection, request.user)
    hidden = [(name, tally.hidden) for name, tally in tallies.items() if tally.hidden]
    context |= {
        "hidden": hidden,
        "kinds": [(name, name.capitalize(), tally.seen) for name, tally in tallies.items()],
        "picture": picture.picture_of(connection, request.user, tallies),
    }
    return render(request, "usage/access.html", context)


@require_safe
@vary_on_headers("HX-Request")
def own_access(request):
    """What the person reaches who is signed in."""
    return _of_person(request, request.user)


@require_safe
@vary_on_headers("HX-Request")
def person_access(request, public_id):
    """What anybody reaches, for super admins."""
    require(request.user, "account.administer")
    return _of_person(request, get_object_or_404(User, public_id=public_id))


def _of_person(request, person):
    kind, text = _asked(request, own.OF_KIND)
    context = {
        "person": person,
        "kind": kind,
        "q": text,
        "page": own.rows(kind, person, request.user, request.GET, text),
    }
    if wants_fragment(request):
        return render(request, "usage/_person_access.html", context)
    counts = {name: found(person).count() for name, found in own.OF_KIND.items()}
    context["kinds"] = [(name, own.LABELS[name], count) for name, count in counts.items()]
    context["picture"] = own_picture.picture_of(person)
    return render(request, "usage/person_access.html", context)


def _asked(request, kinds) -> tuple[str, str]:
    """The kind of rows, the first where there is no such, and the text to find them by."""
    kind = request.GET.get("kind", "")
    text = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_SEARCH]
    return kind if kind in kinds else next(iter(kinds)), text
