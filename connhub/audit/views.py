from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import Http404, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from connhub.htmx import wants_fragment

from . import exporting, looking
from .filters import FilterForm
from .models import Event


def _require_super_admin(request) -> None:
    if not request.user.is_super_admin:
        raise PermissionDenied


@require_safe
@vary_on_headers("HX-Request")
def log(request):
    """What everybody did, newest first; for super admins."""
    _require_super_admin(request)
    form = FilterForm(request.GET)
    is_whole = not wants_fragment(request)
    # Before the reading is on record, so that it isn't counted.
    days = looking.per_day() if is_whole and not form.query else []
    found = looking.look(form, request.GET, by=request.user)
    context = {
        "form": form,
        "page": found,
        "days": days,
        "only": _only(form, request, found.rows),
        "offered": _offered(form, request),
        "exported": f"?{form.query}" if form.query else "",
    }
    return render(request, "audit/log.html" if is_whole else "audit/_table.html", context)


def _only(form, request, rows) -> list[tuple[str, str]]:
    """The exact references of the URL, in words, each with the URL without it."""
    first = rows[0] if rows else None
    named = {
        "actor": f"By {first.actor}" if first else "By somebody",
        "object": f"On {first.object}" if first else "On something",
        "request": "Of one request",
    }
    return [
        (words, _with(request, **{name: ""}))
        for name, words in named.items()
        if form.data.get(name)
    ]


def _offered(form, request) -> list[tuple[str, list[tuple[str, str]]]]:
    """The fields that several objects fit, and for each of these the URL that names it alone."""
    return [
        (name, [(str(one), _with(request, **{name: one.key})) for one in found])
        for name, found in form.offered.items()
    ]


def _with(request, /, **changed: str) -> str:
    """The URL of this page, from its first row, with other filters."""
    asked = request.GET.dict() | {"before": "", "after": ""} | changed
    return f"{request.path}?{urlencode({name: value for name, value in asked.items() if value})}"


@require_safe
def event(request, sequence):
    """One event with all that is on record of it."""
    _require_super_admin(request)
    found = get_object_or_404(Event, sequence=sequence)
    others = looking.look_at(found, by=request.user)
    return render(request, "audit/event.html", {"event": found, "others": others})


@require_safe
def export(request, format):
    """The log as the filters have it, as CSV or JSON lines."""
    _require_super_admin(request)
    form = FilterForm(request.GET)
    if format not in exporting.FORMATS or not form.is_valid():
        raise Http404
    pieces = exporting.export(form, format, by=request.user)
    name = f"connhub-audit-{timezone.now():%Y%m%dT%H%M%SZ}.{format}"
    return StreamingHttpResponse(
        pieces,
        content_type=exporting.TYPES[format],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
