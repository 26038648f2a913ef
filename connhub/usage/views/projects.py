"""Projects: the list, one of them, and what is done with it."""

from django.db.models import Exists, OuterRef
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from connhub.accounts.permissions import may, require
from connhub.connections.models import Connection
from connhub.htmx import sent_to
from connhub.lookup import named_or_404
from connhub.paging import page

from .. import grouping, policies
from ..forms import ProjectForm
from ..models import Availability, Integration, Project
from ..projects import BY_LINK_NAME, BY_NAME, count_of, for_listing


@require_safe
def projects(request):
    seen = Integration.objects.visible_to(request.user)
    available = Availability.objects.filter(connection__in=policies.traceable_by(request.user))
    rows = Project.objects.visible_to(request.user).annotate(
        integration_count=count_of(seen, "project"),
        connection_count=count_of(available, "project"),
    )
    context = {
        "page": page(rows, BY_NAME, request.GET),
        "may_create": may(request.user, "project.create"),
    }
    return render(request, "usage/projects.html", context)


@require_safe
def project(request, slug):
    """Its integrations, as far as the person sees them, or the connections they may use by it."""
    project, user = _seen(request, slug), request.user
    shows_connections = request.GET.get("list") == "connections"
    if shows_connections:
        own = Connection.objects.visible_to(user).filter(pk=OuterRef("pk"))
        available = policies.traceable_by(user).filter(availability__project=project)
        available = available.select_related("service").annotate(is_seen=Exists(own))
        found = page(available, BY_LINK_NAME, request.GET)
    else:
        seen = Integration.objects.visible_to(user).filter(project=project)
        found = page(for_listing(seen), BY_NAME, request.GET)
    context = {
        "project": project,
        "page": found,
        "shows_connections": shows_connections,
        "may_create": may(user, "integration.create"),
        "may_rename": may(user, "project.rename", project),
        "may_delete": may(user, "project.delete", project),
    }
    return render(request, "usage/project.html", context)


@require_http_methods(["GET", "POST"])
def new_project(request):
    require(request.user, "project.create")

    form = ProjectForm(request.POST or None)
    if form.is_valid():
        made = grouping.create(form.cleaned_data["name"], by=request.user)
        return sent_to(request, made, message=f"{made} is created.")
    return render(request, "usage/new_project.html", {"form": form})


@require_http_methods(["GET", "POST"])
def rename_project(request, slug):
    project = _seen(request, slug)
    require(request.user, "project.rename", project)

    form = ProjectForm(request.POST or None, initial={"name": project.name})
    if form.is_valid():
        grouping.rename(project, to=form.cleaned_data["name"], by=request.user)
        return sent_to(request, project, message=f"It is called {form.cleaned_data['name']} now.")
    return render(request, "usage/rename_project.html", {"project": project, "form": form})


@require_http_methods(["GET", "POST"])
def delete_project(request, slug):
    project = _seen(request, slug)
    require(request.user, "project.delete", project)

    if request.method == "POST":
        grouping.delete(project, by=request.user)
        return sent_to(request, "projects:list", message=f"{project} is deleted.")
    refusal = grouping.ProjectInUse() if grouping.is_in_use(project) else None
    context = {"project": project, "refusal": refusal}
    return render(request, "usage/delete_project.html", context)


def _seen(request, slug: str) -> Project:
    return named_or_404(Project.objects.visible_to(request.user), slug=slug)
