"""What is done with flows alone: detach one of an integration, attach one that stands alone."""

from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from connhub.htmx import sent_to, wants_fragment
from connhub.lookup import named_or_404

from .. import attaching, registration, selecting
from .. import flows as operations
from ..flow_forms import AttachForm
from .looking_up import administered
from .saving import asked_first, said_of


@require_http_methods(["GET", "POST"])
def detach_flow(request, slug, key):
    integration = administered(request, slug, to="undeclare")
    found = named_or_404(integration.flows.all(), slug=key)
    found.integration = integration

    if request.method == "POST":
        operations.detach(found, by=request.user)
        there = reverse("flows:flow", args=[found.slug])
        return sent_to(request, there, message=f"{found} stands alone now, and is yours.")
    context = {"thing": found, "stopping": registration.kept_by(found, integration)}
    return render(request, "usage/detach_flow.html", context)


@require_http_methods(["GET", "POST"])
def attach_flow(request, slug):
    """Makes one of one's own standalone flows the integration's."""
    integration = administered(request, slug, to="declare")

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
