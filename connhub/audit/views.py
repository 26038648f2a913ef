from django.core.exceptions import PermissionDenied
from django.shortcuts import render
from django.views.decorators.http import require_safe

from connhub.htmx import wants_fragment
from connhub.paging import Order, page

from .models import Event

NEWEST = Order("newest first", "sequence", "sequence", descending=True)


@require_safe
def log(request):
    """What everybody did, newest first; for super admins."""
    if not request.user.is_super_admin:
        raise PermissionDenied
    events = Event.objects.all()
    text = request.GET.get("q", "").replace("\0", "").strip()[:80]
    if text:
        events = events.filter(action__contains=text) | events.filter(actor__icontains=text)
    context = {"page": page(events, NEWEST, request.GET), "q": text}
    template = "audit/_table.html" if wants_fragment(request) else "audit/log.html"
    return render(request, template, context)
