from django.shortcuts import get_object_or_404, render
from django.utils.text import get_text_list
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from connhub.accounts.permissions import may
from connhub.connections.models import Connection
from connhub.htmx import changed, wants_fragment
from connhub.paging import page
from connhub.sharing import policies as sharing
from connhub.sharing import roles

from .. import registration
from ..forms import RegisterForm
from ..projects import BY_LINK_NAME
from ..reach.drawing import counted
from .looking_up import administered, visible


@require_safe
@vary_on_headers("HX-Request")
def connections(request, slug):
    integration = visible(request, slug)
    own = Connection.objects.visible_to(request.user)
    context = {
        "integration": integration,
        "page": page(registration.for_listing(integration, own), BY_LINK_NAME, request.GET),
        "may_register": registration.may_register(request.user, integration),
        "may_edit": may(request.user, "integration.edit", integration),
        "may_share_to_self": sharing.may_share_to_self(request.user, integration),
        "is_shared_to_self": roles.is_shared_to_self(request.user, integration),
    }
    fragment = wants_fragment(request)
    template = "usage/_connections.html" if fragment else "usage/connections.html"
    return render(request, template, context)


@require_http_methods(["GET", "POST"])
def register(request, slug):
    integration = administered(request, slug, to="register")
    registration.require_by_hand(integration)

    typed = request.POST if request.method == "POST" else request.GET or None
    form = RegisterForm(typed, integration=integration, by=request.user)
    is_final = request.method == "POST" and "search" not in request.POST
    if is_final and form.is_valid():
        chosen, gained = form.cleaned_data["connections"], form.gains
        added = registration.register(integration, chosen, by=request.user)
        said = (
            f"Registered {', '.join(map(str, added))}: {gained.said}."
            if added
            else "Nothing was left to register."
        )
        return changed(request, "registration", then=integration, message=said)
    context = {"integration": integration, "form": form, "show_errors": is_final}
    template = "usage/register.html"
    if request.GET and wants_fragment(request):
        ticks = request.htmx.target == "gains"
        template = "usage/_gains.html" if ticks else "usage/_choices.html"
    return render(request, template, context)


@require_http_methods(["GET", "POST"])
def deregister(request, slug, link_name):
    integration = administered(request, slug, to="register")
    registered = integration.connections.filter(deleted_at=None)
    connection = get_object_or_404(registered, link_name=link_name)
    registration.require_by_hand(integration)

    if request.method == "POST":
        registration.deregister(integration, connection, by=request.user)
        said = f"{connection} is no longer registered here."
        return changed(request, "registration", then=integration, message=said)
    using = registration.users_in(integration, connection)
    context = {
        "integration": integration,
        "connection": connection,
        "using": get_text_list([counted(n, noun) for noun, n in using.items()], "and"),
        "several": sum(using.values()) > 1,
    }
    return render(request, "usage/deregister.html", context)
