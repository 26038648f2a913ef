"""Bulk test: started from the listing, looked at on a page of its own."""

from uuid import UUID

from django.http import Http404
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import HttpResponseClientRedirect

from connhub.htmx import HttpResponseSeeOther, wants_fragment

from .. import listing, tasks
from ..bulk_tests import testing
from ..bulk_tests.models import BulkTest, BulkTestRow
from ..forms import FilterForm
from ..models import Connection

State = BulkTestRow.State


@require_POST
def bulk_test(request):
    """Test the posted `link_name`s, or else what the listing's filter in the URL leaves."""
    run = testing.start(_chosen(request), by=request.user, enqueue=tasks.enqueue_bulk_test)
    url = run.get_absolute_url()
    return HttpResponseClientRedirect(url) if request.htmx else HttpResponseSeeOther(url)


def _chosen(request):
    visible = Connection.objects.visible_to(request.user)
    if link_names := set(request.POST.getlist("link_name")):
        found = visible.named(link_names)
        if found.count() < len(link_names):
            raise Http404
        return found
    theirs = Connection.objects.administered_by(request.user)
    filters = FilterForm.over(request.GET, theirs)
    return listing.filtered(theirs, filters.wanted, request.user)


@require_safe
@vary_on_headers("HX-Request")
def one_bulk_test(request, pk: UUID):
    run = get_object_or_404(BulkTest, pk=pk, user=request.user)
    rows = list(run.rows.select_related("connection"))
    states = [State(row.state) for row in rows]
    done = len(rows) - states.count(State.WAITING) - states.count(State.RUNNING)
    context = {
        "run": run,
        "rows": rows,
        "done": done,
        "is_over": done == len(rows),
        "counts": [(state, states.count(state)) for state in State if state in states],
    }
    template = "_bulk_test" if wants_fragment(request) else "bulk_test"
    return render(request, f"connections/{template}.html", context)
