"""What pages do that save something which selects connections: ask first, and say who gained."""

from django.shortcuts import render

from connhub.accounts.models import User
from connhub.htmx import sent_to, wants_fragment

from .. import declaring
from ..gains import gains
from ..models import Integration
from ..selecting import Selection, place_of
from ..use_forms import PRESSED, DeclaringForm
from .kinds import Kind


def edited(request, kind: Kind, integration: Integration | None, thing=None):
    """The form of a new one, or of one that is there; what it registers is shown before."""
    user = request.user
    typed = request.POST if request.method == "POST" else None
    form = kind.form(typed, place=place_of(integration, user), thing=thing)
    back = thing.get_absolute_url() if thing else kind.listing(integration)
    context = {
        "form": form, "kind": kind, "thing": thing, "integration": integration, "back": back,
        "listing": kind.listing(integration),
    }  # fmt: skip
    if form.is_bound and form.is_valid():
        if not form.was_seen:
            return asked_first(request, form, form.thing_name, "Save")
        gained = said_of(form.selection, integration, user)
        saved = _save(kind, form, user)
        return sent_to(request, saved, message=f"{saved} is saved.{gained}")
    if typed and "choices" in typed and form.searched:
        return render(request, "usage/_use_choices.html", context | {"row": form.searched})
    template = "usage/_form_uses.html" if wants_fragment(request) else "usage/thing_form.html"
    return render(request, template, context)


def _save(kind: Kind, form: DeclaringForm, user: User):
    sort, name, uses = kind.sort, form.thing_name, form.uses
    if form.thing:
        return declaring.save(sort, form.thing, name=name, uses=uses, by=user).thing
    key, where = form.cleaned_data[sort.model.KEY], form.place.integration
    return declaring.create(sort, key, name=name, uses=uses, integration=where, by=user).thing


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
    return f" Registered {names}: {gains(integration, selection.to_register, viewer=viewer).said}."
