"""The report of what nothing calls over, by owner."""

from django.core.paginator import Paginator
from django.shortcuts import render
from django.views.decorators.http import require_safe

from .. import listing
from ..models import Connection
from ..unused import CHOICES, DAYS, owners_of, unused_for

OWNERS = 25


@require_safe
def unused(request):
    """For everybody: of the connections that they see."""
    asked = request.GET.get("days")
    days = next((days for days, _ in CHOICES if str(days) == asked), DAYS)
    visible = Connection.objects.visible_to(request.user)
    owners = owners_of(visible.filter(unused_for(days)))
    page = Paginator(owners, OWNERS).get_page(request.GET.get("page"))
    ids = [pk for owner in page for pk in owner.ids]
    named = Connection.objects.select_related("service").in_bulk(ids)
    uses = listing.uses(ids, request.user)
    context = {
        "days": days,
        "choices": CHOICES,
        "page": page,
        "total": sum(owner.total for owner in owners),
        "owners": [(owner, [(named[pk], uses[pk]) for pk in owner.ids]) for owner in page],
    }
    return render(request, "connections/unused.html", context)
