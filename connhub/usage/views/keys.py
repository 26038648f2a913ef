from django.db.models import CharField
from django.db.models.functions import Cast
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import trigger_client_event

from connhub.accounts import environments
from connhub.accounts.models import Environment
from connhub.accounts.permissions import may
from connhub.accounts.reauthentication import recently_authenticated
from connhub.htmx import changed, wants_fragment
from connhub.paging import Order, page

from .. import keys as operations
from ..forms import KeyForm, RotateKeyForm
from ..models import IntegrationKey
from .looking_up import administered, visible

NEWEST_FIRST = Order("newest first", "issued_at", "tie", descending=True)


@require_safe
@vary_on_headers("HX-Request")
def keys(request, slug):
    integration = visible(request, slug)
    issued = integration.keys.select_related("environment", "issued_by", "replaced_by")
    context = {
        "integration": integration,
        "page": page(issued.annotate(tie=Cast("pk", CharField())), NEWEST_FIRST, request.GET),
        "may_administer": may(request.user, "integration.issue_key", integration),
        "lowest": environments.lowest(),
        "higher": Environment.objects.order_by("position")[1:],
    }
    template = "usage/_keys.html" if wants_fragment(request) else "usage/keys.html"
    return render(request, template, context)


@require_http_methods(["GET", "POST"])
@recently_authenticated
def issue_key(request, slug):
    """Makes a key for the lowest environment, and shows it this once."""
    integration = administered(request, slug, to="issue_key")

    form, environment = KeyForm(request.POST or None), environments.lowest()
    context = {"integration": integration, "form": form, "environment": environment}
    if not form.is_valid():
        return render(request, "usage/issue_key.html", context)
    key, token = operations.issue(
        integration,
        environment,
        name=form.cleaned_data["name"],
        by=request.user,
        expires_in=form.expires_in,
    )
    return _issued(request, key, token)


@require_http_methods(["GET", "POST"])
@recently_authenticated
def rotate_key(request, slug, pk):
    """Makes the key that takes the place of one of the lowest environment, and shows it this once."""
    integration = administered(request, slug, to="issue_key")
    of_lowest = integration.keys.filter(environment=environments.lowest())
    old = get_object_or_404(of_lowest.select_related("integration", "environment"), pk=pk)

    form = RotateKeyForm(request.POST or None)
    if not form.is_valid():
        context = {"integration": integration, "form": form, "key": old}
        return render(request, "usage/rotate_key.html", context)
    new, token = operations.rotate(
        old, by=request.user, overlap=form.overlap_for, expires_in=form.expires_in
    )
    return _issued(request, new, token)


def _issued(request, key: IntegrationKey, token: str):
    context = {"integration": key.integration, "key": key, "token": token}
    response = render(request, "usage/issued_key.html", context)
    return trigger_client_event(response, "key-changed") if request.htmx else response


@require_http_methods(["GET", "POST"])
@recently_authenticated
def revoke_key(request, slug, pk):
    integration = administered(request, slug, to="revoke_key")
    key = get_object_or_404(integration.keys.select_related("environment"), pk=pk)

    if request.method == "POST":
        operations.revoke(key, by=request.user)
        here = reverse("usage:keys", args=[integration.slug])
        return changed(request, "key", then=here, message=f"{key} is revoked.")
    return render(request, "usage/revoke_key.html", {"integration": integration, "key": key})
