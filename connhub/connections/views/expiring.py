"""The expiry page: everything that runs out, as a list and as a calendar."""

from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from connhub.accounts.models import Environment
from connhub.htmx import wants_fragment
from connhub.services.models import Service

from .. import expiry
from ..expiry_form import WITHIN, ExpiryForm
from ..models import Connection

NARROWING = ("kind", "service", "environment", "within", "day")


@require_safe
@vary_on_headers("HX-Request")
def expiring(request):
    """Soonest first, or by day; the calendar's counts lead to the list of that day."""
    visible = Connection.objects.visible_to(request.user)
    services = list(Service.objects.filter(pk__in=visible.values("service")).only("slug", "name"))
    environments = list(Environment.objects.all())
    form = ExpiryForm(request.GET, services=services, environments=environments)
    wanted = form.wanted
    context = {
        "filters": wanted,
        "is_filtered": any(wanted.get(name) for name in NARROWING),
        "sources": expiry.sources,
        "services": services,
        "environments": environments,
        "within": WITHIN,
    }
    if wanted.get("view"):
        context |= _calendar(request.user, wanted)
    else:
        context |= _list(request, wanted)
    template = "_expiry.html" if wants_fragment(request) else "expiry.html"
    return render(request, f"connections/{template}", context)


def _list(request, wanted):
    page = expiry.listed(request.user, wanted, request.GET)
    total = sum(expiry.counts(request.user, wanted).values())
    return {"page": page, "text": f"{len(page.rows)} of {total:,} · soonest first"}


def _calendar(user, wanted):
    narrowed = {name: wanted.get(name) for name in ("kind", "service", "environment")}
    first = wanted["month"]
    return {
        "months": expiry.calendar(user, narrowed, first),
        "earlier": expiry.before(first),
        "later": expiry.after(first),
    }
