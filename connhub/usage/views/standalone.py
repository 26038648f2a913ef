"""Flows that stand alone: one's own, and everybody's for super admins."""

from django.db.models import Count
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from connhub.accounts.permissions import require
from connhub.lookup import named_or_404
from connhub.paging import page

from .. import policies
from .flows import FLOWS_BY_NAME
from .saving import context_of, edited, removed


@require_safe
def standalone_flows(request):
    seen = policies.standalone_flows(request.user).select_related("owner")
    counted = seen.annotate(step_count=Count("steps"))
    return render(
        request, "usage/standalone.html", {"page": page(counted, FLOWS_BY_NAME, request.GET)}
    )


@require_safe
def standalone_flow(request, slug):
    context = context_of(_seen(request, slug), request.user)
    return render(request, "usage/flow.html", context)


@require_http_methods(["GET", "POST"])
def new_standalone_flow(request):
    require(request.user, "flow.create")
    return edited(request, None)


@require_http_methods(["GET", "POST"])
def edit_standalone_flow(request, slug):
    flow = _seen(request, slug)
    require(request.user, "flow.save", flow)
    return edited(request, None, flow)


@require_http_methods(["GET", "POST"])
def delete_standalone_flow(request, slug):
    flow = _seen(request, slug)
    require(request.user, "flow.delete", flow)
    return removed(request, flow)


def _seen(request, slug):
    return named_or_404(policies.standalone_flows(request.user).select_related("owner"), slug=slug)
