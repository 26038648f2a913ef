from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from connhub.accounts.permissions import may
from connhub.accounts.reauthentication import recently_authenticated
from connhub.htmx import changed, wants_fragment
from connhub.sharing import roles

from .. import projects
from ..forms import MemberForm
from .looking_up import administered, visible


@require_safe
@vary_on_headers("HX-Request")
def members(request, slug):
    integration = visible(request, slug)
    context = {
        "integration": integration,
        "admins": roles.admins(integration),
        "memberships": integration.memberships.select_related("user").order_by("user__name"),
        "may_administer": may(request.user, "integration.change_members", integration),
    }
    template = "usage/_members.html" if wants_fragment(request) else "usage/members.html"
    return render(request, template, context)


@require_http_methods(["GET", "POST"])
@recently_authenticated
def add_member(request, slug):
    integration = administered(request, slug, to="change_members")

    form = MemberForm(request.POST or None, integration=integration)
    if form.is_valid():
        projects.add_member(integration, form.person, by=request.user)
        return _changed(request, integration, f"{form.person} now has access.")
    return render(request, "usage/add_member.html", {"integration": integration, "form": form})


@require_http_methods(["GET", "POST"])
def remove_member(request, slug, public_id):
    integration = administered(request, slug, to="change_members")
    membership = get_object_or_404(
        integration.memberships.select_related("user"), user__public_id=public_id
    )

    if request.method == "POST":
        projects.remove_member(integration, membership.user, by=request.user)
        return _changed(request, integration, f"{membership.user} has no access any more.")
    context = {"integration": integration, "member": membership.user}
    return render(request, "usage/remove_member.html", context)


def _changed(request, integration, said):
    here = reverse("usage:members", args=[integration.slug])
    return changed(request, "member", then=here, message=said)
