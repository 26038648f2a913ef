from django.contrib import messages
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import HttpResponseClientRedirect

from connhub.accounts.permissions import may, require
from connhub.htmx import HttpResponseSeeOther, wants_fragment
from connhub.paging import page

from .. import projects
from ..forms import IntegrationForm
from ..models import Integration


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

    form = IntegrationForm(request.POST or None, by=request.user)
    if not form.is_valid():
        return render(request, "usage/create.html", {"form": form})
    integration = projects.create(
        form.cleaned_data["name"],
        slug=form.cleaned_data["slug"],
        project=form.chosen_project,
        by=request.user,
    )
    messages.success(request, f"{integration} is created. Register connections with it next.")
    here = integration.get_absolute_url()
    return HttpResponseClientRedirect(here) if request.htmx else HttpResponseSeeOther(here)
