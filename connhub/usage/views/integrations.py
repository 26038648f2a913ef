from django.contrib import messages
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import HttpResponseClientRedirect

from connhub.accounts.permissions import may, require
from connhub.htmx import HttpResponseSeeOther, sent_to, wants_fragment
from connhub.paging import page

from .. import lifecycle, projects
from ..forms import DeleteIntegrationForm, EditIntegrationForm, IntegrationForm
from ..models import Integration
from .looking_up import administered


@require_safe
@vary_on_headers("HX-Request")
def integrations(request):
    seen = projects.for_listing(Integration.objects.visible_to(request.user))
    context = {
        "page": page(seen, projects.BY_NAME, request.GET),
        "may_create": may(request.user, "integration.create"),
    }
    fragment = wants_fragment(request)
    template = "usage/_integrations.html" if fragment else "usage/integrations.html"
    return render(request, template, context)


@require_http_methods(["GET", "POST"])
def create(request):
    require(request.user, "integration.create")

    initial = {"project": request.GET.get("project")}
    form = IntegrationForm(request.POST or None, initial=initial, by=request.user)
    if not form.is_valid():
        return render(request, "usage/create.html", {"form": form})
    integration = projects.create(
        form.cleaned_data["name"],
        slug=form.cleaned_data["slug"],
        project=form.chosen_project,
        kind=form.cleaned_data["kind"],
        by=request.user,
    )
    messages.success(request, f"{integration} is created. Register connections with it next.")
    here = integration.get_absolute_url()
    return HttpResponseClientRedirect(here) if request.htmx else HttpResponseSeeOther(here)


@require_http_methods(["GET", "POST"])
def edit(request, slug):
    integration = administered(request, slug, to="edit")

    typed = request.POST if request.method == "POST" else None
    form = EditIntegrationForm(typed, integration=integration, by=request.user)
    if form.is_bound and form.is_valid():
        try:
            lifecycle.edit(integration, **form.values, by=request.user)
        except lifecycle.WouldStop as refusal:
            form.add_error("project", refusal.text)
        else:
            saved = form.cleaned_data["name"]
            return sent_to(request, integration, message=f"{saved} is saved.")
    context = {"integration": integration, "form": form}
    return render(request, "usage/edit_integration.html", context)


@require_http_methods(["GET", "POST"])
def delete(request, slug):
    """Asks, says what would end, and deletes it; while something is in it, says what."""
    integration = administered(request, slug, to="delete")

    typed = request.POST if request.method == "POST" else None
    used = lifecycle.used_lately(integration)
    form = DeleteIntegrationForm(typed, integration=integration, used_in=used)
    if form.is_bound and form.is_valid():
        lifecycle.delete(integration, by=request.user)
        return sent_to(request, "usage:integrations", message=f"{integration} is deleted.")
    context = {
        "integration": integration,
        "form": form,
        "refusal": lifecycle.in_use(integration, request.user),
        "impact": lifecycle.impact_of(integration),
    }
    return render(request, "usage/delete_integration.html", context)
