"""What the pages of an integration's flows and of standalone ones have in common."""

from django.db.models import Exists, OuterRef
from django.shortcuts import render
from django.urls import reverse

from connhub.accounts.models import User
from connhub.accounts.permissions import may
from connhub.connections.models import Connection
from connhub.htmx import sent_to, wants_fragment

from .. import flows, registration
from ..flow_forms import PRESSED, FlowForm
from ..gains import gains
from ..models import Flow, Integration
from ..selecting import Selection, place_of


def context_of(flow: Flow, user: User) -> dict:
    """What a flow's page shows: its steps, each with how its connection stands there."""
    integration = flow.integration
    this = OuterRef("connection")
    steps = flow.steps.select_related("connection__service").order_by("name")
    steps = steps.annotate(is_seen=Exists(Connection.objects.visible_to(user).filter(pk=this)))
    if integration:
        offered = registration.offered_in(integration).filter(pk=this)
        steps = steps.annotate(is_offered=Exists(offered))
        actions = {"save": "integration.save_flow", "remove": "integration.remove_flow"}
        allowed = {f"may_{word}": may(user, name, integration) for word, name in actions.items()}
    else:
        allowed = {"may_save": may(user, "flow.save", flow)}
        allowed["may_remove"] = may(user, "flow.delete", flow)
    return {"flow": flow, "integration": integration, "steps": steps, **allowed}


def edited(request, integration, flow=None):
    """The form of a new flow, or of one that is there; what it registers is shown before."""
    user = request.user
    typed = request.POST if request.method == "POST" else None
    form = FlowForm(typed, place=place_of(integration, user), flow=flow)
    context = {"form": form, "flow": flow, "integration": integration}
    if form.is_bound and form.is_valid():
        if not form.was_seen:
            return asked_first(request, form, form.cleaned_data["name"], "Save")
        gained = said_of(form.selection, integration, user)
        saved = _save(form, flow, user)
        return sent_to(request, saved, message=f"{saved} is saved.{gained}")
    if typed and "choices" in typed and form.searched:
        return render(request, "usage/_step_choices.html", context | {"row": form.searched})
    template = "usage/_steps.html" if wants_fragment(request) else "usage/flow_form.html"
    return render(request, template, context)


def _save(form: FlowForm, flow: Flow | None, user: User) -> Flow:
    name, steps = form.cleaned_data["name"], form.steps
    if flow:
        return flows.save(flow, name=name, steps=steps, by=user).flow
    slug, integration = form.cleaned_data["slug"], form.place.integration
    return flows.create(slug, name=name, steps=steps, integration=integration, by=user).flow


def asked_first(request, form, thing, button):
    """What saving would register, and who gains access by it."""
    integration, to_register = form.place.integration, form.selection.to_register
    typed = [
        (name, values)
        for name, values in request.POST.lists()
        if name not in ("csrfmiddlewaretoken", "seen", *PRESSED)
    ]
    context = {
        "integration": integration,
        "thing": thing,
        "button": button,
        "to_register": to_register,
        "gains": gains(integration, to_register, viewer=request.user) if integration else None,
        "typed": typed,
    }
    return render(request, "usage/registering.html", context)


def said_of(selection: Selection, integration: Integration | None, viewer: User) -> str:
    """What is said once it is saved; asked for before, while there is somebody to gain."""
    if not integration or not selection.to_register:
        return ""
    names = ", ".join(map(str, selection.to_register))
    gaining = gains(integration, selection.to_register, viewer=viewer)
    who = f"{gaining} gained access" if gaining.people else "nobody new gained access"
    return f" Registered {names}: {who}."


def removed(request, flow):
    """Asks, and deletes the flow."""
    integration = flow.integration
    if request.method == "POST":
        flows.delete(flow, by=request.user)
        there = reverse("usage:flows", args=[integration.slug]) if integration else "flows:list"
        return sent_to(request, there, message=f"{flow} is deleted.")
    stopping = registration.kept_by(flow, integration) if integration else Connection.objects.none()
    return render(request, "usage/delete_flow.html", {"flow": flow, "stopping": stopping})
