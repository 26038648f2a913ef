"""The flows of an integration: the tab, and each flow's pages."""

from django.db.models import Prefetch
from django.db.models.functions import Lower
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from connhub.accounts.permissions import may
from connhub.htmx import sent_to, wants_fragment
from connhub.lookup import named_or_404
from connhub.paging import Order, page

from .. import attaching, registration, selecting
from .. import flows as operations
from ..flow_forms import AttachForm
from ..models import Flow, Integration, Step
from .looking_up import administered, visible
from .saving import asked_first, context_of, edited, removed, said_of

FLOWS_BY_NAME = Order("name", Lower("name"), "slug")
STEPS_ELSEWHERE = 100


@require_safe
def flows(request, slug):
    integration = visible(request, slug)
    steps = Step.objects.select_related("connection__service").order_by("name")
    own = integration.flows.prefetch_related(Prefetch("steps", steps))
    elsewhere = list(registration.steps_elsewhere(integration)[: STEPS_ELSEWHERE + 1])
    context = {
        "integration": integration,
        "page": page(own, FLOWS_BY_NAME, request.GET),
        "elsewhere": elsewhere[:STEPS_ELSEWHERE],
        "is_cut": len(elsewhere) > STEPS_ELSEWHERE,
        "may_save": may(request.user, "integration.save_flow", integration),
    }
    return render(request, "usage/flows.html", context)


@require_safe
def flow(request, slug, flow):
    found = _of(visible(request, slug), flow)
    context = context_of(found, request.user)
    return render(request, "usage/flow.html", context)


@require_http_methods(["GET", "POST"])
def new_flow(request, slug):
    integration = administered(request, slug, to="save_flow")
    return edited(request, integration)


@require_http_methods(["GET", "POST"])
def edit_flow(request, slug, flow):
    integration = administered(request, slug, to="save_flow")
    return edited(request, integration, _of(integration, flow))


@require_http_methods(["GET", "POST"])
def delete_flow(request, slug, flow):
    integration = administered(request, slug, to="remove_flow")
    return removed(request, _of(integration, flow))


@require_http_methods(["GET", "POST"])
def detach_flow(request, slug, flow):
    integration = administered(request, slug, to="remove_flow")
    found = _of(integration, flow)

    if request.method == "POST":
        operations.detach(found, by=request.user)
        there = reverse("flows:flow", args=[found.slug])
        return sent_to(request, there, message=f"{found} stands alone now, and is yours.")
    context = {"flow": found, "stopping": registration.kept_by(found, integration)}
    return render(request, "usage/detach_flow.html", context)


@require_http_methods(["GET", "POST"])
def attach_flow(request, slug):
    """Makes one of one's own standalone flows the integration's."""
    integration = administered(request, slug, to="save_flow")

    place = selecting.place_of(integration, request.user)
    typed = request.POST if request.method == "POST" else None
    form = AttachForm(typed, place=place, searched=request.GET.get("q", ""))
    context = {"integration": integration, "form": form}
    if form.is_bound and form.is_valid():
        chosen = form.cleaned_data["flow"]
        if not form.was_seen:
            return asked_first(request, form, chosen, "Attach")
        gained = said_of(form.selection, integration, request.user)
        attaching.attach(chosen, to=integration, by=request.user)
        there = reverse("usage:flow", args=[integration.slug, chosen.slug])
        return sent_to(request, there, message=f"{chosen} is attached to {integration}.{gained}")
    searches = request.method == "GET" and "q" in request.GET and wants_fragment(request)
    template = "usage/_flow_choices.html" if searches else "usage/attach_flow.html"
    return render(request, template, context)


def _of(integration: Integration, slug: str) -> Flow:
    found = named_or_404(integration.flows.all(), slug=slug)
    found.integration = integration
    return found
