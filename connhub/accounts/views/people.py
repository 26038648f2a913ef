"""The pages that super admins look after people with."""

from django.contrib.auth import logout
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from connhub import paging
from connhub.htmx import sent_to, wants_fragment

from .. import invitations, mail, resets
from .. import people as operations
from ..forms import InviteForm, PeopleFilterForm, RoleForm
from ..models import Invitation, User
from ..permissions import require
from ..reauthentication import recently_authenticated

BY_NAME = paging.Order("sorted by name", "name", "pk")
INVITATIONS_SHOWN = 50


@require_safe
@vary_on_headers("HX-Request")
def people(request):
    require(request.user, "account.administer")
    filters = PeopleFilterForm(request.GET)
    found = filters.over(User.objects.for_listing())
    context = {"page": paging.page(found, BY_NAME, request.GET), "filters": filters}
    if wants_fragment(request):
        return render(request, "accounts/_people.html", context)
    context["invitations"] = Invitation.objects.select_related("invited_by")[:INVITATIONS_SHOWN]
    return render(request, "accounts/people.html", context)


@require_safe
def person(request, public_id):
    return render(request, "accounts/person.html", {"person": _person(request, public_id)})


@require_http_methods(["GET", "POST"])
@recently_authenticated
def invite(request):
    require(request.user, "account.administer")
    form = InviteForm(request.POST or None)
    if form.is_valid():
        email = form.cleaned_data["email"]
        url = invitations.invite(email, role=form.cleaned_data["role"], by=request.user)
        return _sent(request, email, url, then="accounts:people")
    return render(request, "accounts/invite.html", {"form": form})


@require_POST
@recently_authenticated
def send_invitation(request, public_id):
    invitation = _invitation(request, public_id)
    url = invitations.send_again(invitation, by=request.user)
    return _sent(request, invitation.email, url, then="accounts:people")


@require_POST
def withdraw_invitation(request, public_id):
    invitation = _invitation(request, public_id)
    invitations.withdraw(invitation, by=request.user)
    return sent_to(
        request, "accounts:people", message=f"The invitation of {invitation} is withdrawn."
    )


@require_http_methods(["GET", "POST"])
@recently_authenticated
def change_role(request, public_id):
    person = _person(request, public_id)
    form = RoleForm(request.POST or None, initial={"role": person.role})
    if form.is_valid():
        operations.change_role(person, to=form.cleaned_data["role"], by=request.user)
        return _changed(request, person, "Role changed.")
    return render(request, "accounts/change_role.html", {"form": form, "person": person})


@require_http_methods(["GET", "POST"])
def deactivate(request, public_id):
    person = _person(request, public_id)
    if request.method == "POST":
        operations.deactivate(person, by=request.user)
        return _changed(request, person, f"{person} is deactivated.")
    left = [each for ask in operations.left_behind for each in ask(person)]
    blocking = next((each for each in left if each.blocks), None)
    context = {"person": person, "left": left, "blocking": blocking}
    return render(request, "accounts/deactivate.html", context)


@require_POST
def reactivate(request, public_id):
    person = _person(request, public_id)
    operations.reactivate(person, by=request.user)
    return sent_to(request, person, message=f"{person} is active again.")


@require_http_methods(["GET", "POST"])
@recently_authenticated
def reset_password(request, public_id):
    person = _person(request, public_id)
    if request.method == "POST":
        url = resets.make_link(person, by=request.user)
        return _sent(request, person.email, url, then=person)
    return render(request, "accounts/reset_password.html", {"person": person})


@require_http_methods(["GET", "POST"])
@recently_authenticated
def reset_factor(request, public_id):
    person = _person(request, public_id)
    if request.method == "POST":
        operations.reset_second_factor(person, by=request.user)
        return _changed(request, person, "Their second factor is reset.")
    return render(request, "accounts/reset_factor.html", {"person": person})


def _person(request, public_id):
    require(request.user, "account.administer")
    return get_object_or_404(User.objects.for_listing(), public_id=public_id)


def _changed(request, person, said):
    """Back to the person; whoever has thereby ended their own session signs in anew."""
    if person == request.user and not request.session.exists(request.session.session_key):
        logout(request)
        return sent_to(request, "accounts:sign_in", message=said)
    return sent_to(request, person, message=said)


def _invitation(request, public_id):
    require(request.user, "account.administer")
    return get_object_or_404(Invitation, public_id=public_id)


def _sent(request, email, url, *, then):
    """Says that a letter is on its way; where there is no mail server, shows the link this once."""
    if mail.is_set_up():
        return sent_to(request, then, message=f"A letter to {email} is on its way.")
    return render(request, "accounts/link.html", {"email": email, "url": url})
